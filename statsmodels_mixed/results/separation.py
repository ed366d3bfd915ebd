"""Separation: coefficients for which the likelihood has no maximum.

If some direction d has X d >= 0 wherever an outcome grows likelier with the linear
predictor without end (a success), <= 0 wherever it grows likelier as that falls (a failure, a
count of 0), and = 0 in all other rows, then going along d never lowers the likelihood,
whatever the random effects are. Such a direction is found, or excluded, by a linear
program (Konis 2007, "Linear programming algorithms for detecting separated data").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from ..fitting.estimates import GeneralizedEstimates
from ..fitting.families import FamilySpec
from ..frame.design import Design

__all__ = ["separated_columns"]

Array = NDArray[np.float64]

# Standard error, per range of its column and on the scale of the link, above which a
# coefficient is suspected of having no finite estimate. The linear program then decides.
SUSPICIOUS = 3.0
# Share of the longest column step that counts as part of the direction.
PRESENT = 1e-7
MOST_CELLS = 5_000_000
SECONDS = 10.0

_BOTH_ENDS = ("logit", "probit", "cauchit", "cloglog", "loglog")


def separated_columns(design: Design, estimates: GeneralizedEstimates) -> tuple[str, ...]:
    """Return the names of the columns whose coefficients have no finite estimate.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
        The fit. The linear program is only solved when a standard error is suspicious or
        the fit has not converged.

    Returns
    -------
    tuple of str
        Empty if there are none, or the design is too large for the linear program.
    """
    signs = _directions(design.y, estimates.spec)
    X = design.X[:, estimates.columns]
    if signs is None or not X.shape[1]:
        return ()
    low, high = X.min(axis=0), X.max(axis=0)
    span = np.where(high > low, high - low, np.abs(high))
    with np.errstate(invalid="ignore"):  # a NaN is suspicious too
        errors = np.sqrt(np.diag(estimates.cov_conditional)) * span
    if estimates.report.converged and (errors < SUSPICIOUS).all():
        return ()
    direction = _separating_direction(X / span, signs)
    return tuple(
        design.x_names[column]
        for column, step in zip(estimates.columns, direction, strict=True)
        if abs(step) > PRESENT
    )


def _directions(y: Array, spec: FamilySpec) -> Array | None:
    """Return 1 for rows that pull the linear predictor up without end, -1 down, 0 neither."""
    if spec.family == "binomial" and spec.link in (*_BOTH_ENDS, "log"):
        up = 1.0 if spec.link in _BOTH_ENDS else 0.0  # a log link ends at mean 1
        return np.where(y == 1, up, np.where(y == 0, -1.0, 0.0))
    if spec.family in ("poisson", "negative_binomial") and spec.link == "log":
        return np.where(y == 0, -1.0, 0.0)
    return None


def _separating_direction(X: Array, signs: Array) -> Array:
    """Return d with signs * (X d) >= 0, X d = 0 where the sign is 0; zero if there is none."""
    rank = X.shape[1]
    rows = np.unique(np.column_stack([signs, X]), axis=0)
    if rows.size > MOST_CELLS:
        return np.zeros(rank)
    pulled = rows[:, 0] != 0
    gains = rows[pulled, :1] * rows[pulled, 1:]
    fixed = rows[~pulled, 1:]
    found = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(gains)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
        options={"time_limit": SECONDS},
    )
    separates = found.status == 0 and -found.fun > PRESENT
    return np.asarray(found.x) if separates else np.zeros(rank)
