"""Figure 2: a row a slice, four panels in the paper's order."""

import io

import numpy as np
import pytest
from matplotlib import image as mpl_image

from askance.active.study import Study
from askance.api import run
from askance.cli import main
from askance.errors import UsageError
from askance.report.data import Panel
from askance.report.figure2 import figure2_png
from askance.summary import figure2


def panel(truth: bool = True) -> Panel:
    labels = np.zeros((30, 40), np.uint8)
    labels[10:20, 10:30] = 1
    image = np.linspace(0, 1, 1200).reshape(30, 40)
    return Panel("case/2/7", image, labels if truth else None, labels, np.where(labels > 0, 0.0, 1.0), 0.5, 0.7)


def red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 0.6) & (pixels[..., 1] < 0.35) & (pixels[..., 2] < 0.35)


def test_the_doubtful_part_is_red_in_the_fourth_panel_alone():
    picture = mpl_image.imread(io.BytesIO(figure2_png([panel(), panel()], ("background", "muscle"))))
    panels = picture[: int(0.88 * len(picture))]  # the legend names red, too
    quarter = panels.shape[1] // 4
    shares = [red(panels[:, place * quarter : (place + 1) * quarter]).mean() for place in range(4)]
    assert shares[3] > 0.05
    assert max(shares[:3]) < 0.005


def test_every_column_has_its_heading_over_the_first_row():
    picture = mpl_image.imread(io.BytesIO(figure2_png([panel()], ("background", "muscle"))))[..., :3].mean(-1)
    first_panel_row = int(np.flatnonzero((picture < 0.5).mean(1) > 0.15)[0])
    strip = picture[: first_panel_row - 2]
    assert [bool((part < 0.5).any()) for part in np.array_split(strip, 4, axis=1)] == [True] * 4


def test_more_slices_make_a_taller_picture_and_a_missing_truth_leaves_its_panel_out():
    heights = [mpl_image.imread(io.BytesIO(figure2_png([panel()] * n, ("background", "m")))).shape[0] for n in (1, 3)]
    assert heights[1] > 2 * heights[0] - 150
    assert figure2_png([panel(truth=False)], ("background", "m")).startswith(b"\x89PNG")
    assert figure2_png([], ("background", "m")).startswith(b"\x89PNG")


def test_named_slices_come_in_their_order_and_unknown_ones_are_refused(tiny_study: Study, tmp_path, capsys):
    run(tiny_study)
    wanted = ["p4/2/3", "p4/2/0"]
    assert [one.slice_id for one in figure2(tiny_study, wanted)] == wanted
    with pytest.raises(UsageError, match="p9/2/0: the newest model"):
        figure2(tiny_study, ["p9/2/0"])
    out = tmp_path / "figure2.png"
    assert main(["bench", "figure", str(tiny_study.store.folder), "--out", str(out), "--slices", *wanted]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_study_without_a_model_has_no_figure(tiny_study: Study, tmp_path, capsys):
    tiny_study.store.close()
    out = tmp_path / "figure2.png"
    assert main(["bench", "figure", str(tiny_study.store.folder), "--out", str(out)]) == 2
    assert "no model yet" in capsys.readouterr().err
    assert not out.exists()
