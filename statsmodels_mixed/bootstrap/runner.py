"""Threads that draw and fit replicates, piece by piece."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._core import waiting_for_threads
from ..errors import OptionError
from ..fitting.refits import Flag
from ..simulation.streams import stream
from .recipe import ReplicateRows
from .refitters import Worker

__all__ = ["Draws", "Run", "missing_tasks", "no_rows", "number_of_threads"]

# Seconds after which a wait is taken up anew: where signals cannot end one, Ctrl-C comes then.
PATIENCE = 0.2


class Draws(Protocol):
    """What replicates are made from, drawn at random."""

    @property
    def stream_length(self) -> int:
        """Draws that share a stream."""

    def draw(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Draw the next `count` of a stream, one in a row."""


class Run:
    """Threads at work on the pieces of a bootstrap.

    What they have done is in `done`, which only they write: Ctrl-C may come between any two
    steps of the thread that waits for them, and nothing is lost.

    Parameters
    ----------
    worker : callable
        Makes a worker for one thread.
    draws : Draws
    root : SeedSequence
    tasks : list of (stream, first, last)
        Ranges of replicates within streams.
    """

    def __init__(
        self,
        worker: Callable[[], Worker],
        draws: Draws,
        root: np.random.SeedSequence,
        tasks: Sequence[tuple[int, int, int]],
    ) -> None:
        self.stop: Flag = np.zeros(1, dtype=np.int32)
        self._worker, self._draws, self._root = worker, draws, root
        self._tasks: queue.SimpleQueue[tuple[int, int, int]] = queue.SimpleQueue()
        for task in tasks:
            self._tasks.put(task)
        self.done: list[ReplicateRows] = []
        # Numbers of replicates done, to wait for; None when a thread ends.
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._threads: list[Thread] = []
        self._ended = 0
        self._error: BaseException | None = None

    def rows(self, before: ReplicateRows) -> ReplicateRows:
        """Return what is done, and what there was before, by number."""
        parts = zip(before, *self.done, strict=True)
        number, values, converged = (np.concatenate(part) for part in parts)
        order = np.argsort(number)
        return number[order], values[order], converged[order]

    def start(self, number: int) -> None:
        """Start `number` threads, unless there are some already or the run is to stop."""
        while len(self._threads) < number and not self.stop[0]:
            self._threads.append(Thread(target=self._work, name="bootstrap"))
            self._threads[-1].start()

    def finish(self, workers: int, note: Callable[[int], None]) -> None:
        """Let `workers` threads work until all is done, or until Ctrl-C ends the run.

        Parameters
        ----------
        workers : int
        note : callable
            Called with the number of replicates of each piece, and once with 0 at the end.
        """
        with waiting_for_threads(), self:
            while True:
                try:
                    self.start(workers)
                    for fitted in self.wait():
                        note(fitted)
                    note(0)
                    return
                except KeyboardInterrupt:
                    self.stop[0] = 1  # and once more round for what is done

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop[0] = 1
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        try:
            work = self._worker()
            while not self.stop[0]:
                try:
                    number, first, last = self._tasks.get_nowait()
                except queue.Empty:
                    return
                drawn = self._draws.draw(stream(self._root, number), last)[first:]
                values, converged = work(drawn, self.stop)
                start = number * self._draws.stream_length + first
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


def no_rows(width: int) -> ReplicateRows:
    """Return no replicates, of `width` numbers each."""
    return np.empty(0, dtype=np.int64), np.empty((0, width)), np.empty(0, dtype=bool)


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


def number_of_threads(asked: int | None) -> int:
    """Return how many threads to use: by default as many as this process has processors.

    Raises
    ------
    OptionError
        If the number is not possible.
    """
    if asked is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if isinstance(asked, bool) or int(asked) != asked or asked < 1:
        raise OptionError(f"threads={asked!r} is not possible; give a number >= 1.")
    return int(asked)
