"""Standard deviations and correlations of a covariance matrix, with their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .._typing import Array, Positions
from .structure import Natural

__all__ = ["sds_and_correlations"]


@lru_cache(maxsize=64)
def _below_diagonal(k: int) -> tuple[Positions, Positions]:
    """Return columns and rows of the elements below a diagonal, column by column."""
    return np.triu_indices(k, 1)


def sds_and_correlations(sigma: Array, derivatives: Array, labels: Sequence[str]) -> Natural:
    """Return what is reported of a matrix without simpler parameters.

    Parameters
    ----------
    sigma : ndarray, shape (k, k)
    derivatives : ndarray, shape (m, k, k)
    labels : sequence of str
        Names of the k effects.

    Returns
    -------
    Natural
        The standard deviations, then the correlations below the diagonal, column by column.
        Correlations with an effect of variance zero are NaN.
    """
    k = len(sigma)
    sd = np.sqrt(np.diag(sigma))
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.diagonal(derivatives, axis1=1, axis2=2) / (2.0 * sd)
        columns, rows = _below_diagonal(k)
        rho = sigma[rows, columns] / (sd[rows] * sd[columns])
        relative = slopes / sd
        turns = derivatives[:, rows, columns] / (sd[rows] * sd[columns])
        turns = turns - rho * (relative[:, rows] + relative[:, columns])
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    names = [f"sd[{label}]" for label in labels]
    names += [f"rho[{labels[r]},{labels[c]}]" for r, c in pairs]
    values = np.concatenate([sd, rho])
    jacobian = np.concatenate([slopes, turns], axis=1).T
    return Natural(tuple(names), values, jacobian, np.arange(len(values)) < k)
