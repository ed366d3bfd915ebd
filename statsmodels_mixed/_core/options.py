"""What is asked of a minimizer, and the same for C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._frozen import quickly_made
from ._smm import ffi
from .nlopt_api import algorithm_number

__all__ = ["FitOptions", "c_options"]


@quickly_made
@dataclass(frozen=True)
class FitOptions:
    """How to minimize the objective.

    Parameters
    ----------
    optimizer : str
        ``"newton"`` (the default: average-information steps with quasi-Newton
        corrections) or the name of an NLopt algorithm such as ``"LD_LBFGS"``
        or ``"LN_BOBYQA"``.
    ftol_rel, ftol_abs : float
        Stop when a step changes the objective by less than the larger of the two, relative and
        absolute. Newton steps, whose last ones cost little, end when the local quadratic model
        promises less than a ten-thousandth of it; a relative tolerance up to 1e-12 allows for
        rounding in the objective alone, and does not loosen that.
    xtol_rel, xtol_abs : float
        Stop when a step changes every element of theta (in units of its typical size) by less
        than the larger of the two, relative and absolute.
    max_eval : int
        Largest number of evaluations of the objective; 0 for no limit.
    max_time : float
        Largest time in seconds; 0 for no limit.
    solver : {"auto", "direct", "iterative"}
        A factorization, conjugate gradients with random probes (models of crossed factors only),
        or the latter where the former does not fit in memory.
    probes, seed : int
        Number of random probes of the iterative solver, and where they come from.

    Examples
    --------
    >>> FitOptions(optimizer="LN_BOBYQA", max_eval=100).max_eval
    100
    """

    optimizer: str = "newton"
    ftol_rel: float = 1e-12
    ftol_abs: float = 1e-8
    xtol_rel: float = 0.0
    xtol_abs: float = 1e-10
    max_eval: int = 0
    max_time: float = 0.0
    solver: str = "auto"
    probes: int = 20
    seed: int = 0

    @property
    def algorithm(self) -> int | None:
        """NLopt's number of the optimizer; None for Newton steps.

        Raises
        ------
        OptionError
            If there is no such optimizer.
        """
        return None if self.optimizer == "newton" else algorithm_number(self.optimizer)


def c_options(options: FitOptions) -> Any:
    """Return the ``smm_options`` of C."""
    out = ffi.new("smm_options *")
    out.ftol_rel, out.ftol_abs = options.ftol_rel, options.ftol_abs
    out.xtol_rel, out.xtol_abs = options.xtol_rel, options.xtol_abs
    out.max_eval, out.max_time = options.max_eval, options.max_time
    return out
