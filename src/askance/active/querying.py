"""Algorithm 1, line 6: which slices are asked for, how many, and why each, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from askance.active.acquisition import Acquisition, Candidate, acquisition, require_truth_for
from askance.active.candidates import Informed
from askance.active.chance import TRUE_FOREGROUND
from askance.active.coldstart import STARTS, require_patients
from askance.active.measures import given
from askance.active.study import Study, by_case
from askance.config import BudgetConfig
from askance.errors import UsageError
from askance.records import IGNORE, SET_ASIDE, Asked, Prediction, Query, Slice, slice_id

_QUERY_STREAM = 7  # keeps this file's random numbers apart from those of training with the same seed


def ask_base(study: Study) -> Query:
    """The base, cycle 0: what is labelled before there is a model, less what came labelled; stored.

    Where all of it was skipped or found unreadable, as many others are asked beside it.

    Raises:
        UsageError: nothing to learn from would come of it.
    """
    known = study.store.query(0)
    if known is not None:
        return _with_others(study, known) if _leads_nowhere(study, known) else known
    config, rng = study.config, base_rng(study.config.seed)
    pool = study.pool()
    learn = study.store.slices("learn")
    total = len(learn)
    labelled = len(study.store.annotations())
    ids = base_of(config.budget, learn, pool, labelled, rng)
    asked = [Asked(one, 1 - place / max(1, len(ids)), f"base: {config.budget.start}") for place, one in enumerate(ids)]
    rest = sorted({one.id for one in pool} - set(ids))
    drawn = rng.permutation(len(rest))[: config.budget.count(config.budget.validation, total)]
    asked += [Asked(rest[i], 0.0, "validation: at random, answered without a proposal", role="validation") for i in drawn]
    require_room(config.budget, total, labelled, len(asked))
    query = Query(0, config.budget.start, tuple(asked))
    study.store.save_query(query)
    return query


def base_rng(seed: int) -> np.random.Generator:
    """What the base of a study with this ``seed`` is drawn by."""
    return np.random.default_rng((seed, _QUERY_STREAM, 0))


def base_of(
    budget: BudgetConfig, learn: Sequence[Slice], pool: Sequence[Slice], labelled: int, rng: np.random.Generator
) -> list[str]:
    """What of the ``pool`` is labelled to learn from before there is a model, where ``labelled`` of ``learn`` are already.

    Raises:
        UsageError: nothing, or what is named is not there.
    """
    require_patients(budget, learn)
    wanted = max(0, budget.count(budget.base, len(learn)) - labelled)
    a_patient = budget.start == "patients" and (budget.patients or not labelled)
    by_name = bool(a_patient or budget.start == "slices")
    ids = STARTS[budget.start](pool, wanted, budget, rng) if pool and (wanted or by_name) else []
    if not ids and not labelled:
        raise UsageError(f"the base is empty: budget.base = {budget.base:g} of {len(learn)} slices; raise it (--base)")
    return ids


def _leads_nowhere(study: Study, base: Query) -> bool:
    """Whether nobody could answer any slice of the base, and nothing else is labelled to learn from."""
    states = study.store.states()
    answerable = [one for one in base.asked if one.role == "train" and states[one.slice_id] not in SET_ASIDE]
    return not answerable and not study.learnt_from()


def _with_others(study: Study, base: Query) -> Query:
    """The base with other slices of the pool, in place of those that were set aside: by its start, if that draws.

    Raises:
        UsageError: the pool is empty, or the budget too small.
    """
    budget, pool = study.config.budget, study.pool()
    total, labelled = len(study.store.slices("learn")), int(study.store.budget()["labelled"])
    if not pool:
        raise UsageError(
            f"{study.store.folder}: every slice of the base was skipped or is unreadable, and no other is left to ask; open "
            f"one again from your answers on the page (`askance serve`), or `askance add` cases"
        )
    start = "spread" if budget.patients or budget.start == "slices" else budget.start
    rng = np.random.default_rng((study.config.seed, _QUERY_STREAM, 0, len(base.asked)))
    ids = STARTS[start](pool, max(1, budget.count(budget.base, total)), budget, rng)
    require_room(budget, total, labelled, len(ids))
    reason = f"base: {start}, since all that was asked before was set aside"
    study.store.extend_query(0, [Asked(one, 1 - place / len(ids), reason) for place, one in enumerate(ids)])
    return study.store.query(0) or base


def ask(study: Study, cycle: int, model: str | None) -> Query:
    """The query of ``cycle``, ranked by ``model``'s predictions of the pool; stored, and the same if asked again.

    Raises:
        UsageError: the acquisition is not known or needs what was not computed.
    """
    known = study.store.query(cycle)
    if known is not None:
        return known
    chooser = acquisition(study.config.acquisition, progress_of(study.config.budget, cycle))
    require_truth_for(chooser, study.config.acquisition, study.config.expert)
    if isinstance(chooser, Informed) and model:
        chooser = chooser.beside(_labelled(study, chooser, model))
    candidates, predictions = _candidates(study, chooser, model)
    rng = np.random.default_rng((study.config.seed, _QUERY_STREAM, cycle))
    ids = _selected(chooser, study.config.acquisition, candidates, query_size(study, cycle), rng)
    name, scores = study.config.acquisition, np.sort([one.score for one in predictions.values()])
    foreseen = [predictions.get(one) for one in ids]
    asked = tuple(
        Asked(one, 1 - place / len(ids), _why(name, prediction, scores), _score(prediction))
        for place, (one, prediction) in enumerate(zip(ids, foreseen))
    )
    query = Query(cycle, study.config.acquisition, asked, model)
    study.store.save_query(query)
    return query


def _selected(chooser: Acquisition, name: str, candidates: list[Candidate], n: int, rng: np.random.Generator) -> list[str]:
    """What ``chooser`` wants, which may be anybody's.

    Raises:
        UsageError: more than ``n``, one twice, or what is no candidate.
    """
    ids, known = chooser.select(candidates, n, rng), {one.slice_id for one in candidates}
    if len(ids) > n or len(set(ids)) < len(ids) or not known.issuperset(ids):
        raise UsageError(f"acquisition {name!r} gave {len(ids)} ids; wanted at most {n} of the candidates', each once")
    return ids


def require_room(budget: BudgetConfig, total: int, labelled: int, asked: int) -> None:
    """The budget is a ceiling, and leaves something to ask for where cycles are wanted.

    ``total``: slices of learn; of them ``labelled`` came with the data, and ``asked`` are asked before the first model.

    Raises:
        UsageError: base and validation alone use it up.
    """
    limit, spent = budget.count(budget.total, total), labelled + asked
    if asked and (spent > limit or (spent == limit and budget.cycles > 0)):
        raise UsageError(
            f"base and validation come to {spent} of {total} slices and budget.total = {budget.total:g} allows {limit}; "
            f"raise it (--total, or study.toml), or set budget.cycles = 0 to ask for no more"
        )


def query_size(study: Study, cycle: int) -> int:
    """How many slices ``cycle`` may ask: an equal part of what is left, at least one; the last takes the remainder."""
    budget, pool = study.config.budget, len(study.pool())
    total = len(study.store.slices("learn"))
    left = max(0, budget.count(budget.total, total) - int(study.store.budget()["labelled"]))
    return min(pool, left, max(1, left // max(1, budget.cycles - cycle + 1)))


def _candidates(study: Study, chooser: Acquisition, model: str | None) -> tuple[list[Candidate], dict[str, Prediction]]:
    pool = study.pool()
    ids = {one.id for one in pool}  # the model may have predicted test slices, too
    predictions = {one.slice_id: one for one in study.store.predictions.of(model) if one.slice_id in ids} if model else {}
    truth = _true_foreground(study, ids) if TRUE_FOREGROUND in chooser.needs else {}
    measures = {
        one.id: (_measures(predictions[one.id]) if one.id in predictions else {}) | truth.get(one.id, {}) for one in pool
    }
    candidates = [
        Candidate(one.id, one.patient, one.case, one.index, _wanted(measures[one.id], chooser))
        for one in pool
        if all(given(measures[one.id], name) for name in chooser.needs)  # a large pool is looked at in part
    ]
    if pool and not candidates:
        raise UsageError(
            f"acquisition {study.config.acquisition!r} needs {sorted(chooser.needs)}, which {model or 'no model'} said of "
            f"no pool slice; run `askance rank` first, or choose random or strided"
        )
    return candidates, predictions


def _labelled(study: Study, chooser: Acquisition, model: str) -> list[Candidate]:
    """Slices of learn that are learnt from, and what the acquisition wants to know of those that ``model`` has looked at."""
    answered = {one.slice_id for one in study.answers()} - study.validation_ids()
    known = {one.slice_id: _wanted(_measures(one), chooser) for one in study.store.predictions.of(model)}
    return [
        Candidate(one.id, one.patient, one.case, one.index, known.get(one.id, {}))
        for one in study.store.slices("learn")
        if one.id in answered
    ]


def _wanted(known: dict[str, float], chooser: Acquisition) -> dict[str, float]:
    return {key: value for key, value in known.items() if key.partition("/")[0] in chooser.needs}


def progress_of(budget: BudgetConfig, cycle: int) -> float:
    """How many of the cycles are behind ``cycle``: 0 in the first cycle, 1 in the last."""
    return (cycle - 1) / max(1, budget.cycles - 1)


def _true_foreground(study: Study, ids: set[str]) -> dict[str, dict[str, float]]:
    """Of the pool slices ``ids``, the share of pixels that is foreground in truth; 0 where nobody labelled them."""
    found = {one: {TRUE_FOREGROUND: 0.0} for one in ids}
    for case_id, indices in by_case(sorted(ids)).items():
        case = study.store.case(case_id)
        if case.label is not None:
            truth = study.truth(case)
            shares = ((truth > 0) & (truth != IGNORE)).mean((1, 2))
            names = {slice_id(case_id, study.config.grid.axis, index): index for index in indices}
            found |= {name: {TRUE_FOREGROUND: float(shares[index])} for name, index in names.items()}
    return found


def _measures(prediction: Prediction) -> dict[str, float]:
    raw = {} if prediction.d_raw is None else {"d_raw": prediction.d_raw}
    return {**prediction.measures, **raw, "score": prediction.score}


def _score(prediction: Prediction | None) -> float | None:
    return prediction.score if prediction else None


def _why(name: str, prediction: Prediction | None, scores: NDArray[np.float64]) -> str:
    """One line for the expert: what the model thought of the slice and where that stands among all ``scores``, in order."""
    if prediction is None:
        return f"{name}: chosen without a look at the model"
    worse, up_to = (int(np.searchsorted(scores, prediction.score, side)) for side in ("left", "right"))
    alike = up_to - worse
    lowest = "the lowest" if alike == 1 else f"among the {alike} lowest"
    area = prediction.measures.get("foreground")
    seen = "" if area is None else (f", foreground on {area:.1%} of the slice" if area else ", no foreground predicted")
    place = f"{worse} of {len(scores)} slices seen are lower" if worse else f"{lowest} of {len(scores)} slices seen"
    unlike = ", unlike the rest of learn" if prediction.measures.get("novelty", 0) > 1 else ""
    return f"{name}: expected Dice {prediction.score:.2f}, {place}{seen}{unlike}"
