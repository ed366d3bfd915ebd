"""NLopt for the C library: algorithm names, and the addresses of its C API.

The extension module inside the ``nlopt`` wheel exports the C API on Linux and macOS,
so the C library can drive the optimizer with no Python between evaluations. Where the
symbols are hidden (Windows), `nlopt_table` returns None and the Python interface of
NLopt is used by `CoreWorkspace.minimize_nlopt` instead.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import nlopt

from ..errors import OptionError
from ._smm import ffi

__all__ = ["algorithm_number", "algorithms", "nlopt_table"]

_FUNCTIONS = (
    "create",
    "destroy",
    "set_min_objective",
    "set_ftol_rel",
    "set_ftol_abs",
    "set_xtol_rel",
    "set_xtol_abs1",
    "set_maxeval",
    "set_maxtime",
    "set_initial_step",
    "force_stop",
    "optimize",
)
# These need a second, subsidiary optimizer or bounds on every parameter, which a
# mixed model does not have.
_UNSUITABLE = ("AUGLAG", "MLSL", "DIRECT", "STOGO", "CRS2", "ISRES", "ESCH", "AGS")


@cache
def algorithms() -> tuple[str, ...]:
    """Return the names of the NLopt algorithms that can fit a mixed model."""
    names = []
    for name in dir(nlopt):
        if name[:3] in ("LN_", "LD_") and not any(word in name for word in _UNSUITABLE):
            names.append(name)
    return tuple(sorted(names))


def algorithm_number(name: str) -> int:
    """Return NLopt's number of an algorithm.

    Raises
    ------
    OptionError
        If there is no such algorithm.
    """
    if name not in algorithms():
        raise OptionError(
            f"optimizer={name!r} is not known; use 'newton' or one of NLopt's "
            f"{', '.join(algorithms())}."
        )
    return int(getattr(nlopt, name))


@cache
def nlopt_table() -> Any:
    """Return the filled ``smm_nlopt`` struct, or None where NLopt hides its C API."""
    module = nlopt._nlopt
    try:
        library = ctypes.CDLL(module.__file__)
        addresses = {
            name: ctypes.cast(getattr(library, f"nlopt_{name}"), ctypes.c_void_p).value
            for name in _FUNCTIONS
        }
    except (OSError, AttributeError):
        return None
    table = ffi.new("smm_nlopt *")
    table.size = ffi.sizeof("smm_nlopt")
    for name, address in addresses.items():
        pointer = ffi.cast("void *", address)
        setattr(table, name, ffi.cast(ffi.typeof(getattr(table, name)), pointer))
    return table
