"""Faults that a review found in the loop: each of these ended in a traceback, or in a wrong place."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from askance import api
from askance.active.calibration import FEATURES
from askance.active.measures import MEASURES
from askance.active.measuring import Measured, _summary
from askance.active.scores import score_maps
from askance.active.training import _crossed
from askance.errors import DataError, SplitError
from askance.learning.fields import Box
from askance.learning.novelty import fit
from askance.learning.outcome import Outcome
from askance.records import Model, Prediction
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division
from made_studies import AFFINE, LEARN, TINY, make_study, read_volume, write_dataset, write_volume


def _outcome(patch_logits, judged):
    probs = np.zeros((1, 2, 32, 32), np.float32)
    probs[:, 0] = 1
    return Outcome(probs, np.ones(1, np.float32), np.zeros((1, 32, 32), np.float32), patch_logits, judged=judged)


def test_a_verdict_lies_where_d_looked_and_every_case_has_a_map_of_one_size():
    logits = np.full((1, 2, 2), -20, np.float32)
    logits[0, 0, 0] = 20
    maps = score_maps(_outcome(logits, Box(16, 16, 32, 32)), "paper")
    assert maps.shape == score_maps(_outcome(np.zeros((1, 3, 3), np.float32), None), "paper").shape == (1, 4, 4)
    assert maps[0, 2, 2] == pytest.approx(1)
    assert maps[0, 3, 3] == pytest.approx(0)
    assert maps[0, 0, 0] == pytest.approx(0.25, abs=1e-3)


def test_a_test_volume_without_foreground_has_no_dice_and_the_others_keep_theirs(tmp_path):
    said = [Prediction("p4/2/0", "m", 0.9, None, dict.fromkeys(MEASURES, 0.0))]
    none, some = (Measured(case, case, np.array(volume), np.array(volume[:1]), said) for case, volume in _VOLUMES.items())
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        summary = _summary(study, [none, some])
    assert summary["dice"] == pytest.approx(0.7)
    assert set(summary["per_volume"]["p4"].values()) == {None}


_VOLUMES = {"p4": [np.nan, np.nan], "p5": [0.8, 0.6]}


def test_pairs_of_an_older_base_are_left_out(tmp_path, monkeypatch):
    old, new = {"continued_dice": 0.5}, dict.fromkeys(FEATURES, 0.5)
    info = {"crossed": {"seen": [old, new], "dice": [0.4, 0.6]}}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        model = Model("cycle-000", 0, "none", "0", "2026-01-01T00:00:00Z", None, info)
        monkeypatch.setattr(type(study.store), "model", lambda *_: model)
        pairs = _crossed(study, 1)
    assert (list(pairs.seen), list(pairs.dice)) == ([new], [0.6])


def test_nothing_is_usual_where_one_patient_is_nearly_all():
    traits = {"all": torch.randn(60, 4, generator=torch.Generator().manual_seed(0))}
    assert fit(traits, ["a"] * 59 + ["b"]) is None
    assert fit(traits, ["a"] * 40 + ["b"] * 20) is not None


@pytest.mark.parametrize("side", ["test", "validation"])
def test_a_case_kept_to_test_on_is_not_added_to_learn(tmp_path, side):
    found = find_dataset(write_dataset(tmp_path / "data"))
    cases = tuple(case for case in found.cases if case.id != LEARN[0])
    sides = {name: where for name, where in (found.splits or {}).items() if name != LEARN[0]} or None
    first = replace(found, cases=cases, splits=sides)
    with api.init(tmp_path / "study", first, settings={"expert": "simulated", **TINY}) as study:
        with pytest.raises(SplitError, match=LEARN[0]):
            api.add(study, replace(found, splits={**(found.splits or {}), LEARN[0]: side}))
        with pytest.raises(DataError, match="label value 9"):
            api.add(study, replace(found, ignore=9))
        assert LEARN[0] not in {case.id for case in study.store.cases()}


def _renamed(folder, old, new):
    """A data set whose cases called ``old`` are called ``new``, and that says nothing of sides."""
    for path in sorted(folder.glob(f"*Tr/{old}*")):
        path.rename(path.with_name(path.name.replace(old, new, 1)))
    (folder / "splits.json").unlink(missing_ok=True)
    return folder


def test_a_new_visit_of_a_known_patient_does_not_go_to_learn_in_silence(tmp_path):
    data = write_dataset(tmp_path / "data")
    for name in ("p1", "p2", "p3", "p4"):
        _renamed(data, name, f"{name}_a")
    more = _renamed(write_dataset(tmp_path / "more"), "p4", "p4_b")
    for path in more.glob("*Tr/p[123]*"):
        path.unlink()
    division = Division(pattern=r"^(p\d)", splits={"p1": "learn", "p2": "learn", "p3": "learn", "p4": "test"})
    with api.init(tmp_path / "study", find_dataset(data), settings=TINY, division=division) as study:
        with pytest.raises(SplitError, match=r"1 new cases may be of patients whom the study knows.*p4_b.*--patients"):
            api.add(study, find_dataset(more))
        with pytest.raises(SplitError, match="p4"):
            api.add(study, find_dataset(more), Division(pattern=r"^(p\d)"))
        assert api.add(study, find_dataset(more), Division(each_case=True)) == ["p4_b"], "the user says so"


def test_another_volume_of_a_known_name_is_refused_and_the_same_one_is_no_news(tmp_path, caplog):
    data = write_dataset(tmp_path / "data")
    (data / "splits.json").unlink(missing_ok=True)
    copy = shutil.copytree(data, tmp_path / "copy")
    late = next(data.glob("labelsTr/p1*"))
    kept = late.rename(tmp_path / late.name)
    with api.init(tmp_path / "study", find_dataset(data), settings=TINY, division=Division(each_case=True)) as study:
        assert api.add(study, find_dataset(data), Division(each_case=True)) == []
        assert api.add(study, find_dataset(copy), Division(each_case=True)) == []
        assert "1 cases have a label file now that the study knows without one (p1)" in caplog.text
        other = next(copy.glob("imagesTr/p2*"))
        write_volume(other, read_volume(other) + 1, AFFINE)
        with pytest.raises(DataError, match="p2: the study has a case of that id with other images"):
            api.add(study, find_dataset(copy), Division(each_case=True))
    assert kept.exists()


def test_what_is_added_is_warned_of_beside_what_the_study_has(tmp_path, caplog):
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        other = write_dataset(tmp_path / "other")
        for path in sorted(other.glob("*Tr/p*")):  # other names: again, a test volume; turned; and with twice the pixels
            path.rename(path.with_name(path.name.replace("p", "q", 1)))
        for path in [*other.glob("*Tr/q2*"), *other.glob("*Tr/q3*")]:
            turned = AFFINE * np.array([-1.0, 1, 1, 1]) if path.name.startswith("q2") else AFFINE
            write_volume(path, np.tile(read_volume(path), (1 if path.name.startswith("q2") else 2, 1, 1)), turned)
        (other / "splits.json").unlink()
        assert api.add(study, find_dataset(other), Division(each_case=True)) == ["q1", "q2", "q3", "q4"]
    warned = "\n".join(caplog.messages)
    assert re.search(r"q4_0000.nii.gz \(learn\), \S*p4_0000.nii.gz \(test\): are the same image", warned)
    assert "1 of 4 volumes are stored in another orientation than the others' RAS" in warned
    assert re.search(r"1 of 4 new cases reach beyond the study's working grid of 32 x 32 pixels \(q3: 33.3% ", warned)
