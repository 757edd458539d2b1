"""Who is a patient, and on which side it stands: learn, test or validation. A patient never stands on two.

Knows ids alone; tables.py reads what says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from askance.errors import SplitError, UsageError
from askance.records import Split
from askance.volumes.found import Found, some

_SEPARATOR = re.compile(r"[_.-]")
_WAY_OUT = (
    "say which cases are of one patient: --patients REGEX with one group, --patients-csv FILE (columns case,patient), "
    "or --each-case-a-patient"
)


@dataclass(frozen=True)
class Division:
    """What a user says of patients and splits; what is None the data set says, or a draw decides.

    At most one of ``pattern`` (a regex whose one group is the patient), ``table`` (case -> patient) and
    ``each_case``. ``splits`` maps cases or patients to sides; ``test_share`` is the draw's share of patients.
    """

    pattern: str | None = None
    table: Mapping[str, str] | None = None
    each_case: bool = False
    splits: Mapping[str, Split] | None = None
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if (self.pattern is not None) + (self.table is not None) + self.each_case > 1:
            raise UsageError("patients are given in more than one way; wanted a pattern, a table or each case alone")
        if not 0 <= self.test_share < 1:
            raise UsageError(f"test_share is {self.test_share}; wanted a share from 0 up to, not including, 1")


#: Neither patients nor splits said by the user.
WHAT_THE_DATA_SAYS = Division()


def patients_of(found: Found, division: Division) -> dict[str, str]:
    """Case -> patient as the user says, else as the data set says, else each case its own.

    Raises:
        UsageError, SplitError: as ``assign_patients``.
    """
    ids = [case.id for case in found.cases]
    if division.each_case:
        return {case: case for case in ids}
    table = found.patients if division.table is None else division.table
    return assign_patients(ids, division.pattern, table, given_splits(found, division) or ())


def given_splits(found: Found, division: Division) -> Mapping[str, Split] | None:
    """Case or patient -> side as the user says, else as the data set says; None: to be drawn."""
    return found.splits if division.splits is None else division.splits


def divide(found: Found, division: Division, seed: int) -> tuple[dict[str, str], dict[str, Split]]:
    """Case -> patient and case -> side of a whole data set.

    Raises:
        UsageError, SplitError: as ``assign_patients`` and ``assign_splits``; or a test set would have to be drawn while
            it is not clear who the patients are.
    """
    require_clear_patients(found, division)
    patients, given = patients_of(found, division), given_splits(found, division)
    labelled = {case.id for case in found.cases if case.label is not None}
    return patients, assign_splits(patients, labelled, given, seed=seed, test_share=division.test_share)


def require_clear_patients(found: Found, division: Division) -> None:
    """Refuses to draw where ids look as if patients had several cases (p01_a, p01_b, p02_a) and nobody says which.

    Raises:
        SplitError: a part of the ids, up to a separator, is shared by more than one case but not by all.
    """
    if division.test_share > 0 and given_splits(found, division) is None:
        _require_clear(found, division, "no test set is drawn")


def require_patients_to_fold(found: Found, division: Division) -> None:
    """Refuses to draw folds over patients of which nobody says who they are, whether or not a test set is named.

    Raises:
        SplitError: a part of the ids, up to a separator, is shared by cases that count as several patients, but not by all.
    """
    _require_clear(found, division, "no folds are drawn")


def require_clear_beside(found: Found, division: Division, stored: Mapping[str, str], fresh: Iterable[str]) -> None:
    """Refuses ids of ``fresh`` cases that look as if they were of patients who are ``stored`` (case -> patient).

    Raises:
        SplitError: nobody says of whom they are, and a part of the id, up to a separator, is a stored patient or shared by
            stored cases, but not by all.
    """
    if _says_who(found, division):
        return
    patients, everyone = patients_of(found, division), set(stored.values())
    sharing: dict[str, int] = defaultdict(int)
    for case in stored:
        for prefix in _prefixes(case):
            sharing[prefix] += 1
    known = everyone | {prefix for prefix, cases in sharing.items() if cases < len(stored)}
    suspects = sorted(case for case in fresh if patients[case] == case and known.intersection(_prefixes(case)))
    if suspects:
        raise SplitError(
            f"{found.name}: {len(suspects)} new cases may be of patients whom the study knows, on another side perhaps "
            f"({some(suspects, 5)}): {_WAY_OUT}"
        )


def _says_who(found: Found, division: Division) -> bool:
    """Whether the user or the data set says who is a patient."""
    named = division.pattern is not None or division.table is not None or found.patients is not None
    return division.each_case or named


def _require_clear(found: Found, division: Division, refused: str) -> None:
    if _says_who(found, division):
        return
    patients = patients_of(found, division)  # the splits may name some
    by_prefix: dict[str, set[str]] = defaultdict(set)
    for case, patient in patients.items():
        for prefix in _prefixes(case):
            by_prefix[prefix].add(patient)
    everyone = set(patients.values())
    suspects = sorted(prefix for prefix, sharing in by_prefix.items() if 1 < len(sharing) < len(everyone))
    if suspects:
        raise SplitError(
            f"{found.name}: {len(suspects)} beginnings of names are shared by several cases ({some(suspects, 5)}), which "
            f"may be patients; {refused} that could tear them apart: {_WAY_OUT}"
        )


def assign_patients(
    case_ids: Iterable[str],
    pattern: str | None,
    table: Mapping[str, str] | None,
    split_names: Collection[str] = (),
) -> dict[str, str]:
    """Case -> patient: by ``pattern``, else by ``table``, else by the ``split_names`` that begin a case's id.

    ``patient002`` among the split names is the patient of ``patient002_frame01``. A case that nothing speaks of is its
    own patient.

    Raises:
        UsageError: ``pattern`` is not a regex with exactly one group.
        SplitError: ``pattern`` or ``table`` leaves a case without a patient.
    """
    if pattern is not None:
        return _by_pattern(case_ids, pattern)
    if table is not None:
        return _by_table(case_ids, table)
    ids = list(case_ids)
    names = set(split_names) - set(ids)
    return {case: _named_prefix(case, names) or case for case in ids}


def assign_splits(
    patients: Mapping[str, str],
    labelled: Collection[str],
    given: Mapping[str, Split] | None,
    *,
    seed: int,
    test_share: float = 0.2,
) -> dict[str, Split]:
    """Case -> side: as ``given``, else drawn by patient.

    The draw takes ``test_share`` of the patients whose cases are all in ``labelled`` (at least one of two such) for
    test, never all patients, and leaves the rest to learn.

    Raises:
        SplitError: everything that is wrong with ``given``, one a line.
    """
    if given is None:
        return _draw(patients, labelled, seed, test_share)
    splits, faults = resolve_splits(patients, given)
    if faults:
        raise SplitError(
            "the splits cannot be used; wanted every case or its patient named once:\n"
            + "\n".join(f"  {fault}" for fault in faults)
        )
    return splits


def resolve_splits(patients: Mapping[str, str], given: Mapping[str, Split]) -> tuple[dict[str, Split], list[str]]:
    """Case -> side as ``given`` by cases or patients, and all that is wrong with it."""
    splits: dict[str, Split] = {}
    missing, torn, used = [], [], set()
    for case, patient in patients.items():
        prefix = _named_prefix(case, given)
        names = [name for name in dict.fromkeys((case, patient)) if name in given] or ([prefix] if prefix else [])
        used.update(names)
        if not names:
            missing.append(case)
        elif len({given[name] for name in names}) > 1:
            torn.append(case)
        else:
            splits[case] = given[names[0]]
    sides: dict[str, set[Split]] = defaultdict(set)
    for case, side in splits.items():
        sides[patients[case]].add(side)
    straddling = [
        f"{patient} ({', '.join(f'{case} in {side}' for case, side in splits.items() if patients[case] == patient)})"
        for patient, found in sides.items()
        if len(found) > 1
    ]
    faults = [
        ("cases that no split names", missing, "name each of them, or its patient, once"),
        ("cases on another side than their patient", torn, "name either the case or its patient"),
        ("patients on more than one side", straddling, "put all cases of a patient on one"),
        ("names that are neither a case nor a patient", sorted(set(given) - used), "correct or remove them"),
    ]
    told = [f"{len(names)} {what}: {some(names)}; {todo}" for what, names, todo in faults if names]
    if "learn" not in given.values():
        told.append("learn is empty; wanted at least one patient to learn from")
    return splits, told


def _by_pattern(case_ids: Iterable[str], pattern: str) -> dict[str, str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} of patients is not a regular expression: {error}") from None
    if compiled.groups != 1:
        raise UsageError(f"the pattern {pattern!r} of patients has {compiled.groups} groups; wanted one: the patient")
    matches = {case: compiled.search(case) for case in case_ids}
    unmatched = [case for case, match in matches.items() if match is None or not match[1]]
    if unmatched:
        raise SplitError(f"the pattern {pattern!r} finds no patient in {len(unmatched)} cases: {some(unmatched)}")
    return {case: match[1] for case, match in matches.items() if match is not None}


def _by_table(case_ids: Iterable[str], table: Mapping[str, str]) -> dict[str, str]:
    ids = list(case_ids)
    unnamed = [case for case in ids if case not in table]
    if unnamed:
        raise SplitError(f"the table of patients lacks {len(unnamed)} cases: {some(unnamed)}; add a line for each")
    return {case: table[case] for case in ids}


def _prefixes(case: str) -> list[str]:
    """What stands before each separator of an id, the longest first."""
    return [case[: match.start()] for match in _SEPARATOR.finditer(case)][::-1]


def _named_prefix(case: str, names: Collection[str]) -> str | None:
    """The longest of ``names`` that begins the case's id and ends at a separator."""
    return next((prefix for prefix in _prefixes(case) if prefix in names), None)


def _draw(patients: Mapping[str, str], labelled: Collection[str], seed: int, test_share: float) -> dict[str, Split]:
    everyone = sorted(set(patients.values()))
    unlabelled = {patient for case, patient in patients.items() if case not in labelled}
    eligible = [patient for patient in everyone if patient not in unlabelled]
    wanted = max(round(test_share * len(eligible)), int(test_share > 0 and len(eligible) > 1))
    drawn = np.random.default_rng(seed).permutation(eligible)[: min(wanted, len(everyone) - 1)]
    test = set(drawn.tolist())
    return {case: "test" if patient in test else "learn" for case, patient in patients.items()}
