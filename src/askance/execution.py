"""Where work runs: here, one item after another, or on Ray, on every core of a machine or a cluster. Knows no domain.

A runner maps a callable over items and hands results back as they come. It never runs a finished item again; what is
finished before it starts is the caller's to leave out. On Ray an item whose worker is lost (a crash, a full memory, a node
that is gone) is run again on another, so the callable must be one that can be started anew at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from askance.errors import UsageError, WorkerLost

Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs a callable on items somewhere."""

    def map(
        self,
        call: Callable[[Item], Result],
        items: Sequence[Item],
        lost: Callable[[Item, WorkerLost], Result] | None = None,
    ) -> Iterator[Result]:
        """The result of each item, as they come.

        An exception of ``call`` comes out here and ends the run; results that came before it are the caller's already. Of an
        item that lost its worker again and again ``lost`` makes the result.

        Raises:
            WorkerLost: such an item, and no ``lost``.
        """
        ...


class Here:
    """In this process, in the items' order."""

    def map(
        self,
        call: Callable[[Item], Result],
        items: Sequence[Item],
        lost: Callable[[Item, WorkerLost], Result] | None = None,
    ) -> Iterator[Result]:
        """Each result as soon as it is asked for; no worker can be ``lost``."""
        del lost
        for item in items:
            yield call(item)


@dataclass(frozen=True)
class OnRay:
    """On Ray, each item a task of ``cores`` cores: the cluster at ``address`` (None: RAY_ADDRESS, else this machine).

    ``call`` and items travel pickled, results too; files that they name must lie where every node sees them. An item is
    given up after ``retries`` lost workers.
    """

    address: str | None = None
    cores: float = 1
    retries: int = 3

    def map(
        self,
        call: Callable[[Item], Result],
        items: Sequence[Item],
        lost: Callable[[Item, WorkerLost], Result] | None = None,
    ) -> Iterator[Result]:
        """Results in the order in which they are finished."""
        ray = _ray()
        with _connected(ray, self.address):

            def one(item: Item) -> Result:  # a task must be a function; ``call`` may be a partial one
                return call(item)

            task = ray.remote(num_cpus=self.cores, max_retries=self.retries)(one)
            waiting = {task.remote(item): item for item in items}
            while waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                item = waiting.pop(done)
                try:
                    result = self._result(ray, done, item)
                except WorkerLost as error:
                    if lost is None:
                        raise
                    result = lost(item, error)
                yield result

    def _result(self, ray: Any, done: Any, item: object) -> Any:
        try:
            return ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None  # what the callable raised, not the traceback of a machine elsewhere
        except ray.exceptions.RayError as error:
            raise WorkerLost(
                f"{item}: its worker was lost {self.retries + 1} times ({type(error).__name__}); see to memory and disks of "
                f"the nodes, then run the same command again: what is finished is kept"
            ) from error


def _ray() -> Any:
    """Ray, which sends no usage statistics.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be by default, else it warns
    try:
        import ray
    except ImportError:
        raise UsageError("work on Ray needs Ray, which is not installed: pip install 'askance[ray]'") from None
    return ray


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """With a cluster: the one that this process is connected to already, else one that is left again."""
    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS")
    local = {} if where else {"num_cpus": os.cpu_count(), "include_dashboard": False}
    try:
        ray.init(address=where, configure_logging=False, log_to_driver=False, **local)
    except (ConnectionError, ValueError) as error:  # nobody there; no address
        if where is None:
            raise
        raise UsageError(f"no Ray cluster answers at {where}: {error}; start one, or leave RAY_ADDRESS unset") from None
    try:
        yield
    finally:
        ray.shutdown()
