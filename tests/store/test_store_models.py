import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_studies import arrays, labels, predictions, query, save_model

from askance.errors import StudyError
from askance.records import Cycle, LabelEntry, LabelSet, Model
from askance.store.store import Store


@pytest.fixture
def trained(store: Store) -> Store:
    """One slice answered, model m0 trained on it."""
    store.save_query(query(["c1/2/0"]))
    store.save_answer("c1/2/0", labels(0), "simulated")
    save_model(store)
    return store


def test_a_label_set_is_known_by_its_entries_in_any_order(trained: Store) -> None:
    entries = [LabelEntry("c2/2/1", "pseudo", 0.5, model="m0"), LabelEntry("c1/2/0", "annotation", 1.0, version=1)]
    first = trained.save_label_set(entries)
    assert trained.save_label_set(reversed(entries)) == first
    assert trained.label_set(first.id) == first
    assert len(first.id) == 16
    assert trained.save_label_set([replace(entries[0], weight=0.25), entries[1]]).id != first.id


def test_an_empty_label_set_is_one(store: Store) -> None:
    empty = store.save_label_set([])
    assert store.label_set(empty.id) == LabelSet(empty.id, ())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([LabelEntry("c1/2/0", "annotation", 1.0, version=1)] * 2, "listed twice"),
        ([LabelEntry("c1/2/0", "annotation", 1.0)], "wanted annotation with a version"),
        ([LabelEntry("c1/2/0", "pseudo", 1.0)], "or pseudo with a model"),
        ([LabelEntry("c1/2/0", "annotation", 1.0, version=2)], "store what it refers to first"),
        ([LabelEntry("c1/2/0", "pseudo", 1.0, model="m9")], "store what it refers to first"),
    ],
)
def test_a_label_set_holds_only_what_exists(trained: Store, entries: list[LabelEntry], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        trained.save_label_set(entries)


def test_an_unknown_label_set_or_model_is_told(trained: Store) -> None:
    with pytest.raises(StudyError, match="label set 'x' is not in the study"):
        trained.label_set("x")
    with pytest.raises(StudyError, match="model 'x' is not in the study"):
        trained.model("x")


def test_models_come_by_cycle_and_the_latest_is_last(trained: Store) -> None:
    label_set = trained.model("m0").label_set
    later = Model("m2", 2, label_set, "cd", "2026-01-01T00:00:00+00:00", parent="m0", info={"dice": np.float32(0.5)})
    earlier = Model("m1", 1, label_set, "ef", "2027-01-01T00:00:00+00:00")
    trained.save_model(later)
    trained.save_model(earlier)
    assert [one.id for one in trained.models()] == ["m0", "m1", "m2"]
    assert trained.latest_model() == later


def test_there_is_no_latest_model_before_the_first(store: Store) -> None:
    assert store.latest_model() is None


def test_a_model_is_stored_once_and_not_replaced(trained: Store) -> None:
    model = trained.model("m0")
    trained.save_model(replace(model, created_at="later", info={"seconds": 1}))
    assert trained.models() == [model]
    with pytest.raises(StudyError, match="other weights"):
        trained.save_model(replace(model, weights_sha256="00"))
    with pytest.raises(StudyError, match="store what it refers to first"):
        trained.save_model(replace(model, id="m1", label_set="x"))


def test_a_models_folder_is_inside_the_study(store: Store) -> None:
    assert store.model_folder("m0") == store.folder / "models" / "m0"
    with pytest.raises(StudyError, match="cannot name a folder"):
        store.model_folder("../m0")


def test_predictions_read_back(trained: Store) -> None:
    given_labels, maps = arrays(0)
    trained.predictions.save("m0", "c2", predictions("c2")[::-1], given_labels, maps)
    trained.predictions.save("m0", "t1", predictions("t1"), given_labels, maps)
    trained.predictions.save("m0", "c1", [], *arrays(1))
    assert trained.predictions.cases("m0") == ["c1", "c2", "t1"]
    assert trained.predictions.of("m0") == predictions("c2") + predictions("t1")
    np.testing.assert_array_equal(trained.predictions.labels("m0", "c2"), given_labels)
    np.testing.assert_array_equal(trained.predictions.maps("m0", "c2"), maps)
    with pytest.raises(StudyError, match="'m0' has no prediction of case 'c10'"):
        trained.predictions.maps("m0", "c10")


def test_the_same_prediction_again_keeps_its_triage_and_another_replaces_it(trained: Store) -> None:
    trained.predictions.save("m0", "c2", predictions("c2"), *arrays(0))
    trained.predictions.save_triage([replace(predictions("c2")[0], triage="pseudo", weight=0.5)])
    trained.predictions.save("m0", "c2", predictions("c2"), *arrays(0))
    assert trained.predictions.of("m0")[0].triage == "pseudo"
    assert trained.predictions.of("m0")[0].weight == 0.5
    assert trained.predictions.of("m0")[1:] == predictions("c2")[1:]
    trained.predictions.save("m0", "c2", predictions("c2", score=0.75), *arrays(1))
    assert trained.predictions.of("m0") == predictions("c2", score=0.75)
    np.testing.assert_array_equal(trained.predictions.labels("m0", "c2"), arrays(1)[0])


def test_a_prediction_that_does_not_fit_is_refused(trained: Store) -> None:
    good, (given_labels, maps) = predictions("c2"), arrays(0)
    bad = [
        ("c2", good, given_labels[:5], maps, "wanted uint8 with 6 layers"),
        ("c2", good, given_labels, maps.astype(np.float32), "wanted float16 with 6 layers"),
        ("c1", good, given_labels, maps, "found one of slice 'c2/2/0'"),
        ("c2", [good[0], good[0]], given_labels, maps, "or that slice twice"),
        ("c2", [replace(good[0], model="m1")], given_labels, maps, "by 'm1'"),
        ("c2", [replace(good[0], score=float("nan"))], given_labels, maps, "score is nan"),
        ("c2", [replace(good[0], score=1.5)], given_labels, maps, r"score is 1\.5"),
        ("c2", [replace(good[0], measures={"entropy": float("inf")})], given_labels, maps, r"measures\.entropy is inf"),
        ("c99", good, given_labels, maps, "'c99' is not in the study"),
    ]
    for case_id, given, some_labels, some_maps, message in bad:
        with pytest.raises(StudyError, match=message):
            trained.predictions.save("m0", case_id, given, some_labels, some_maps)
    with pytest.raises(StudyError, match="model 'm9' is not in the study"):
        trained.predictions.save("m9", "c2", predictions("c2", "m9"), given_labels, maps)
    assert trained.predictions.of("m0") == []


def test_triage_of_what_was_not_predicted_is_refused(trained: Store) -> None:
    trained.predictions.save("m0", "c2", predictions("c2"), *arrays(0))
    with pytest.raises(StudyError, match="no prediction of slice 'c1/2/0'"):
        trained.predictions.save_triage(predictions("c1"))
    with pytest.raises(StudyError, match="weight is nan"):
        trained.predictions.save_triage([replace(predictions("c2")[0], weight=float("nan"))])
    trained.predictions.save_triage([])


def test_cycles_become_lines_of_the_log(trained: Store) -> None:
    trained.save_cycle(Cycle(1, "m0", {"dice": np.float64(0.5), "per_class": np.array([0.5, np.nan])}))
    trained.save_cycle(Cycle(0, "m0", {"dice": 0.25, "where": Path("a/b")}))
    trained.save_cycle(Cycle(0, "m0", {"dice": 0.375, "where": "心"}))
    lines = (trained.folder / "log" / "cycles.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"cycle": 0, "model": "m0", "dice": 0.375, "where": "心"},
        {"cycle": 1, "model": "m0", "dice": 0.5, "per_class": [0.5, None]},
    ]
    assert trained.cycles()[1] == Cycle(1, "m0", {"dice": 0.5, "per_class": [0.5, None]})


def test_a_cycle_keeps_its_model_and_its_record_is_plain(trained: Store) -> None:
    trained.save_cycle(Cycle(0, "m0", {}))
    with pytest.raises(StudyError, match="is finished already, with model 'm0'"):
        trained.save_cycle(Cycle(0, "m1", {}))
    for record in ({"x": object()}, {"x": float("inf")}):
        with pytest.raises(StudyError, match="what JSON cannot"):
            trained.save_cycle(Cycle(1, "m0", record))


def test_steps_are_remembered(store: Store) -> None:
    assert store.marked(0, "trained") is None
    store.mark(0, "trained", {"model": "m0"})
    store.mark(0, "trained", {"model": "m1"})
    store.mark(1, "trained", {})
    assert store.marked(0, "trained") == {"model": "m1"}
    assert store.marked(1, "trained") == {}


def test_sweeping_removes_what_no_row_knows(trained: Store) -> None:
    trained.predictions.save("m0", "c2", predictions("c2"), *arrays(0))
    lost = [trained.folder / name for name in ("annotations/c1/2-1.v1.npz", "predictions/m0/.ab.partial", ".x.partial")]
    for path in lost:
        path.write_bytes(b"")
    assert trained.sweep() == sorted(lost)
    assert trained.sweep() == []
    trained.predictions.labels("m0", "c2")
    trained.read_annotation(trained.annotations()[0])
