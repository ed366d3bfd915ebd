"""Runs of a linear fit from covariances scattered over all sizes and correlations.

The optima of a small model differ in the signs of correlations and in the rank of T more than in
the sizes of variances, and all usual starts have independent effects. The scatter is the same for
every fit, in coordinates that do not change with shifts and scales of covariates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from .._typing import Array
from .covariance import theta_of
from .optimize import FitOptions
from .runs import BestOfRuns, take_briefly

__all__ = ["scatter_covariances"]


RUNS = 16
# Evaluations of a run that is not lower yet.
SHORT = 60
# Standard deviations of random effects over sigma, powers of ten.
SIZES = (-1.0, 1.5)
# From such T runs fall to a residual variance of zero, where the likelihood rises towards it.
LARGE = 30.0


def scatter_covariances(
    runs: BestOfRuns,
    workspace: CoreWorkspace,
    patterns: Sequence[NDArray[np.bool_]],
    options: FitOptions,
    constant: float,
) -> None:
    """Take runs from scattered covariances; a single variance has been tried at all sizes.

    Parameters
    ----------
    runs : BestOfRuns
        The workspace is not solved at its end afterwards.
    workspace : CoreWorkspace
    patterns : sequence of ndarray of bool, shape (k, k)
        Elements of the factors T.
    options : FitOptions
    constant : float
        See `minimize`.
    """
    if len(runs.report.end) == 1:
        return
    draws = np.random.default_rng(0)
    for i in range(RUNS):
        if runs.lower_ends:  # There is no maximum.
            return
        factors = [
            _drawn(draws, pattern) if i else LARGE * np.eye(len(pattern)) for pattern in patterns
        ]
        theta = theta_of(factors, patterns)
        take_briefly(runs, workspace, workspace.from_units(theta), options, constant, most=SHORT)


def _drawn(draws: np.random.Generator, pattern: NDArray[np.bool_]) -> Array:
    """Return a T of random correlations and standard deviations."""
    T = draws.normal(size=pattern.shape) * pattern
    T /= np.linalg.norm(T, axis=1, keepdims=True)
    return np.asarray(T * 10.0 ** draws.uniform(*SIZES, (len(T), 1)))
