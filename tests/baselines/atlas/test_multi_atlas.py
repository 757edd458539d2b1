"""The whole method on made hearts: it finds and labels them, goes on after a kill, and says what went wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_hearts import CLASSES, SHAPE, looked_up, make_hearts, names, slices_of, write_case
from numpy.typing import NDArray

from askance.baselines.atlas import method
from askance.baselines.atlas.levelset import LevelSetSettings
from askance.baselines.atlas.method import MultiAtlas
from askance.baselines.atlas.registration import RegistrationSettings
from askance.baselines.atlas.settings import AtlasSettings
from askance.errors import ConfigError, LabelError, StudyError, UsageError
from askance.metrics.dice import dice_per_class
from askance.records import IGNORE, Case

#: Few atlases and few steps: hearts that are all alike need no more.
QUICK = RegistrationSettings(bspline_steps=3)
SETTINGS = AtlasSettings(atlases=2, candidates=4, registration=QUICK)
Made = tuple[list[Case], dict[str, NDArray[np.uint8]], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Five cases, their labels, and a folder fitted on the first four."""
    folder = tmp_path_factory.mktemp("hearts")
    cases, labels = make_hearts(folder / "data")
    MultiAtlas(CLASSES, 1, SETTINGS).fit(cases[:4], looked_up(labels), folder / "fit", seed=0)
    return cases, labels, folder / "fit"


@pytest.mark.parametrize("fusion", ["majority", "staple"])
def test_a_heart_never_seen_is_labelled(made: Made, fusion: str) -> None:
    cases, labels, folder = made
    multi = MultiAtlas(CLASSES, 1, replace(SETTINGS, fusion=fusion))
    found = multi.predict(cases[4], folder)
    assert (found.shape, found.dtype) == (SHAPE, np.uint8)
    assert dice_per_class(found, labels["h4"], CLASSES).min() > 0.8
    assert multi.failures(folder) == []


def test_the_same_case_gets_the_same_labels_twice(made: Made) -> None:
    cases, _, folder = made
    first, second = (MultiAtlas(CLASSES, 1, SETTINGS).predict(cases[4], folder) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("count", [1, 3])
def test_a_stack_of_few_slices_is_labelled_too(tmp_path: Path, count: int) -> None:
    cases, labels = make_hearts(tmp_path / "data", 3)
    few = [slices_of(case, count, labels[case.id], tmp_path / "few") for case in cases]
    multi = MultiAtlas(CLASSES, 1, SETTINGS)
    multi.fit([case for case, _ in few[:2]], looked_up({case.id: truth for case, truth in few}), tmp_path / "fit", 0)
    assert dice_per_class(multi.predict(few[2][0], tmp_path / "fit"), few[2][1], CLASSES).min() > 0.7


def test_a_heart_that_is_not_found_is_listed_and_taken_to_lie_where_hearts_do(made: Made, tmp_path: Path) -> None:
    cases, _, folder = made
    noise = write_case(tmp_path, "noise", np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.int16))
    multi = MultiAtlas(CLASSES, 1, SETTINGS)
    labels = multi.predict(noise, folder)
    assert labels.shape == SHAPE
    (failure,) = multi.failures(folder)
    assert failure["case"] == "noise"
    assert failure["correlation"] < SETTINGS.least_correlation or failure["agreement"] < SETTINGS.least_agreement
    multi.predict(cases[4], folder)
    assert [one["case"] for one in multi.failures(folder)] == ["noise"]


def test_fit_reports_how_far_it_is(tmp_path: Path) -> None:
    cases, labels = make_hearts(tmp_path / "data", 2)
    told: list[tuple[str, int, int]] = []
    MultiAtlas(CLASSES).fit(cases, looked_up(labels), tmp_path / "fit", 0, lambda *step: told.append(step))
    assert told == [("atlases", 1, 2), ("atlases", 2, 2)]


def test_a_fit_that_was_killed_goes_on_without_making_an_atlas_twice(tmp_path: Path) -> None:
    """Killed for good, in a process of its own, while it writes its third atlas."""
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from askance.baselines.atlas import library, method\nfrom made_hearts import looked_up, make_hearts\n"
        "folder, save, saved = Path(sys.argv[1]), method.save_atlas, []\n"
        "def dying(path, atlas):\n"
        "    if len(saved) == 2:\n"
        "        (path.parent / f'.partial-{os.getpid()}-1-{path.name}').write_bytes(b'half')\n"
        "        os._exit(9)\n"
        "    saved.append(path)\n    save(path, atlas)\n"
        "method.save_atlas = dying\n"
        "cases, labels = make_hearts(folder / 'data', 4)\n"
        "method.MultiAtlas(3).fit(cases, looked_up(labels), folder / 'fit', 0)\n"
    )
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True, text=True)
    assert died.returncode == 9, died.stderr
    cases, labels = make_hearts(tmp_path / "data", 4)
    multi, asked = MultiAtlas(CLASSES), []
    with pytest.raises(StudyError, match="no whole multi-atlas fit"):
        multi.predict(cases[0], tmp_path / "fit")
    multi.fit(cases, looked_up(labels, asked), tmp_path / "fit", 0)
    assert asked == ["h2", "h3"]
    assert sorted(path.name for path in (tmp_path / "fit/atlases").iterdir()) == ["h0.npz", "h1.npz", "h2.npz", "h3.npz"]
    assert list(json.loads((tmp_path / "fit/library.json").read_text())) == names(cases)


def test_cases_without_foreground_are_left_out_and_unlabelled_voxels_do_not_vote(tmp_path: Path) -> None:
    cases, labels = make_hearts(tmp_path / "data", 4)
    partly = {case: np.full(SHAPE, IGNORE, np.uint8) for case in labels}
    for case in ("h0", "h1", "h2"):
        partly[case][:, :, 2:4] = labels[case][:, :, 2:4]
    multi = MultiAtlas(CLASSES, 1, SETTINGS)
    multi.fit(cases, looked_up(partly), tmp_path / "fit", 0)
    assert list(json.loads((tmp_path / "fit/library.json").read_text())) == ["h0", "h1", "h2"]
    found = multi.predict(cases[3], tmp_path / "fit")
    assert found.max() < CLASSES
    assert dice_per_class(found[:, :, 2:4], labels["h3"][:, :, 2:4], CLASSES).min() > 0.7


def test_nothing_labelled_is_one_clear_error(tmp_path: Path) -> None:
    cases, labels = make_hearts(tmp_path / "data", 2)
    unlabelled = {case: np.full(SHAPE, IGNORE, np.uint8) for case in labels}
    with pytest.raises(LabelError, match="none of the 2 cases has a labelled voxel of foreground"):
        MultiAtlas(CLASSES).fit(cases, looked_up(unlabelled), tmp_path / "fit", 0)


def test_a_folder_of_another_fit_is_refused(made: Made) -> None:
    cases, labels, folder = made
    with pytest.raises(UsageError, match="atlases of other cases or settings"):
        MultiAtlas(CLASSES).fit(cases, looked_up(labels), folder, 0)
    with pytest.raises(UsageError, match="atlases of other cases or settings"):
        MultiAtlas(CLASSES, 1, replace(SETTINGS, margin_mm=10.0)).fit(cases[:4], looked_up(labels), folder, 0)


def test_a_damaged_atlas_says_which(tmp_path: Path) -> None:
    cases, labels = make_hearts(tmp_path / "data", 2)
    multi = MultiAtlas(CLASSES)
    multi.fit(cases, looked_up(labels), tmp_path / "fit", 0)
    (tmp_path / "fit/atlases/h1.npz").write_bytes(b"not an npz")
    method._library.cache_clear()
    with pytest.raises(StudyError, match=r"h1\.npz: is no atlas that can be read"):
        multi.predict(cases[0], tmp_path / "fit")


@pytest.mark.parametrize(
    ("name", "value"), [("voters", 0), ("margin_mm", -50), ("candidates", 0), ("reach_mm", 0), ("finest_mm", float("nan"))]
)
def test_settings_out_of_their_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"the atlas's {name} is {value}; wanted"):
        AtlasSettings(**{name: value})
    with pytest.raises(ConfigError, match="the level set's steps is -1; wanted 0 to"):
        LevelSetSettings(steps=-1)
    with pytest.raises(ConfigError, match=r"the registration's grid_mm is 0; wanted 0\.1 to"):
        RegistrationSettings(grid_mm=0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"classes": 1}, "found 1 classes and 1 channels"),
        ({"classes": 3, "channels": 0}, "found 3 classes and 0 channels"),
        ({"classes": 3, "settings": AtlasSettings(fusion="mean")}, "no fusion is named 'mean'"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MultiAtlas(**wrong)
