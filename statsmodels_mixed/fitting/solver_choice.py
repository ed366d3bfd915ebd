"""Whether a model is solved by a factorization or iteratively."""

from __future__ import annotations

from collections.abc import Mapping

from .._core import FitOptions, is_beyond_memory
from ..errors import OptionError
from ..frame.design import Design

__all__ = ["can_iterate", "is_iterative"]


def can_iterate(design: Design) -> bool:
    """Return whether a design has crossed factors that this solution is made for."""
    return len(design.blocks) > 1 and not (design.is_structured or design.is_related)


def is_iterative(options: FitOptions, design: Design, sizes: Mapping[str, int] | None) -> bool:
    """Return whether to solve by conjugate gradients: if asked, or if nothing else fits.

    Parameters
    ----------
    options : FitOptions
    design : Design
    sizes : mapping of str to int, optional
        Those of the analysed design, see ``smm_sizes`` in the C header; for ``"auto"``.

    Raises
    ------
    OptionError
        If there is no such solver, or the model or its options are not for it.
    """
    if options.solver not in ("auto", "direct", "iterative"):
        raise OptionError(f"solver= is 'auto', 'direct' or 'iterative', not {options.solver!r}.")
    if options.solver == "auto":
        return sizes is not None and can_iterate(design) and is_beyond_memory(sizes)
    if options.solver == "direct":
        return False
    if not can_iterate(design):
        raise OptionError(
            'solver="iterative" is for models with two or more grouping factors, without '
            "covariance structures and related levels; this one is fitted directly."
        )
    return True
