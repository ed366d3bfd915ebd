"""What every call across the boundary needs: arrays as C expects them, status to exception."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import CoreError
from ._smm import ffi, lib

__all__ = ["check_status", "doubles", "floats", "integers", "is_trial_failure"]


# Evaluations that fail at a trial point are an ordinary answer, not an error.
_TRIAL_FAILURES = (lib.SMM_ENOTPD, lib.SMM_ENONFINITE)


def check_status(status: int, doing: str) -> None:
    """Raise the exception that belongs to a status."""
    if status == lib.SMM_OK:
        return
    text = ffi.string(lib.smm_status_text(status)).decode()
    if status == lib.SMM_ENOMEM:
        raise MemoryError(f"Not enough memory to {doing}.")
    raise CoreError(f"The numerical core could not {doing}: {text}.")


def is_trial_failure(status: int) -> bool:
    """Return whether a status is the ordinary answer of an impossible trial point."""
    return status in _TRIAL_FAILURES


def floats(array: Any, shape: tuple[int, ...], name: str) -> Array:
    """Return a C-ordered float array of the shape C expects."""
    out = np.ascontiguousarray(array, dtype=np.float64)
    if out.shape != shape:
        raise CoreError(f"{name} has shape {out.shape} where {shape} is needed.")
    return out


# The ``double *`` and the ``int32_t *`` of an array that the caller keeps alive. A small fit passes
# dozens of arrays: the types are parsed once, and no function of Python is called.
doubles: Callable[[Array], Any] = partial(ffi.from_buffer, ffi.typeof("double[]"))
integers: Callable[[NDArray[np.int32]], Any] = partial(ffi.from_buffer, ffi.typeof("int32_t[]"))
