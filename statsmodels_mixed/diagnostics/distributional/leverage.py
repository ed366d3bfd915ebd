"""Leverages of rows on the mean of a fit whose rows have other parameters too.

With F = [Z Lambda, X], P the identity for the random effects and zero for the coefficients, and
W the expected information of the rows on their predictor of the mean, these are the diagonal of
W^(1/2) F (F'WF + P)^-1 F'W^(1/2), as of other generalized models. The observed information of a
row may be negative, the expected one is not. All that the rows have besides their predictor of the
mean is taken for known, effects on zeros too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix, diags, hstack, identity
from scipy.sparse.linalg import splu

from ..._typing import Array
from ...errors import OptionError
from ...fitting.distributional.curvature import effects_matrix
from ...fitting.distributional.expected_information import expected_information
from ...fitting.fixed_effects.basis import orthonormal_basis
from ...frame.design import Design
from ...results.row_labels import by_row

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["design_of_means", "leverage"]


# Rows that are solved for at once.
_ROWS = 2000


def leverage(self: DistributionalFit) -> pd.Series:
    """Return the leverages of rows on their predictor of the mean.

    They are those of other generalized models: the diagonal of
    W^(1/2) F (F'WF + P)^-1 F'W^(1/2), F = [Z Lambda, X], P the identity for the random effects and
    zero for the coefficients. W is the information that rows are expected to give of their
    predictor of the mean at the conditional modes, their other parameters given; a row that is
    surely a zero of another kind has none.

    Returns
    -------
    Series, shape (n,)
        Between 0 and 1; the sum lies between the rank of X and that plus the number of random
        effects on the mean. NaN for rows whose information is beyond the range of numbers.

    Raises
    ------
    OptionError
        For ordered categories, which have no fitted mean.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.get_influence, DistributionalResults.influence

    References
    ----------
    Pregibon (1981), Annals of Statistics 9, 705-724; lme4's `hatvalues`.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().leverage().head(2).round(3).tolist()
    [0.311, 0.311]
    """
    design, own = design_of_means(self), self.estimates.conditional
    outer = self.estimates.outer_at_modes
    W = expected_information(self._spec, own.eta, outer, design.weights)
    pairs = zip(design.blocks, own.factors, strict=True)
    columns = [
        effects_matrix(block.z, block.refs, T, len(block.levels))
        for block, T in pairs
        if not block.part
    ]
    none = csr_matrix((len(design.y), 0))
    A = csr_matrix(hstack(columns)) if columns else none
    X = orthonormal_basis(design.X[:, own.columns], None).Q
    known = np.isfinite(W)
    leverages = np.clip(_hat(A, X, np.where(known, W, 0.0)), 0.0, 1.0)
    return by_row(self._mean_part, np.where(known, leverages, np.nan), "leverage")


def design_of_means(fit: DistributionalFit) -> Design:
    """Return the data of a fit whose rows have leverages; others are refused."""
    if fit._ordered:
        raise OptionError(
            "ordered categories have no fitted mean that could follow their response: "
            "influence() fits without each row or group."
        )
    return fit.model.kept_design()


def _hat(A: csr_matrix, X: Array, W: Array) -> Array:
    """Return w_i f_i'(F'WF + P)^-1 f_i for the rows f_i of F = [A, X], shape (n,)."""
    n, q = A.shape
    weighted = diags(W)
    factor = splu(csc_matrix(identity(q) + A.T @ weighted @ A)) if q else None
    mixed = A.T @ (W[:, None] * X)
    M = factor.solve(mixed) if factor is not None else mixed
    rest: Array = np.asarray(np.linalg.pinv(X.T @ (W[:, None] * X) - mixed.T @ M), dtype=float)
    out = np.empty(n)
    for start in range(0, n, _ROWS):
        at = slice(start, start + _ROWS)
        of_mean = X[at] - A[at] @ M
        out[at] = np.einsum("ij,jk,ik->i", of_mean, rest, of_mean)
        if factor is not None:
            part = A[at].toarray()
            out[at] += np.einsum("iq,qi->i", part, factor.solve(part.T))
    return np.asarray(W * out)
