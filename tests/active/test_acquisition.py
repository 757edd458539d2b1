"""Acquisitions on hand-made candidates with a known ranking."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askance.active import acquisition as module
from askance.active.acquisition import ACQUISITIONS, Candidate, acquisition
from askance.active.diversity import CoreSet
from askance.config import from_preset
from askance.errors import UsageError

MEASURES = (
    *("score", "d_raw", "entropy", "foreground", "agreement", "bald", "expected_dice", "total_entropy", "expected_errors"),
    *("class_entropy/1", "class_entropy/2", "true_foreground", "place/1", "place/2"),
)
PATIENTS = (("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1"))


def pool(n: int, rng: np.random.Generator) -> list[Candidate]:
    values = rng.random((n, len(MEASURES))).round(1)
    return [
        Candidate(f"c{i // 10}/2/{i % 10}", f"p{i // 20}", f"c{i // 10}", i % 10, dict(zip(MEASURES, row)))
        for i, row in enumerate(values)
    ]


def test_score_asks_for_the_lowest_estimates_first() -> None:
    values = {"a/2/0": 0.9, "a/2/1": 0.1, "a/2/2": 0.5}
    candidates = [Candidate(name, "p", "a", i, {"score": value}) for i, (name, value) in enumerate(values.items())]
    assert acquisition("score").select(candidates, 2, np.random.default_rng(0)) == ["a/2/1", "a/2/2"]


def test_entropy_asks_for_the_highest_first_and_ties_go_by_id() -> None:
    values = {"b/2/0": 0.5, "a/2/1": 0.5, "a/2/0": 0.9}
    candidates = [Candidate(name, "p", name[0], 0, {"entropy": value}) for name, value in values.items()]
    assert acquisition("entropy").select(candidates, 3, np.random.default_rng(0)) == ["a/2/0", "a/2/1", "b/2/0"]


def test_foreground_random_takes_empty_slices_only_when_nothing_else_is_left() -> None:
    candidates = [Candidate(f"a/2/{i}", "p", "a", i, {"foreground": float(i < 3)}) for i in range(6)]
    chosen = acquisition("foreground-random").select(candidates, 4, np.random.default_rng(0))
    assert set(chosen[:3]) == {"a/2/0", "a/2/1", "a/2/2"}
    assert len(chosen) == 4


def test_strided_leaves_no_gap_longer_than_its_stride() -> None:
    candidates = [Candidate(f"a/2/{i}", "p", "a", i) for i in range(100)]
    chosen = [int(name.split("/")[2]) for name in acquisition("strided").select(candidates, 10, np.random.default_rng(3))]
    assert np.diff(chosen).tolist() == [10] * 9


def test_bald_asks_for_the_most_information_and_agreement_for_the_least() -> None:
    values = {"a/2/0": 0.1, "a/2/1": 0.7, "a/2/2": 0.5}
    candidates = [Candidate(one, "p", "a", i, {"bald": v, "agreement": v}) for i, (one, v) in enumerate(values.items())]
    assert acquisition("bald").select(candidates, 2, np.random.default_rng(0)) == ["a/2/1", "a/2/2"]
    assert acquisition("agreement").select(candidates, 2, np.random.default_rng(0)) == ["a/2/0", "a/2/2"]


def test_a_spread_takes_turns_of_patients_and_leaves_neighbours_for_last() -> None:
    doubt = {("a", 4): 0.1, ("a", 5): 0.11, ("a", 6): 0.12, ("a", 7): 0.13, ("b", 1): 0.5, ("b", 9): 0.6}
    candidates = [Candidate(f"{p}/2/{i}", p, p, i, {"score": value}) for (p, i), value in doubt.items()]
    asked = acquisition("score-spread").select(candidates, 6, np.random.default_rng(0))
    assert asked == ["a/2/4", "b/2/1", "a/2/7", "b/2/9", "a/2/5", "a/2/6"]


def test_a_stochastic_batch_is_more_doubtful_than_chance_and_less_than_the_extreme() -> None:
    candidates = pool(200, np.random.default_rng(3))
    doubt = {one.slice_id: one.measures["score"] for one in candidates}

    def mean(name: str) -> float:
        return float(np.mean([doubt[one] for one in acquisition(name).select(candidates, 20, np.random.default_rng(0))]))

    assert mean("score") < mean("stochastic-batches") < min(mean("random"), 0.45)


def test_power_draws_in_proportion_to_doubt_and_leaves_neighbours_out() -> None:
    scores = [0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9]
    pool_of_one = [Candidate(f"a/2/{i}", "p", "a", i, {"score": score}) for i, score in enumerate(scores)]
    drawn = [ACQUISITIONS["score-power"].select(pool_of_one, 2, np.random.default_rng(seed)) for seed in range(400)]
    first = np.mean([one[0] == "a/2/3" for one in drawn])
    assert 0.5 < first < 0.62  # 0.9 of 0.9 + 7 x 0.1
    assert all(abs(int(a.split("/")[2]) - int(b.split("/")[2])) > 1 for a, b in drawn)


def test_a_core_set_asks_for_what_lies_farthest_from_all_that_is_known() -> None:
    spots = [(0.0, 0.0), (1.0, 0.0), (10.0, 0.0), (10.5, 0.0), (5.0, 0.0)]
    candidates = [Candidate(f"a/2/{i}", "p", "a", i, {"place/1": x, "place/2": y}) for i, (x, y) in enumerate(spots)]
    labelled = [Candidate("b/2/0", "q", "b", 0, {"place/1": 0.0, "place/2": 0.0})]
    asked = CoreSet().beside(labelled).select(candidates, 5, np.random.default_rng(0))
    assert asked == ["a/2/3", "a/2/4", "a/2/1", "a/2/2", "a/2/0"]
    first, second = (spots[int(one[-1])][0] for one in CoreSet().select(candidates, 2, np.random.default_rng(0)))
    assert abs(first - second) > 5


def test_a_core_set_of_slices_in_one_spot_repeats_none() -> None:
    same = [Candidate(f"a/2/{i}", "p", "a", i, {"place/1": 1.0}) for i in range(4)]
    for chooser in (CoreSet(), CoreSet().beside(same)):
        assert len(set(chooser.select(same, 4, np.random.default_rng(0)))) == 4


def test_score_foreground_draws_by_doubt_where_something_is_predicted_and_elsewhere_last() -> None:
    seen = [(0.9, 0.2), (0.1, 0.2), (0.0, 0.0), (0.9, 0.1), (0.0, 0.0)]
    candidates = [
        Candidate(f"a{i}/2/0", f"p{i}", f"a{i}", 0, {"score": s, "foreground": f}) for i, (s, f) in enumerate(seen)
    ]
    draws = [ACQUISITIONS["score-foreground"].select(candidates, 4, np.random.default_rng(seed)) for seed in range(200)]
    assert all({one[:2] for one in drawn[:3]} == {"a0", "a1", "a3"} for drawn in draws)
    assert 0.75 < np.mean([drawn[0] == "a1/2/0" for drawn in draws]) < 0.88  # 0.9 of 0.9 + 2 x 0.1


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
@given(size=st.integers(0, 60), n=st.integers(0, 70), seed=st.integers(0, 2**16))
def test_a_query_has_no_repeats_never_exceeds_its_size_and_does_not_see_the_pool_s_order(
    name: str, size: int, n: int, seed: int
) -> None:
    candidates = pool(size, np.random.default_rng(seed))
    chosen = acquisition(name).select(candidates, n, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen)) == min(n, size)
    assert set(chosen) <= {one.slice_id for one in candidates}
    shuffled = [candidates[i] for i in np.random.default_rng(1).permutation(size)]
    assert acquisition(name).select(shuffled, n, np.random.default_rng(seed)) == chosen


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"'best' is not known; wanted one of .*random"):
        acquisition("best")


class _Point:
    value = "lab.active:Loudest"

    def __init__(self, name: str, found: object) -> None:
        self.name, self._found = name, found

    def load(self) -> object:
        return self._found


class _Loudest:
    needs = frozenset({"entropy"})

    def select(self, candidates: list[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        return [one.slice_id for one in candidates[:n]]


class _Greedy(_Loudest):
    needs = frozenset({"truth"})


def test_another_package_adds_an_acquisition_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "entry_points", lambda group: [_Point("loudest", _Loudest)])
    assert isinstance(acquisition("loudest"), _Loudest)


def test_an_acquisition_that_needs_what_ranking_does_not_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "entry_points", lambda group: [_Point("greedy", _Greedy), _Point("none", object())])
    with pytest.raises(UsageError, match=r"needs \['truth'\]"):
        acquisition("greedy")
    with pytest.raises(UsageError, match="no needs or no select"):
        acquisition("none")


def test_errors_power_draws_in_proportion_to_the_pixels_that_may_be_wrong() -> None:
    errors = [10.0, 10.0, 10.0, 70.0]
    apart = [Candidate(f"a/2/{3 * i}", "p", "a", 3 * i, {"expected_errors": value}) for i, value in enumerate(errors)]
    drawn = [ACQUISITIONS["errors-power"].select(apart, 1, np.random.default_rng(seed)) for seed in range(400)]
    assert 0.63 < np.mean([one == ["a/2/9"] for one in drawn]) < 0.77


def late_clasp(values: list[tuple[float, float, float]], n: int) -> list[str]:
    names = ("total_entropy", "class_entropy/1", "class_entropy/2")
    candidates = [Candidate(f"a/2/{i}", "p", "a", i, dict(zip(names, row))) for i, row in enumerate(values)]
    return acquisition("clasp-pe", progress=1.0).select(candidates, n, np.random.default_rng(0))


def test_clasp_asks_for_each_class_in_turn_and_then_for_what_is_most_doubtful() -> None:
    values = [(1.0, 9.0, 0.1), (1.0, 5.0, 0.1), (1.0, 0.1, 9.0), (1.0, 0.1, 5.0), (9.0, 0.1, 0.1), (5.0, 0.1, 0.1)]
    assert late_clasp(values, 6)[:4] in (["a/2/0", "a/2/2", "a/2/1", "a/2/3"], ["a/2/2", "a/2/0", "a/2/3", "a/2/1"])
    assert sorted(late_clasp(values, 3)) == ["a/2/0", "a/2/2", "a/2/4"]


def test_clasp_is_nearly_chance_at_first_and_nearly_an_order_at_last() -> None:
    names = ("total_entropy", "class_entropy/1")
    candidates = [Candidate(f"a/2/{i}", "p", "a", i, dict.fromkeys(names, 1.0 + i)) for i in range(10)]

    def picks(progress: float) -> list[str]:
        chooser = acquisition("clasp-pe", progress)
        return [chooser.select(candidates, 1, np.random.default_rng(seed))[0] for seed in range(200)]

    assert 0.1 < np.mean([one == "a/2/9" for one in picks(0.0)]) < 0.3
    assert np.mean([one == "a/2/9" for one in picks(1.0)]) > 0.99


def test_cover_asks_the_least_labelled_patient_first_and_far_from_what_is_labelled() -> None:
    shown = [Candidate(f"{c}/2/{i}", p, c, i, {"score": 0.5, "foreground": 0.1}) for p, c in PATIENTS for i in range(20)]
    labelled = [Candidate("a1/2/0", "a", "a1", 0), Candidate("a2/2/0", "a", "a2", 0), Candidate("b1/2/0", "b", "b1", 0)]
    chooser = ACQUISITIONS["cover"].beside(labelled)
    draws = [chooser.select(shown, 4, np.random.default_rng(seed)) for seed in range(50)]
    assert all(asked[0][0] == "c" for asked in draws)
    labels = [sorted(Counter([*"aab", *(one[0] for one in asked)]).values()) for asked in draws]
    assert all(found == [2, 2, 3] for found in labels), "two of each patient, and one more by lot"
    away = np.mean([int(one.split("/")[2]) for asked in draws for one in asked if one[0] in "ab"])
    assert away > 11, "the other end of a volume is likelier than beside its label (9.5 is chance)"


def test_cover_draws_what_is_doubtful_and_what_is_empty_last() -> None:
    scores = {"a/2/1": 0.95, "a/2/9": 0.05}
    pair = [Candidate(one, "p", "a", int(one[4:]), {"score": value, "foreground": 0.1}) for one, value in scores.items()]
    empty = Candidate("b/2/0", "q", "b", 0, {"score": 0.0, "foreground": 0.0})
    draws = [acquisition("cover").select([*pair, empty], 3, np.random.default_rng(seed)) for seed in range(200)]
    assert {asked[2] for asked in draws} == {"b/2/0"}
    assert np.mean([asked[0] == "a/2/9" for asked in draws]) == pytest.approx(0.95, abs=0.05)


def test_clasp_gives_every_class_its_turn_however_many_there_are() -> None:
    """With 13 classes and a query of ten, the same six would be passed over for ever in an order that stands."""
    rng = np.random.default_rng(1)
    names = [f"class_entropy/{number}" for number in range(1, 14)]
    candidates = [
        Candidate(f"a/2/{i}", "p", "a", i, {"total_entropy": 1.0, **dict(zip(names, np.eye(13)[i].tolist()))})
        for i in range(13)
    ]
    chooser = acquisition("clasp-pe", progress=1.0)
    asked = {one for _ in range(40) for one in chooser.select(candidates, 10, rng)[:7]}
    assert len(asked) == 13


def test_an_empty_slice_beside_one_that_is_asked_is_left_out_of_score_foreground() -> None:
    shown = [Candidate(f"a/2/{i}", "p", "a", i, {"score": 0.5, "foreground": 0.1}) for i in (4,)]
    empty = [Candidate(f"a/2/{i}", "p", "a", i, {"score": 0.5, "foreground": 0.0}) for i in (5, 12)]
    chooser = acquisition("score-foreground")
    draws = {tuple(chooser.select([*shown, *empty], 2, np.random.default_rng(seed))) for seed in range(30)}
    assert draws == {("a/2/4", "a/2/12")}


def _make() -> _Loudest:
    return _Loudest()


def test_a_factory_makes_an_acquisition_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "entry_points", lambda group: [_Point("loudest", _make)])
    assert isinstance(acquisition("loudest"), _Loudest)


@pytest.mark.parametrize(
    ("name", "training", "message"),
    [
        ("bald", {"views": 1}, "goes by how views differ .bald., and training.views = 1"),
        ("agreement", {"views": 1}, "training.views = 1"),
        ("d_raw", {"adversarial": 0.0}, "goes by D, and there is none"),
        ("d_raw", {"objective": "souly"}, "goes by D, and there is none"),
    ],
)
def test_what_a_studys_models_cannot_say_is_refused_before_anything_is_labelled(
    name: str, training: dict[str, object], message: str
) -> None:
    grid = {"axis": 2, "spacing_mm": (1.0, 1.0), "size": (64, 64)}
    settings = {"name": "s", "classes": ("b", "f"), "channels": ("MR",), "grid": grid, "training": training}
    with pytest.raises(UsageError, match=message):
        module.require_answer_to(from_preset("askance", settings), name)
    module.require_answer_to(from_preset("askance", settings), "random")
