"""How many threads BLAS may use: one, while small matrices are factored.

OpenBLAS starts all its threads for matrices of a few hundred columns, where they gain
nothing and, on a busy machine, wait for each other for seconds. Its thread count is global
to the process, so it is changed when the first fit begins and restored when the last ends.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from scipy.linalg import cython_lapack

__all__ = ["one_blas_thread"]

_NAMES = ("scipy_openblas_{}_num_threads", "openblas_{}_num_threads")

_lock = threading.Lock()
_running = 0
_before = 0


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return OpenBLAS's getter and setter, or None for another BLAS."""
    try:
        # a handle also finds symbols of the libraries its own library depends on
        library = ctypes.CDLL(cython_lapack.__file__)
    except OSError:
        return None
    for name in _NAMES:
        try:
            get = getattr(library, name.format("get"))
            set_ = getattr(library, name.format("set"))
        except AttributeError:
            continue
        get.restype, get.argtypes = ctypes.c_int, []
        set_.restype, set_.argtypes = None, [ctypes.c_int]
        return get, set_
    return None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let SciPy's OpenBLAS use one thread inside the block; does nothing for other BLAS."""
    global _running, _before
    controls = _controls()
    if controls is None:
        yield
        return
    get, set_ = controls
    with _lock:
        if _running == 0:
            _before = get()
            if _before != 1:
                set_(1)
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0 and _before != 1:
                set_(_before)
