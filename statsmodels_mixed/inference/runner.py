"""Threads that draw and fit the replicates of a bootstrap, piece by piece."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from .refit import Flag, Refitter
from .replicates import Rows
from .simulate import Simulator
from .streams import stream

__all__ = ["Run", "missing_tasks"]

# Seconds after which a wait is taken up anew: where signals cannot end one, Ctrl-C comes then.
PATIENCE = 0.2


class Run:
    """Threads at work on the pieces of a bootstrap.

    What they have done is in `done`, which only they write: Ctrl-C may come between any two
    steps of the thread that waits for them, and nothing is lost.

    Parameters
    ----------
    refitter : Refitter
    simulator : Simulator
    root : SeedSequence
    tasks : list of (stream, first, last)
        Ranges of replicates within streams.
    """

    def __init__(
        self,
        refitter: Refitter,
        simulator: Simulator,
        root: np.random.SeedSequence,
        tasks: Sequence[tuple[int, int, int]],
    ) -> None:
        self.stop: Flag = np.zeros(1, dtype=np.int32)
        self._refitter, self._simulator, self._root = refitter, simulator, root
        self._tasks: queue.SimpleQueue[tuple[int, int, int]] = queue.SimpleQueue()
        for task in tasks:
            self._tasks.put(task)
        self.done: list[Rows] = []
        # Numbers of replicates done, to wait for; None when a thread ends.
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._threads: list[Thread] = []
        self._ended = 0
        self._error: BaseException | None = None

    def start(self, number: int) -> None:
        """Start so many threads, unless there are some already or the run is to stop."""
        while len(self._threads) < number and not self.stop[0]:
            self._threads.append(Thread(target=self._work, name="bootstrap"))
            self._threads[-1].start()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop[0] = 1
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        try:
            worker = self._refitter.worker()
            while not self.stop[0]:
                try:
                    number, first, last = self._tasks.get_nowait()
                except queue.Empty:
                    return
                responses = self._simulator.draw(stream(self._root, number), last)[first:]
                values, converged = worker(responses, self.stop)
                start = number * self._simulator.stream_length + first
                self.done.append((np.arange(start, start + len(values)), values, converged))
                self._news.put(len(values))
        except BaseException as error:
            self.stop[0] = 1
            self._error = error
        finally:
            self._news.put(None)

    def wait(self) -> Iterator[int]:
        """Give the number of replicates of each piece as it is done, until all threads end."""
        while self._ended < len(self._threads):
            try:
                news = self._news.get(timeout=PATIENCE)
            except queue.Empty:
                # Ctrl-C may have come before a thread had started, or have eaten some news
                if not any(thread.is_alive() for thread in self._threads):
                    break
                continue
            if news is None:
                self._ended += 1
            else:
                yield news
        if self._error is not None:
            raise self._error


def missing_tasks(n: int, length: int, done: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return the ranges of replicates that are missing, as (stream, first, last) within it."""
    missing = np.ones(n, dtype=bool)
    missing[done] = False
    tasks = []
    for number in range(-(-n // length)):
        part = missing[number * length : (number + 1) * length]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], part, [False]]).astype(int)))
        tasks += [(number, int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    return tasks
