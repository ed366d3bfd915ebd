"""Terms on which REML has no information.

Where the columns of Z that belong to an effect, one for each level, lie in the span of X, contrasts
K'y with K'X = 0 have nothing of it. Parameters that move the covariances of such effects alone
are those of no likelihood: any value serves, and standard errors of the coefficients grow with
it. So it is for any response, and beside any other terms.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError
from ..frame.design import Design, RandomBlock
from ..structures import Unconstrained
from .fixed_effects.basis import orthonormal_basis

__all__ = ["refuse_taken_up"]


# Squared length of what X leaves of columns of Z, as a share, that is taken for nothing.
NOTHING = 1e-10
# A singular value of the derivatives of a covariance matrix, over the largest, that is none.
ALIKE = 1e-9

Term = tuple[int, slice, Unconstrained | None]


def refuse_taken_up(design: Design, terms: Iterable[Term]) -> None:
    """Refuse terms with parameters on which REML has no information.

    Parameters
    ----------
    design : Design
    terms : iterable of (int, slice, Unconstrained or None)
        The block of each term, its columns there, and its covariances as functions of coordinates;
        None if every effect has a variance of its own.

    Raises
    ------
    DataError
        If there is one.
    """
    candidates = {
        i
        for i, block in enumerate(design.blocks)
        if not block.own_places and _levels_in_use(block) <= design.X.shape[1]
    }
    if not candidates:
        return
    Q = orthonormal_basis(design.X, None).Q
    within = {i: _within(design.blocks[i], Q) for i in candidates}
    for i, columns, free in terms:
        if i in candidates and _has_free_parameters(free, within[i][columns]):
            block = design.blocks[i]
            names = np.array(block.names[columns])[within[i][columns]]
            shown = " + ".join("1" if name == "Intercept" else name for name in names)
            raise DataError(
                f"the fixed effects take up all information on the variance of ({shown} | "
                f"{block.name}), of which REML has any value: leave it out, or fit with reml=False."
            )


def _levels_in_use(block: RandomBlock) -> int:
    return int(np.count_nonzero(np.bincount(block.refs, minlength=len(block.levels))))


def _within(block: RandomBlock, Q: Array) -> NDArray[np.bool_]:
    """Return which effects have all of their columns of Z, of all levels, in the span of Q."""
    out = np.zeros(block.z.shape[1], dtype=bool)
    for r, z in enumerate(block.z.T):
        total = float(z @ z)
        inside = sum(
            float(np.sum(np.square(np.bincount(block.refs, z * q, len(block.levels))))) for q in Q.T
        )
        out[r] = total - inside <= NOTHING * total
    return out


def _has_free_parameters(free: Unconstrained | None, lost: NDArray[np.bool_]) -> bool:
    """Return whether some parameters move the covariances of lost effects alone."""
    if not lost.any() or free is None:
        return bool(lost.any())
    start = free.x(np.asarray(free.structure.starts(np.ones(len(lost)))[0], dtype=float))
    slopes = free.derivatives(start + 0.2 * np.cos(1.0 + np.arange(len(start))))
    return _rank(slopes[:, ~lost][:, :, ~lost]) < _rank(slopes)


def _rank(matrices: Array) -> int:
    flat = matrices.reshape(len(matrices), -1)
    if not flat.size:
        return 0
    values = np.linalg.svd(flat, compute_uv=False)
    return int(np.sum(values > ALIKE * values.max(initial=0.0)))
