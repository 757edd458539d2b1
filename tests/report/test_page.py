import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from made_reports import report_data, without_truth

from askance.errors import StudyError, UsageError
from askance.report.data import AskedSlice
from askance.report.page import render, write_report


@pytest.fixture(scope="module")
def page():
    return render(report_data())


def test_the_headline_says_in_words_what_the_labels_bought(page):
    words = page.replace("\u00a0", " ")
    assert "With 113 of 1,126 slices labelled (10.0 %), the mean Dice on the 40 frozen test volumes is 0.87." in words


def test_the_page_needs_no_network_and_no_script(page):
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]{0,30})', page))


def test_every_picture_has_words_for_who_cannot_see_it(page):
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) == 4 + 4 * 4
    assert all(re.search(r'alt="[^"]{10,}"', picture) for picture in pictures)


def test_the_page_tells_why_each_slice_was_asked(page):
    assert page.count("<details>") == 1 + 3
    assert page.count("<details open>") == 1  # the newest questions are seen without a click
    assert page.count("low score, clear foreground") == 28


def test_the_page_tells_where_its_figures_come_from(page):
    for fact in ("commit 9ce74dd", "label set 5f2b8a1c9d3e4f70", "seed 0", "AVX-512", "224 x 224 pixels"):
        assert fact in page


def test_without_truth_the_figure_is_an_estimate_and_says_so():
    page = render(without_truth()).replace("\u00a0", " ")
    assert "is 0.84, estimated from 30 unassisted slices (95 % interval 0.79 to 0.88)." in page
    assert "cannot be said" in page
    assert "<figcaption>Truth" not in page
    assert "Dice of each structure" not in page


def test_a_base_alone_makes_a_page():
    data = report_data()
    page = render(dataclasses.replace(data, cycles=data.cycles[:1], slices_scored=(), asked=(), figure2=()))
    assert "With 28 of 1,126 slices labelled" in page.replace("\u00a0", " ")
    assert "Most and least certain" not in page


def test_figures_by_class_without_figures_by_volume_make_a_page():
    data = report_data()
    bare = tuple({**cycle, "per_volume": {}} for cycle in data.cycles)
    assert "Dice of each structure" in render(dataclasses.replace(data, cycles=bare, figure2=()))


def test_the_same_data_make_the_same_page(page):
    assert render(report_data()) == page


def test_names_are_text_and_never_markup():
    evil = '<img src=x onerror="alert(1)"> $x_1$ & {{ 7 * 7 }}'
    data = report_data()
    asked = (AskedSlice(0, evil, evil, None),)
    cycles = tuple({**cycle, "dice_per_class": {evil: 0.8}} for cycle in data.cycles)
    study = dataclasses.replace(data.study, name=evil, classes=("background", evil))
    figure2 = (dataclasses.replace(data.figure2[0], title=evil, slice_id=evil),)
    page = render(dataclasses.replace(data, study=study, asked=asked, cycles=cycles, figure2=figure2))
    assert "<img src=x" not in page
    assert page.count("{{ 7 * 7 }}") > 5
    assert 'onerror="' not in page


def test_a_slice_without_contrast_or_in_thick_rows_is_shown():
    data = report_data()
    flat = dataclasses.replace(data.figure2[0], image=np.full((128, 112), 7.0), aspect=2.5)
    assert "aspect-ratio: 112 / 320" in render(dataclasses.replace(data, figure2=(flat,)))


def test_a_study_without_a_finished_cycle_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(UsageError, match="no finished cycle"):
        write_report(tmp_path / "report.html", dataclasses.replace(report_data(), cycles=()))
    assert not list(tmp_path.iterdir())


def test_the_report_is_written_whole_and_replaces_the_last(tmp_path, page):
    path = tmp_path / "report.html"
    path.write_text("the last one")
    write_report(path, report_data())
    assert path.read_text(encoding="utf-8") == page
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_disk_that_fails_leaves_the_last_report_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the last one")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StudyError, match=r"report\.html.*No space left"):
        write_report(path, without_truth())
    assert path.read_text() == "the last one"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(StudyError, match="cannot be written"):
        write_report(tmp_path / "missing" / "report.html", without_truth())


def test_the_room_loads_neither_torch_nor_pyplot():
    code = "import sys, askance.report.page; print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
