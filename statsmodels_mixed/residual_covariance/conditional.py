"""Random effects beside correlated residuals, given the data.

With K = Z'V^-1 Z of the rows of one level, b has the conditional covariance
Sigma - Sigma K Sigma, the covariance parameters and beta taken as known.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .problem import ResidualProblem

__all__ = ["conditional_variances"]


def conditional_variances(problem: ResidualProblem, x: Array) -> tuple[Array, ...]:
    """Return the conditional covariances of the random effects, (l, k, k) by block.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    """
    blocks, at = problem.design.blocks, problem.model.at(x)
    sigmas = at.block_sigmas([len(block.names) for block in blocks])
    sums = [np.zeros((len(block.levels), *(len(block.names),) * 2)) for block in blocks]
    for batch in problem.batches:
        inverse = np.linalg.inv(at.value(batch))
        for t, block in enumerate(blocks):
            within = (inverse * batch.shared[t])[batch.pattern]
            z = problem.z[t][batch.rows]
            each = z[:, :, :, None] * (within @ z)[:, :, None, :]
            np.add.at(sums[t], block.refs[batch.rows], each)
    return tuple(
        sigma - sigma @ (K + K.transpose(0, 2, 1)) @ sigma / 2.0
        for sigma, K in zip(sigmas, sums, strict=True)
    )
