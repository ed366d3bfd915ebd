"""Memory that a model will need, compared with what there is before it is asked for.

An operating system that promises more memory than it has ends the process when the promise is
called; a sentence beforehand is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["available_memory", "is_beyond_memory", "refuse_beyond_memory"]

# Smaller models are not worth a look.
SMALL = 1 << 28
GIB = 1 << 30

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Return the bytes that this process may still take; None where the system does not say.

    On Linux the memory that is free or can be made so, and what the process's control group is
    allowed beyond what it has.
    """
    try:
        lines = _MEMINFO.read_text().splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    try:
        limit = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no group, or one without a limit: "max"
        return free * 1024
    return min(free * 1024, max(limit - used, 0))


def _shortage(sizes: Mapping[str, int]) -> int | None:
    """Return the bytes there are where a workspace needs more; None where they suffice."""
    needed = sizes["workspace_bytes"]
    if needed < SMALL:
        return None
    available = available_memory()
    return None if available is None or needed <= available else available


def is_beyond_memory(sizes: Mapping[str, int]) -> bool:
    """Return whether a workspace would need more memory than there is.

    Parameters
    ----------
    sizes : mapping of str to int
        Those of a design, see ``smm_sizes`` in the C header.
    """
    return _shortage(sizes) is not None


def refuse_beyond_memory(sizes: Mapping[str, int]) -> None:
    """Raise when a workspace would need more memory than there is.

    Parameters
    ----------
    sizes : mapping of str to int
        Those of a design, see ``smm_sizes`` in the C header.

    Raises
    ------
    MemoryError
        The message says how much is needed, and for how many random effects.
    """
    available = _shortage(sizes)
    if available is None:
        return
    needs = (
        f"This needs {sizes['workspace_bytes'] / GIB:.3g} GiB of memory and "
        f"{available / GIB:.3g} GiB are available: "
    )
    if sizes["ntheta"] > sizes["tail_size"]:
        raise MemoryError(
            f"{needs}covariance matrices of random effects have {sizes['ntheta']} elements, whose "
            "second derivatives are kept. Take fewer places or columns left of a bar, by rounding "
            "times for instance."
        )
    raise MemoryError(
        f"{needs}crossed factors leave a dense matrix of {sizes['tail_size']} random effects. "
        'solver="iterative" needs no such matrix, for models without covariance structures and '
        "related levels; otherwise leave out the crossed factor with the fewest levels, or fit a "
        "part of its levels."
    )
