"""BLAS and LAPACK for the C library, as function pointers out of SciPy.

SciPy publishes its Cython declarations of BLAS and LAPACK as capsules; the name of a
capsule is the C signature of the function, which says how wide its integers are.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from scipy.linalg import cython_blas, cython_lapack

from ..errors import CoreError
from ._smm import ffi

__all__ = ["blas_table"]

_LAPACK = ("dpotrf", "dpotri", "dsyev")
_BLAS = ("dgemm", "dsymm", "dsyrk", "dtrsm")

_get_name = ctypes.pythonapi.PyCapsule_GetName
_get_name.restype = ctypes.c_char_p
_get_name.argtypes = [ctypes.py_object]
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _address(capsules: dict[str, Any], routine: str) -> int:
    """Return the address of a routine after checking its signature."""
    capsule = capsules[routine]
    signature = _get_name(capsule)
    if b"int *" not in signature or b"long" in signature or b"int64" in signature:
        raise CoreError(
            f"SciPy's {routine} has the signature {signature.decode()!r}, whose integers are not "
            "32 bits wide; install a SciPy built with 32-bit LAPACK integers (the default wheels)."
        )
    return int(_get_pointer(capsule, signature))


@cache
def blas_table() -> Any:
    """Return the filled ``smm_blas`` struct; it lives as long as the process."""
    table = ffi.new("smm_blas *")
    table.size = ffi.sizeof("smm_blas")
    table.int_bytes = ffi.sizeof("int")
    for capsules, routines in (
        (cython_lapack.__pyx_capi__, _LAPACK),
        (cython_blas.__pyx_capi__, _BLAS),
    ):
        for routine in routines:
            pointer = ffi.cast("void *", _address(capsules, routine))
            setattr(table, routine, ffi.cast(ffi.typeof(getattr(table, routine)), pointer))
    return table
