"""Minimizing the objective: what was asked, what happened, and the call that joins them."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized, CoreWorkspace, FitOptions
from ..._frozen import quickly_made
from ..._typing import Array
from ...errors import OptionError

__all__ = [
    "BY_OBJECTIVE",
    "NO_START",
    "OTHER_START",
    "FitOptions",
    "FitReport",
    "minimize",
    "refuse_other_options",
    "settled",
]


# Profiles need the objective: parameters may be flat directions.
BY_OBJECTIVE = FitOptions(xtol_rel=0.0, xtol_abs=0.0)

# An objective within this of its local minimum has theta within a thousandth of its
# standard error.
CONVERGED_DECREMENT = 1e-6

# Negative curvatures up to this share of the objective are rounding errors: like the
# objective itself, curvatures grow with the number of rows.
FLAT_CURVATURE = 1e-6

_MESSAGES = {
    "GTOL_REACHED": "The gradient vanished.",
    "FTOL_REACHED": "The objective stopped changing.",
    "XTOL_REACHED": "Theta stopped changing.",
    "ROUNDOFF_LIMITED": "Rounding errors prevent any further decrease.",
    "MAXEVAL_REACHED": "The limit of evaluations was reached.",
    "MAXTIME_REACHED": "The limit max_time was reached.",
    "STALLED": "Steps no longer bring progress: the objective may fall for ever.",
    "FAILURE": "The objective could not be followed any further.",
}


# What to do about it, and where a fit takes no start.
OTHER_START = "try another optimizer= or start=."
NO_START = "try another optimizer=."

# What an int of C holds.
MOST_EVALUATIONS = 2**31 - 1
# A union is slow to make, and options are checked in each fit.
_NUMBER = (int, float, np.number)

# A run that ended so was not done, however close it may have come.
_UNFINISHED = ("MAXEVAL_REACHED", "MAXTIME_REACHED", "STALLED", "FAILURE")


@quickly_made
@dataclass(frozen=True)
class FitReport:
    """What happened during a fit.

    Parameters
    ----------
    optimizer : str
        Algorithm used.
    status : str
        Return code, such as ``"FTOL_REACHED"``, ``"GTOL_REACHED"``, ``"MAXEVAL_REACHED"``.
    message : str
        One sentence for people.
    converged : bool
        Whether the gradient, not only the return code, says so.
    start, end : ndarray, shape (n_theta,)
        First and final theta, the final one rectified.
    initial_objective, objective : float
        The objective at both.
    evaluations : int
        Number of evaluations of the objective.
    gradient : ndarray, shape (n_theta,)
        Gradient of the objective at the end.
    gradient_norm : float
        Scaled gradient: the decrease in the objective that the local quadratic
        model still promises; 0 at a stationary point, unit-free.
    hessian_min_eigenvalue : float
        Smallest eigenvalue of the local (scaled) Hessian.
    failed_evaluations : int
        Evaluations at which the matrix was not positive definite.
    fitlog_theta : ndarray, shape (evaluations, n_theta)
        Every theta tried, in order; of the longest runs the first ones, as the message says.
    fitlog_objective : ndarray, shape (evaluations,)
        The objective at each.
    not_identified : tuple of str
        A sentence for each group of covariance parameters that the data do not determine.
    other_optima : tuple of float
        The objective at other optima, worse ones, at which searches from other starts ended.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.report.converged, fit.report.status, fit.report.evaluations
    (True, 'GTOL_REACHED', 4)
    """

    optimizer: str
    status: str
    message: str
    converged: bool
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    initial_objective: float
    objective: float
    evaluations: int
    gradient: NDArray[np.float64]
    gradient_norm: float
    hessian_min_eigenvalue: float
    failed_evaluations: int
    fitlog_theta: NDArray[np.float64] = field(repr=False)
    fitlog_objective: NDArray[np.float64] = field(repr=False)
    not_identified: tuple[str, ...] = ()
    other_optima: tuple[float, ...] = ()

    @property
    def hopeless(self) -> bool:
        """Whether the end is no estimate: derivatives failed, or promise more than there can be."""
        promise = self.gradient_norm
        return not self.converged and not promise <= 1.0 + abs(self.objective)

    def _lines(self) -> list[tuple[str, str]]:
        lines = [
            ("Converged", "yes" if self.converged else "no"),
            ("Message", self.message),
            ("Optimizer", f"{self.optimizer} ({self.status})"),
            ("Evaluations", str(self.evaluations)),
            ("Objective", f"{self.objective:.6f}, at the start {self.initial_objective:.6f}"),
            ("Decrease promised", f"{self.gradient_norm:.3g}"),
            ("Least curvature", f"{self.hessian_min_eigenvalue:.3g}"),
        ]
        if self.other_optima:
            lines.append(("Other optima at", ", ".join(f"{x:.6f}" for x in self.other_optima)))
        if self.failed_evaluations:
            lines.append(("Failed evaluations", str(self.failed_evaluations)))
        return [*lines, *(("Not identified", reason) for reason in self.not_identified)]

    def __str__(self) -> str:
        return "\n".join(f"{name + ':':<20}{value}" for name, value in self._lines())

    def _repr_html_(self) -> str:
        rows = (
            f'<tr><th style="text-align: left">{name}</th>'
            f'<td style="text-align: left">{html.escape(value)}</td></tr>'
            for name, value in self._lines()
        )
        return f'<table class="simpletable">{"".join(rows)}</table>'


def minimize(
    workspace: CoreWorkspace | CoreGeneralized,
    start: Array,
    options: FitOptions,
    *,
    constant: float = 0.0,
) -> FitReport:
    """Minimize the objective of a workspace and leave it solved at the minimum.

    Parameters
    ----------
    workspace : CoreWorkspace or CoreGeneralized
        With its criterion or approximation chosen.
    start : ndarray, shape (n_theta,)
    options : FitOptions
    constant : float
        Added to every reported objective.

    Returns
    -------
    FitReport

    Raises
    ------
    OptionError
        If the optimizer or a tolerance is not possible.
    """
    _check_options(options)
    run = workspace.minimize(start, options)
    limited = run.status in _UNFINISHED
    converged = not limited and bool(settled(run.value, run.decrement, run.min_eigenvalue))
    message = _MESSAGES[run.status]
    if len(run.log_value) < run.evaluations:
        message += f" The log holds the first {len(run.log_value)} evaluations."
    if not converged and np.isfinite(run.decrement):
        message += (
            f" The local quadratic model still promises a decrease of {run.decrement:.2g} in the "
            f"objective; {OTHER_START}"
        )
    return FitReport(
        optimizer=options.optimizer,
        status=run.status,
        message=message,
        converged=converged,
        start=start,
        end=run.theta,
        initial_objective=float(run.log_value[0]) + constant,
        objective=run.value + constant,
        evaluations=run.evaluations,
        gradient=run.gradient,
        gradient_norm=run.decrement,
        hessian_min_eigenvalue=run.min_eigenvalue,
        failed_evaluations=run.failures,
        fitlog_theta=run.log_theta,
        fitlog_objective=run.log_value + constant,
    )


def refuse_other_options(options: FitOptions, taken: Collection[str], models: str) -> None:
    """Refuse options of the search that models with a search of their own do not take.

    Parameters
    ----------
    options : FitOptions
    taken : collection of str
        Names of the options that they take.
    models : str
        What the models are called.

    Raises
    ------
    OptionError
        If another option is not what it is by default, or one is not possible.
    """
    _check_options(options)
    for each in fields(options):
        given = getattr(options, each.name)
        if each.name not in taken and given != each.default:
            raise OptionError(
                f"{each.name}={given!r} is not possible for {models}, whose search takes "
                f"{', '.join(f'{name}=' for name in taken)}: leave it out."
            )


def settled(value: Any, decrement: Any, min_eigenvalue: Any) -> Any:
    """Return whether minimizations converged, one or an array of them.

    Parameters
    ----------
    value : float or ndarray
        Objective at the end.
    decrement : float or ndarray
        The decrease that the local quadratic model still promises.
    min_eigenvalue : float or ndarray
        Least curvature there.

    Returns
    -------
    bool or ndarray of bool
    """
    flat = FLAT_CURVATURE * (1.0 + abs(value))
    return (decrement <= CONVERGED_DECREMENT) & (min_eigenvalue >= -flat)


def _check_options(options: FitOptions) -> None:
    for name in ("ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs", "max_eval", "max_time"):
        value = getattr(options, name)
        if value.__class__ is float and 0.0 <= value < np.inf and name != "max_eval":
            continue
        if not isinstance(value, _NUMBER) or (name == "max_eval" and float(value) % 1 != 0):
            raise OptionError(f"{name}={value!r} is not possible; give a number >= 0.")
        if not 0 <= value < np.inf:
            raise OptionError(f"{name}={value!r} is not possible; give a number >= 0.")
    if options.max_eval > MOST_EVALUATIONS:
        raise OptionError(f"max_eval={options.max_eval!r} is too large; 0 is no limit.")
