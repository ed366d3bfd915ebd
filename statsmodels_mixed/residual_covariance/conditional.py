"""Random effects beside correlated residuals, given the data.

With G = Z Sigma in the place of every level, b has the conditional covariance Sigma - G'V^-1 G,
the covariance parameters and beta taken as known. For independent levels G'V^-1 G is Sigma K Sigma
with K = Z'V^-1 Z of the rows of one level; for related ones Q^-1 multiplies the rows of G by the
covariances of their levels with this one, and Sigma by its variance.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..frame.design import RandomBlock
from ..related import RelatedLevels
from .components import Batch
from .problem import ResidualProblem

__all__ = ["conditional_variances"]


# Numbers in the covariances of related levels that are held at once.
CHUNK = 4_000_000


def conditional_variances(problem: ResidualProblem, x: Array) -> tuple[Array, ...]:
    """Return the conditional covariances of the random effects, (l, k, k) by block.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    """
    blocks, at, changes = problem.design.blocks, problem.model.at(x), problem.changes
    sigmas = at.block_sigmas([len(block.names) for block in blocks])
    inverses = [np.asarray(np.linalg.inv(at.value(batch))) for batch in problem.batches]
    out = []
    for t, (block, z, sigma) in enumerate(zip(blocks, problem.z, sigmas, strict=True)):
        if block.related is not None:
            K, prior = _of_related(block, block.related, z, problem.batches, inverses)
            sigma_j = prior[:, None, None] * sigma
        else:
            K = _of_independent(block, t, z, problem.batches, inverses)
            sigma_j = sigma[None]
        V = sigma_j - sigma @ (K + K.transpose(0, 2, 1)) @ sigma / 2.0
        out.append(V if changes is None else changes[t] @ V @ changes[t].T)
    return tuple(out)


def _of_independent(
    block: RandomBlock, t: int, z: Array, batches: tuple[Batch, ...], inverses: list[Array]
) -> Array:
    """Return Z'V^-1 Z of the rows of each level, shape (l, k, k)."""
    out = np.zeros((len(block.levels), *(z.shape[1],) * 2))
    for batch, inverse in zip(batches, inverses, strict=True):
        within = (inverse * batch.shared[t])[batch.pattern]
        own = z[batch.rows]
        each = own[:, :, :, None] * (within @ own)[:, :, None, :]
        np.add.at(out, block.refs[batch.rows], each)
    return out


def _of_related(
    block: RandomBlock,
    related: RelatedLevels,
    z: Array,
    batches: tuple[Batch, ...],
    inverses: list[Array],
) -> tuple[Array, Array]:
    """Return Z'V^-1 Z with rows multiplied by covariances with each level, and its variance."""
    count, k = len(related), z.shape[1]
    out, prior = np.zeros((count, k, k)), np.empty(count)
    step = max(1, CHUNK // max(count, len(z) * k))
    for start in range(0, count, step):
        levels = np.arange(start, min(start + step, count))
        units = np.zeros((count, len(levels)))
        units[levels, np.arange(len(levels))] = 1.0
        covariances = related.covariances(units)
        prior[levels] = covariances[levels, np.arange(len(levels))]
        for batch, inverse in zip(batches, inverses, strict=True):
            for rows, pattern in zip(batch.rows, batch.pattern, strict=True):
                G = covariances[block.refs[rows]].T[:, :, None] * z[rows]  # (levels, m, k)
                out[levels] += G.transpose(0, 2, 1) @ (inverse[pattern] @ G)
    return out, prior
