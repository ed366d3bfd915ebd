"""Strata of `dispersion=` in which the dispersion tends to zero: the likelihood has no maximum.

If the logarithms of dispersions are W gamma and some direction of gamma changes those of the rows S
alone, let s in S tend to zero with all else held. -2 log-likelihood is then

    (|S| - rank Z_S) log s^2 + O(1)

where some X_S beta + Z_S b equals the response, on the scale of the link; for REML the rank is that
of [X_S Z_S]. It has no bound where there are more rows. Effects that are not needed for that may
have variances that tend to zero as well, and are left out of Z then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import DataError
from ...frame.design import Design, RandomBlock
from ..families.spec import FamilySpec, family_object
from ..fixed_effects.basis import orthonormal_basis, residual_response
from .unbounded import CONTINUOUS, is_constant_within

__all__ = ["refuse_vanishing_dispersions", "refuse_vanishing_strata"]


Rows = NDArray[np.bool_]
# What rounding leaves of a row that is in a span.
_ROUNDING = 1e-9
# As many columns say which rows are meant.
_MOST_NAMES = 4
# With at most this number of different rows of W, strata of some are looked for.
_MOST_KINDS = 64
# A few rows more than coefficients tell most strata in which the response is not reproduced.
_MORE = 8


def refuse_vanishing_strata(
    design: Design, W: Array, names: Sequence[str], eta: Array, *, reml: bool = False
) -> None:
    """Make sure that the response varies about the effects in every stratum of rows.

    Parameters
    ----------
    design : Design
    W : ndarray, shape (n, d)
        Columns of the logarithm of the dispersion, with or without a constant.
    names : sequence of str, length d
    eta : ndarray, shape (n,)
        The response less the offset, on the scale of the link; NaN for rows whose likelihood does
        not depend on the dispersion. With infinite ones none tends to zero.
    reml : bool
        Whether the fit is by REML.

    Raises
    ------
    DataError
        If it does not.
    """
    counted = ~np.isnan(eta)
    blocks = [block for block in design.blocks if not block.part]
    for rows, where in _strata(W, names):
        rows = rows & counted
        if not rows.any() or np.isinf(eta[rows]).any():
            continue
        why = _reproduced(design, blocks, eta, rows, reml)
        if why:
            count = f"{rows.sum()} rows" if rows.sum() > 1 else "only row"
            raise DataError(
                f"the response {design.response_name!r} {why} in the {count} with {where}: the "
                "dispersion there tends to zero and the likelihood has no maximum; leave such rows "
                "out, or terms of dispersion=."
            )


def refuse_vanishing_dispersions(
    design: Design, spec: FamilySpec, W: Array, names: Sequence[str]
) -> None:
    """Make sure of the same in a generalized model, if its responses have a density.

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    W, names
        As for `refuse_vanishing_strata`.

    Raises
    ------
    DataError
        If the response does not vary in a stratum.
    """
    if spec.support not in CONTINUOUS:
        return
    y = design.y
    with np.errstate(all="ignore"):
        eta = np.array(family_object(spec).link(y), dtype=np.float64)
    if design.offset is not None:
        eta -= design.offset
    # Zeros and ends with probabilities of their own say nothing of the dispersion.
    if spec.zeros:
        eta[y == 0.0] = np.nan
    if spec.support == "shares and ends":
        eta[(y <= 0.0) | (y >= 1.0)] = np.nan
    refuse_vanishing_strata(design, W, names, eta)


def _strata(W: Array, names: Sequence[str]) -> Iterator[tuple[Rows, str]]:
    """Yield rows whose dispersion may change while no other does, and what is the same in them."""
    W = np.ascontiguousarray(W + 0.0)  # no minus zeros, for rows are compared by their bytes
    whole = W.view(np.dtype((np.void, W.itemsize * W.shape[1]))).ravel()
    _, first, kind = np.unique(whole, return_index=True, return_inverse=True)
    kinds = W[first]
    if len(kinds) < 2:
        return
    varying = [i for i in range(W.shape[1]) if np.ptp(kinds[:, i]) > 0]
    free = _free(kinds)
    for k in np.flatnonzero(free):
        own = [i for i in varying if kinds[k, i] != 0.0] or varying
        shared = " and ".join(f"{names[i]} = {kinds[k, i]:g}" for i in own[:_MOST_NAMES])
        yield kind == k, shared
    if free.all():
        return
    for i in varying:
        values = np.unique(kinds[:, i])
        for value in values if len(values) == 2 else ():
            yield W[:, i] == value, f"{names[i]} = {value:g}"


def _free(kinds: Array) -> Rows:
    """Return which rows of [1, W], all different, a combination of the columns is 1 in alone."""
    whole = np.column_stack([np.ones(len(kinds)), kinds])
    if len(kinds) > whole.shape[1] and len(kinds) > _MOST_KINDS:
        return np.zeros(len(kinds), dtype=bool)
    Q = orthonormal_basis(whole, None).Q
    return np.asarray(np.square(Q).sum(axis=1) > 1.0 - _ROUNDING)


def _reproduced(
    design: Design, blocks: Sequence[RandomBlock], eta: Array, rows: Rows, reml: bool
) -> str:
    """Say how fewer effects reproduce the response in some rows; empty if they do not."""
    own, X = eta[rows], design.X[rows]
    rank = min(X.shape) if reml else 0
    if len(own) > rank and _in_span(own, X):
        return (
            "does not vary"
            if len(own) > 1 and np.ptp(own) == 0
            else "is reproduced by the fixed effects"
        )
    for block in blocks:
        z = block.z[rows]
        if len(own) <= rank + np.unique(block.refs[rows]).size * z.shape[1]:
            continue
        levels = np.any((np.ptp(z, axis=0) == 0) & (z[0] != 0))
        if levels and is_constant_within(own, block.refs[rows], block.n_levels):
            return f"does not vary within the levels of {block.name!r}"
    return ""


def _in_span(y: Array, X: Array) -> bool:
    """Return whether columns of X reproduce y, but for rounding."""
    few = X.shape[1] + _MORE
    if len(y) > 2 * few and not _in_span(y[:few], X[:few]):
        return False
    if not y.any():
        return True
    if not X.shape[1]:
        return False
    try:
        residual_response(y, X, orthonormal_basis(X, None), None)
    except DataError:
        return True
    return False
