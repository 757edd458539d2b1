"""Where work runs: every item once, results as they come, and a lost worker's item again."""

from __future__ import annotations

import builtins
import importlib.util
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from askance import execution
from askance.errors import LabelError, UsageError, WorkerLost
from askance.execution import Here, OnRay

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (askance[ray])")


def test_here_results_come_one_by_one_in_order() -> None:
    called = []

    def square(number: int) -> int:
        called.append(number)
        return number**2

    results = Here().map(square, [3, 1, 2])
    assert called == []
    assert next(results) == 9
    assert called == [3]
    assert list(results) == [1, 4]


def test_an_error_of_the_work_comes_out_after_the_results_before_it() -> None:
    results = Here().map(lambda number: 1 // number, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def absent(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'askance\[ray\]'"):
        list(OnRay().map(str, [1]))


@pytest.mark.parametrize("error", [ConnectionError("nobody"), ValueError("malformed")])
def test_an_address_at_which_no_cluster_is_is_named(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    class Ray:
        def is_initialized(self) -> bool:
            return False

        def init(self, **options: object) -> None:
            raise error

    monkeypatch.setattr(execution, "_ray", Ray)
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(UsageError, match=f"no Ray cluster answers at nonsense: {error}; start one"):
        list(OnRay().map(str, [1]))
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(type(error)):  # no address is wrong where none was named
        list(OnRay().map(str, [1]))


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one core on this machine, and this process connected to the first."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    try:
        second = nodes.add_node(**options)
        ray.init(address=nodes.address, configure_logging=False, log_to_driver=False)
        nodes.wait_for_nodes()
        yield nodes, second
    finally:
        ray.shutdown()
        nodes.shutdown()


def logged(log: Path, seconds: float = 1.0) -> Callable[[int], int]:
    """Work that notes when it begins and ends, and where."""

    def work(number: int) -> int:
        import ray

        node = ray.get_runtime_context().get_node_id()
        for what in ("begin", "end"):
            with log.open("a") as file:
                file.write(f"{what} {number} {node}\n")
            time.sleep(seconds if what == "begin" else 0)
        return number * 10

    return work


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def counts(log: Path, what: str) -> Counter[int]:
    return Counter(int(line[1]) for line in lines(log) if line[0] == what)


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_node_killed_in_the_middle_costs_its_item_one_more_run_and_no_other(cluster: Any, tmp_path: Path) -> None:
    nodes, second = cluster
    log, items = tmp_path / "log", list(range(8))

    def kill_second_at_its_second_item() -> list[int]:
        """The items that had ended when the node was killed in the middle of another of its own."""
        while True:
            begun = [int(line[1]) for line in lines(log) if line[0] == "begin" and line[2] == second.node_id]
            if len(begun) >= 2 and not counts(log, "end")[begun[-1]]:
                ended = list(counts(log, "end"))
                nodes.remove_node(second, allow_graceful=False)
                return ended
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_second_at_its_second_item)
        results = list(OnRay().map(logged(log), items))
    ended = killing.result(timeout=60)
    assert sorted(results) == [10 * item for item in items]
    begun = counts(log, "begin")
    assert len(ended) >= 1
    assert [begun[item] for item in ended] == [1] * len(ended), "a finished item was run again"
    assert sum(begun.values()) == len(items) + 1, "one item, the killed node's, was begun twice"
    where = {line[2] for line in lines(log)}
    assert len(where) == 2


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_on_ray_errors_are_those_of_the_work_and_a_worker_that_always_dies_is_given_up(cluster: Any, tmp_path: Path) -> None:
    def wrong(number: int) -> int:
        raise LabelError(f"item {number} has no label")

    with pytest.raises(LabelError, match="item 3 has no label"):
        list(OnRay().map(wrong, [3]))
    tries = tmp_path / "tries"

    def dies(number: int) -> None:
        with tries.open("a") as file:
            file.write("x")
        os._exit(1)

    with pytest.raises(WorkerLost, match=r"7: its worker was lost 2 times .*what is finished is kept"):
        list(OnRay(retries=1).map(dies, [7]))
    assert tries.read_text() == "xx"
