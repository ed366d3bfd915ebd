"""Where the fit of many related levels begins: at two moments of their means.

Let b_j = u_j + e_j be the mean residual of level j, with u ~ N(0, sigma_u^2 K), K = Q^-1, and
Var e_j = sigma^2 / a_j for a_j rows. Then

    E sum a_j b_j^2 = sigma_u^2 sum a_j K_jj + sigma^2 l,
    E b'Q b         = sigma_u^2 tr(Q K) + sigma^2 sum Q_jj / a_j

over the l levels with rows, which needs K only on the pattern of Q. Where one row of each animal is
known, as precisely as by the likelihood: Q gives weight to what is not common to parents and
progeny, I to what is. Where levels have rows enough of their own, what is within levels tells
sigma^2 in place of the first moment.
"""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ..crossprod import Crossproducts

__all__ = ["moments_of_related"]


# The share of the rows that must be left within levels to tell the residual variance.
WITHIN = 0.1


def moments_of_related(products: Crossproducts, design: Design) -> Array | None:
    """Return a theta of a model with one variance, of levels whose covariances are known.

    Parameters
    ----------
    products : Crossproducts
    design : Design

    Returns
    -------
    ndarray, shape (1,), or None
        None where the model is another one, or the moments are those of no variances.
    """
    block = design.blocks[0]
    related = block.related
    if len(design.blocks) > 1 or related is None or related.covariance is None:
        return None
    if block.z.shape[1] > 1:
        return None
    z = block.z[:, 0]
    weighted = z if design.weights is None else z * design.weights
    residual = products.workspace.response
    rows = np.bincount(block.refs, weights=weighted * z, minlength=len(related))
    sums = np.bincount(block.refs, weights=weighted * residual, minlength=len(related))
    seen = rows > 0
    means = np.divide(sums, rows, out=np.zeros_like(sums), where=seen)
    shares = np.divide(1.0, rows, out=np.zeros_like(rows), where=seen)
    column = np.repeat(np.arange(len(related)), np.diff(related.at))
    row, K = related.row, related.covariance
    on_diagonal = row == column
    # Elements beside the diagonal stand for two.
    Q = np.where(on_diagonal, 1.0, 2.0) * related.value * seen[row] * seen[column]
    own = column[on_diagonal]
    equations = np.array(
        [
            [rows[own] @ K[on_diagonal], seen.sum()],
            [Q @ K, Q[on_diagonal] @ shares[own]],
        ]
    )
    squares = np.array([rows @ means**2, Q @ (means[row] * means[column])])
    left = products.n - int(seen.sum())
    if left > WITHIN * products.n:
        weights = 1.0 if design.weights is None else design.weights
        equations[0] = 0.0, left
        squares[0] = np.sum(weights * residual**2) - squares[0]
    try:
        of_levels, residual_variance = np.linalg.solve(equations, squares)
    except np.linalg.LinAlgError:
        return None
    if not (of_levels > 0.0 and residual_variance > 0.0):
        return None
    return np.array([np.sqrt(of_levels / residual_variance)])
