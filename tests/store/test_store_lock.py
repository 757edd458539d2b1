import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from store_studies import labels, query

from askance.errors import StudyBusy, StudyError
from askance.store.answers import Answer
from askance.store.lock import StudyLock
from askance.store.store import Store

HOLD = """
import sys, time
from pathlib import Path
from askance.store.lock import StudyLock
with StudyLock(Path(sys.argv[1])).held(0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(store: Store) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, store.folder], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_works_on_the_study(store: Store, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(StudyBusy, match=rf"process {holder.pid} on \S+ \(.*study.*\), since 20\S+\+00:00"), store.lock():
        pass
    assert len(store.cases()) == 4


def test_a_killed_process_leaves_no_lock(store: Store, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    with store.lock():
        pass


def test_waiting_takes_over_when_the_other_is_done(store: Store, holder: "subprocess.Popen[str]") -> None:
    threading.Timer(0.3, holder.kill).start()
    start = time.monotonic()
    with store.lock(wait_s=20):
        assert time.monotonic() - start < 15


def test_one_thread_may_take_it_twice_and_another_not_at_all(store: Store) -> None:
    refused: list[StudyBusy] = []

    def take() -> None:
        try:
            with store.lock():
                pass
        except StudyBusy as error:
            refused.append(error)

    with store.lock():
        with store.lock():
            pass
        other = threading.Thread(target=take)
        other.start()
        other.join()
    assert len(refused) == 1
    take()
    assert len(refused) == 1
    assert not (store.folder / ".lock.json").exists()


def test_a_lock_in_no_folder_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written"), StudyLock(tmp_path / "file").held(0):
        pass


def test_two_threads_answer_the_same_slice_with_two_versions(store: Store) -> None:
    store.save_query(query(["c1/2/0"]))

    def answer(author: str) -> None:
        with Store.open(store.folder) as mine:
            for seed in range(5):
                mine.save_answers([Answer("c1/2/0", labels(seed), author)])

    threads = [threading.Thread(target=answer, args=[author]) for author in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.version for one in store.annotations(latest=False)] == list(range(1, 11))
