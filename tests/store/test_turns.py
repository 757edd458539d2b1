"""Threads that write take turns in the order in which they came, and one that is stuck does not hold the queue for ever."""

import threading
import time
from pathlib import Path

import pytest
from store_studies import case, settings

from askance.errors import StudyBusy
from askance.store import sqlite
from askance.store.store import Store
from askance.store.turns import Turns


def wait_for(turns: Turns, waiting: int) -> None:
    end = time.monotonic() + 10
    while len(turns._waiting) < waiting:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_turns_are_had_in_the_order_in_which_they_were_asked_for() -> None:
    turns, had = Turns(), []

    def waits(number: int) -> None:
        with turns.taken(10) as is_mine:
            assert is_mine
            had.append(number)

    threads = [threading.Thread(target=waits, args=(number,)) for number in range(20)]
    with turns.taken(10):
        for number, thread in enumerate(threads):
            thread.start()
            wait_for(turns, number + 2)
        assert had == []
    for thread in threads:
        thread.join(10)
    assert had == list(range(20))


def test_who_gives_up_leaves_the_queue_and_an_error_passes_the_turn_on() -> None:
    turns, told = Turns(), []

    def gives_up() -> None:
        with turns.taken(0.01) as is_mine:
            told.append(is_mine)

    def fails() -> None:
        with turns.taken(1):
            thread = threading.Thread(target=gives_up)
            thread.start()
            thread.join(10)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    with turns.taken(0) as is_mine:
        assert (is_mine, told) == (True, [False])


def test_two_openings_of_one_study_share_the_queue_and_a_stuck_writer_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAIT_MS", 10)
    with Store.create(tmp_path / "study", settings(), [case("c1")]) as first, Store.open(tmp_path / "study") as second:
        with first._database.writing(), pytest.raises(StudyBusy, match="try again"):
            second.desk.add_user("anna", "expert", 1, "test")
        second.desk.add_user("anna", "expert", 1, "test")
