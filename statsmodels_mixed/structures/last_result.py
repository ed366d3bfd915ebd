"""A cache of one result: matrices and derivatives are computed at the same parameters in turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from .._typing import Array

__all__ = ["last_result"]

Result = TypeVar("Result")


def last_result(method: Callable[[Any, Array], Result]) -> Callable[[Any, Array], Result]:
    """Keep what a method of one argument returned last, for each object.

    The results are shared: callers must not change them.
    """
    kept: WeakKeyDictionary[Any, tuple[bytes, Result]] = WeakKeyDictionary()

    @wraps(method)
    def of_last(self: Any, psi: Array) -> Result:
        key = np.asarray(psi, dtype=float).tobytes()
        last = kept.get(self)
        if last is None or last[0] != key:
            last = key, method(self, psi)
            kept[self] = last
        return last[1]

    return of_last
