"""Whose turn it is to write, among the threads of this process: in the order in which they came.

SQLite's own waiting is a sleep that grows between tries, so that who has waited longest looks least often, and a crowd of
threads overtakes it. Threads that queue here meet at most one writer of another process there.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is had in the order in which it was asked for. Not reentrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # the first has its turn

    @contextmanager
    def taken(self, wait_s: float) -> Iterator[bool]:
        """Hold it inside the ``with``; False where it did not come within ``wait_s``."""
        mine = threading.Lock()
        mine.acquire()
        with self._guard:
            self._waiting.append(mine)
            is_first = self._waiting[0] is mine
        try:
            yield is_first or mine.acquire(timeout=wait_s)
        finally:
            with self._guard:
                had_turn = self._waiting[0] is mine
                self._waiting.remove(mine)
                if had_turn and self._waiting:
                    self._waiting[0].release()
