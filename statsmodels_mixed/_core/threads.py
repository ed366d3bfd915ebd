"""How many threads BLAS may use: one, while small matrices are factored.

OpenBLAS starts all its threads for matrices of a few hundred columns, where they gain
nothing and, on a busy machine, wait for each other for seconds. NumPy and SciPy each bring
an OpenBLAS of their own, whose thread counts are global to the process: they are changed
when the first fit begins and restored when the last ends.

A forked child has one thread. It waits for no fit of its parent's other threads, and has as many
BLAS threads as if they had never begun.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import numpy.linalg._umath_linalg as numpy_lapack
from scipy.linalg import cython_lapack

from .fork_gate import gate

__all__ = ["LARGE_TAIL", "blas_threads", "one_blas_thread", "waiting_for_threads"]

# Columns of the dense tail from which several BLAS threads pay for themselves.
LARGE_TAIL = 2000

_NAMES = (
    "scipy_openblas_{}_num_threads",
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
)


class _Own(threading.local):
    """How many blocks the running thread is inside."""

    depth = 0


class _Shared:
    """What the threads of a process share: a change is made with the lock held.

    Parameters
    ----------
    running : int
        Number of threads that are inside a block.
    before : list of int
        Threads of each OpenBLAS before the first of them.
    """

    def __init__(self, running: int, before: list[int]) -> None:
        self.lock = threading.RLock()
        self.running = running
        self.before = before


_own = _Own()
_shared = _Shared(0, [])


@cache
def _controls() -> tuple[tuple[Callable[[], int], Callable[[int], None]], ...]:
    """Return getter and setter of each OpenBLAS; none for another BLAS."""
    found = []
    for path in (numpy_lapack.__file__, cython_lapack.__file__):
        try:
            # A handle also finds symbols of the libraries its own library depends on.
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in _NAMES:
            try:
                get = getattr(library, name.format("get"))
                set_ = getattr(library, name.format("set"))
            except AttributeError:
                continue
            get.restype, get.argtypes = ctypes.c_int, []
            set_.restype, set_.argtypes = None, [ctypes.c_int]
            found.append((get, set_))
            break
    return tuple(found)


def _limit() -> list[int]:
    """Let each OpenBLAS use one thread; return the numbers before."""
    controls = _controls()
    before = [get() for get, _ in controls]
    if max(before, default=1) > 1:
        _set_where_several(before, 1)
    return before


def _set_where_several(before: list[int], count: int | None = None) -> None:
    """Set numbers of threads, by default back to `before`, where there were several."""
    for (_, set_), several in zip(_controls(), before, strict=True):
        if several != 1:
            set_(count or several)


class _OneThread:
    """Lets OpenBLAS use one thread while any thread of Python is inside; has no state itself."""

    def __enter__(self) -> None:
        if _own.depth:  # a block within a block of this thread changes nothing
            _own.depth += 1
            return
        gate.enter()
        shared = _shared
        with shared.lock:
            if shared.running == 0:
                shared.before = _limit()
            shared.running += 1
            _own.depth = 1

    def __exit__(self, *raised: object) -> None:
        if _own.depth > 1:
            _own.depth -= 1
            return
        shared = _shared
        with shared.lock:
            _own.depth = 0
            shared.running -= 1
            if shared.running == 0:
                _set_where_several(shared.before)
        gate.leave()


class _SeveralThreads:
    """Leaves numbers of threads alone; a fork waits for it as for the other."""

    def __enter__(self) -> None:
        gate.enter()

    def __exit__(self, *raised: object) -> None:
        gate.leave()


def _before_fork() -> None:
    """Wait until no other thread is in BLAS or is changing a number of threads."""
    gate.close()
    _shared.lock.acquire()


def _after_fork_in_parent() -> None:
    _shared.lock.release()
    gate.open()


def _after_fork_in_child() -> None:
    """Forget the blocks of threads that do not exist here."""
    global _shared
    gate.open_in_child()
    parent = _shared
    _shared = _Shared(int(_own.depth > 0), parent.before)
    if parent.running > 0 and _shared.running == 0:
        _set_where_several(parent.before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )

_ONE = _OneThread()
_ANY = _SeveralThreads()


def one_blas_thread() -> AbstractContextManager[None]:
    """Return a context in which OpenBLAS uses one thread; it does nothing for another BLAS."""
    return _ONE


def blas_threads(tail: int) -> AbstractContextManager[None]:
    """Return a context in which OpenBLAS has as many threads as a model can use.

    Parameters
    ----------
    tail : int
        Columns of its dense tail.
    """
    return _ANY if tail >= LARGE_TAIL else _ONE


@contextmanager
def waiting_for_threads() -> Iterator[None]:
    """Let forks be made while the running thread only waits for others, who use BLAS."""
    depth = gate.step_out()
    try:
        yield
    finally:
        gate.step_in(depth)
