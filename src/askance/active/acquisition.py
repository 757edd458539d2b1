"""What to ask: each acquisition orders the pool, the most wanted slice first; here they are by name.

An acquisition says what it ``needs`` of a slice, so that ranking computes only that, and sees nothing a real study does not
have. Ties go by id, so the order of the pool does not matter. Another package adds one by an entry point in the group
``askance.acquisitions`` whose object is an Acquisition, or makes one when called without arguments.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from askance.active.candidates import Acquisition, Candidate, Scheduled
from askance.active.chance import TRUE_FOREGROUND, ForegroundRandom, Random, Strided
from askance.active.coverage import Cover
from askance.active.diversity import CoreSet, PowerSpread, Spread
from askance.active.measures import MEASURES, VECTOR_MEASURES
from askance.active.uncertainty import ClaspPE, Extreme, StochasticBatches
from askance.config import StudyConfig
from askance.errors import UsageError

__all__ = ["ACQUISITIONS", "Acquisition", "Candidate", "acquisition"]

_KNOWN = frozenset({"score", "d_raw", TRUE_FOREGROUND, *MEASURES, *VECTOR_MEASURES})  # what ``needs`` may hold

ACQUISITIONS: dict[str, Acquisition] = {
    "score": Extreme("score"),
    "d_raw": Extreme("d_raw"),  # Algorithm 1, line 6: top(rank(D(P)), k/n)
    "entropy": Extreme("entropy", highest=True),  # Shannon 1948; over the foreground, as slices differ in how much they show
    "agreement": Extreme("agreement"),  # query by committee (Seung 1992), the views of one network its members
    "bald": Extreme("bald", highest=True),  # Houlsby 2011; over the views
    "expected-dice": Extreme("expected_dice"),
    "score-spread": Spread("score"),
    "score-power": PowerSpread("score"),
    "score-foreground": PowerSpread("score", first="foreground"),
    "stochastic-batches": StochasticBatches("score"),
    "random": Random(),
    "strided": Strided(),
    "foreground-random": ForegroundRandom(),
    "true-foreground-random": ForegroundRandom(TRUE_FOREGROUND),  # for simulations: it reads the truth
    "clasp-pe": ClaspPE(),
    "core-set": CoreSet(),
    "cover": Cover(),
    "errors": Extreme("expected_errors", highest=True),
    "errors-power": PowerSpread("expected_errors", highest=True),
}


def acquisition(name: str, progress: float = 0.0) -> Acquisition:
    """The acquisition called ``name``, ours or an entry point's; ``progress``: 0 in the first cycle, 1 in the last.

    Raises:
        UsageError: nobody brings one of that name, or what an entry point brings is none.
    """
    chooser = _by_name(name)
    return chooser.at(progress) if isinstance(chooser, Scheduled) else chooser


def _by_name(name: str) -> Acquisition:
    if name in ACQUISITIONS:
        return ACQUISITIONS[name]
    brought = {point.name: point for point in entry_points(group="askance.acquisitions")}
    if name not in brought:
        known = ", ".join(sorted({*ACQUISITIONS, *brought}))
        raise UsageError(f"acquisition {name!r} is not known; wanted one of {known}")
    found = brought[name].load()
    is_one = isinstance(found, Acquisition) and not isinstance(found, type)  # a class has the members, too
    made = found() if callable(found) and not is_one else found
    unknown: frozenset[str] = frozenset(getattr(made, "needs", ())) - _KNOWN
    if not isinstance(made, Acquisition) or unknown:
        what = f"it needs {sorted(unknown)}, which ranking does not compute" if unknown else "it has no needs or no select"
        raise UsageError(f"acquisition {name!r} of {brought[name].value} cannot be used: {what}")
    return made


def goes_by_model(needs: frozenset[str]) -> bool:
    """Whether what an acquisition ``needs`` to know of a slice is said by a model, and not by chance or the truth alone."""
    return bool(needs - {TRUE_FOREGROUND})


def require_answer_to(config: StudyConfig, name: str) -> None:
    """Nothing, unless the acquisition called ``name`` needs what models of ``config`` cannot say.

    Raises:
        UsageError: what a D says where there is none, how views differ where there is one, or the truth of a human's pool.
    """
    chooser = acquisition(name)
    require_truth_for(chooser, name, config.expert)
    training = config.training
    if "d_raw" in chooser.needs and (training.adversarial == 0 or training.objective == "souly"):
        raise UsageError(
            f"acquisition {name!r} goes by D, and there is none with training.objective = {training.objective!r} and "
            f"training.adversarial = {training.adversarial:g}; choose another, or train with one"
        )
    if training.views == 1 and (of_views := sorted(chooser.needs & {"bald", "agreement"})):
        raise UsageError(
            f"acquisition {name!r} goes by how views differ ({', '.join(of_views)}), and training.views = 1; raise it, to 3 "
            f"as in preset askance"
        )


def require_truth_for(chooser: Acquisition, name: str, expert: str) -> None:
    """Nothing, unless ``chooser`` reads the truth of the pool and the ``expert`` is not simulated.

    Raises:
        UsageError: a human's study has no such truth.
    """
    if TRUE_FOREGROUND in chooser.needs and expert != "simulated":
        raise UsageError(
            f"acquisition {name!r} reads the truth of the pool, which only a study with a simulated expert has; choose "
            f"another, such as cover or foreground-random"
        )
