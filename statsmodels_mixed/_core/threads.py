"""How many threads BLAS may use: one, while small matrices are factored.

OpenBLAS starts all its threads for matrices of a few hundred columns, where they gain
nothing and, on a busy machine, wait for each other for seconds. NumPy and SciPy each bring
an OpenBLAS of their own, whose thread counts are global to the process: they are changed
when the first fit begins and restored when the last ends.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import numpy.linalg._umath_linalg as numpy_lapack
from scipy.linalg import cython_lapack

__all__ = ["LARGE_TAIL", "blas_threads", "one_blas_thread"]

# Columns of the dense tail from which several BLAS threads pay for themselves.
LARGE_TAIL = 2000

_NAMES = (
    "scipy_openblas_{}_num_threads",
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
)

_lock = threading.Lock()
_running = 0
_before: list[int] = []


@cache
def _controls() -> tuple[tuple[Callable[[], int], Callable[[int], None]], ...]:
    """Return getter and setter of each OpenBLAS; none for another BLAS."""
    found = []
    for path in (numpy_lapack.__file__, cython_lapack.__file__):
        try:
            # a handle also finds symbols of the libraries its own library depends on
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


class _OneThread:
    """Lets OpenBLAS use one thread while any thread of Python is inside; has no state itself."""

    def __enter__(self) -> None:
        global _running, _before
        with _lock:
            if _running == 0:
                controls = _controls()
                _before = [get() for get, _ in controls]
                for (_, set_), count in zip(controls, _before, strict=True):
                    if count != 1:
                        set_(1)
            _running += 1

    def __exit__(self, *raised: object) -> None:
        global _running
        with _lock:
            _running -= 1
            if _running == 0:
                for (_, set_), count in zip(_controls(), _before, strict=True):
                    if count != 1:
                        set_(count)


_ONE = _OneThread()
_ANY: AbstractContextManager[None] = nullcontext()


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
