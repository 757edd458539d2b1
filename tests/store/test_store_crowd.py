"""Many people and processes at once: nobody gets another's slice, and no step that reads first is overtaken."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from store_studies import SHAPE, case, labels, query, settings

from askance.errors import AskanceError, LeaseError, StudyBusy
from askance.store.answers import Answer
from askance.store.handing_in import Handing
from askance.store.store import Store

if TYPE_CHECKING:  # this file is also run as a program
    from postgres_server import NewDatabase

PEOPLE = 8
CASES = ["c1", "c2", "c3", "c4", "c5"]
IDS = [f"{name}/2/{k}" for name in CASES for k in range(SHAPE[2])]


@pytest.fixture
def crowded(tmp_path: Path, new_database: NewDatabase) -> Path:
    """The folder of a study that asks thirty slices of eight people."""
    with Store.create(tmp_path / "study", settings(), [case(name) for name in CASES], new_database()) as store:
        store.save_query(query(IDS))
        for number in range(PEOPLE):
            store.desk.add_user(f"p{number}", "expert", 1, "test")
        return store.folder


def answer_all(folder: Path, user: str) -> list[str]:
    """Everything that the queue has for ``user``, over connections of its own; what was given."""
    given = []
    with Store.open(folder) as store:
        while (one := store.desk.next(user, "tab")) is not None:
            given.append(one.lease.slice_id)
            store.desk.submit(Handing(user, "tab", Answer(given[-1], labels(len(given)), user)))
    return given


def test_no_slice_is_given_twice_to_people_who_ask_at_the_same_moment(crowded: Path) -> None:
    together = Barrier(PEOPLE)

    def three(number: int) -> list[str]:
        given = []
        with Store.open(crowded) as store:
            for _ in range(3):
                together.wait(60)
                one = store.desk.next(f"p{number}", "tab")
                together.wait(60)
                assert one is not None
                given.append(one.lease.slice_id)
                store.desk.submit(Handing(f"p{number}", "tab", Answer(given[-1], labels(number), f"p{number}")))
        return given

    with ThreadPoolExecutor(PEOPLE) as pool:
        given = [slice_id for share in pool.map(three, range(PEOPLE)) for slice_id in share]
    assert sorted(given) == sorted(set(given))
    assert len(given) == 3 * PEOPLE
    with Store.open(crowded) as store:
        assert {one.slice_id for one in store.annotations(latest=False)} == set(given)


@pytest.mark.slow
def test_no_slice_is_given_twice_to_processes_either(crowded: Path) -> None:
    command = [sys.executable, __file__, str(crowded)]
    running = [subprocess.Popen([*command, f"p{number}"], stdout=subprocess.PIPE, text=True) for number in range(4)]
    given = [line for process in running for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in running] == [0] * 4
    assert Counter(given) == Counter(IDS)


def how_many_succeed(folder: Path, deed: Callable[[Store, int], object], refusal: type[AskanceError]) -> int:
    """Of all people who do ``deed`` at the same moment, those who are not refused."""
    together = Barrier(PEOPLE)

    def attempt(number: int) -> bool:
        with Store.open(folder) as store:
            together.wait(60)
            try:
                deed(store, number)
            except refusal:
                return False
            return True

    with ThreadPoolExecutor(PEOPLE) as pool:
        return sum(pool.map(attempt, range(PEOPLE)))


def test_a_slice_that_everybody_wants_by_name_goes_to_one(crowded: Path) -> None:
    assert how_many_succeed(crowded, lambda store, n: store.desk.take(IDS[0], f"p{n}", "tab"), LeaseError) == 1


def test_of_jobs_that_are_started_at_once_one_is(crowded: Path) -> None:
    assert how_many_succeed(crowded, lambda store, _: store.jobs.add("cycle", "test"), StudyBusy) == 1


if __name__ == "__main__":
    print("\n".join(answer_all(Path(sys.argv[1]), sys.argv[2])))
