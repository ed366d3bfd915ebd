"""The curvature in the random effects of a likelihood whose rows have other parameters.

At the conditional modes -log of the joint density of y and u has the second derivatives

    H = I + A'W_ee A + A'W_ez B + B'W_ez A + B'W_zz B,

A = Z Lambda of the effects on the mean, B that of the effects on zeros, W minus the second
derivatives of the rows in eta and in the logit zeta of zeros. Given all parameters Var(b | y) is
Lambda H^-1 Lambda'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, diags, hstack, identity
from scipy.sparse.linalg import splu
from scipy.special import expit

from ..._core import row_derivatives
from ..._typing import Array
from ...frame.design import Design, RandomBlock
from ..families.spec import FamilySpec
from .conditional_estimates import ConditionalEstimates
from .row_parameters import ZEROS

__all__ = ["effects_matrix", "logit_of_zeros", "variances_of_effects"]


# Rows that are solved for at once.
_ROWS = 2000


def variances_of_effects(
    design: Design,
    spec: FamilySpec,
    factors: tuple[Array, ...],
    eta: Array,
    outer: Array,
    combinations: csr_matrix,
) -> Array:
    """Return variances of combinations of u given the data and all parameters, shape (m,).

    Parameters
    ----------
    design : Design
        Of the fit.
    spec : FamilySpec
    factors : tuple of ndarray, shape (k, k)
        T of each block.
    eta : ndarray, shape (n,)
    outer : ndarray, shape (n, 4)
        Linear predictor and other parameters of the rows, random effects at their modes.
    combinations : csr_matrix, shape (m, q)
        A row for each combination of the spherical effects u of all blocks.
    """
    on_mean, on_zeros = _columns(design, factors)
    weight = design.weights if spec.copies and design.weights is not None else np.ones(len(eta))
    ee, ez, zz = _weights(spec, design, eta, outer)
    H = identity(on_mean.shape[1], format="csc") + on_mean.T @ diags(weight * ee) @ on_mean
    if on_zeros.nnz:
        mixed = on_mean.T @ diags(weight * ez) @ on_zeros
        H = H + mixed + mixed.T + on_zeros.T @ diags(weight * zz) @ on_zeros
    factor = splu(csc_matrix(H))
    out = np.empty(combinations.shape[0])
    for start in range(0, len(out), _ROWS):
        part = combinations[start : start + _ROWS].toarray()
        out[start : start + _ROWS] = np.einsum("mq,qm->m", part, factor.solve(part.T))
    return np.maximum(out, 0.0)


def effects_matrix(z: Array, refs: NDArray[np.integer[Any]], T: Array, levels: int) -> csr_matrix:
    """Return the columns z T at the levels of rows, shape (m, levels * k); zero where refs is -1.

    Parameters
    ----------
    z : ndarray, shape (m, k)
    refs : ndarray of int, shape (m,)
    T : ndarray, shape (k, k)
    levels : int
    """
    m, k = z.shape
    values = np.where((refs < 0)[:, None], 0.0, z @ T)
    columns = np.maximum(refs, 0)[:, None].astype(np.intp) * k + np.arange(k)
    rows = np.repeat(np.arange(m), k)
    return csr_matrix((values.ravel(), (rows, columns.ravel())), shape=(m, levels * k))


def logit_of_zeros(design: Design, estimates: ConditionalEstimates) -> Array:
    """Return the logit of the probability of zeros of the rows, effects at their modes, (n,).

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ConditionalEstimates
    """
    zeta = estimates.rows.values(estimates.kappa)[:, ZEROS]
    for block, b in zip(design.blocks, estimates.b, strict=True):
        if block.part:
            zeta = zeta + np.einsum("ij,ij->i", block.z, b[block.refs])
    return np.asarray(zeta)


def _columns(design: Design, factors: tuple[Array, ...]) -> tuple[csr_matrix, csr_matrix]:
    """Return A and B, shape (n, q), the columns of effects of the other part being zero."""

    def of(block: RandomBlock, T: Array, here: bool) -> csr_matrix:
        return effects_matrix(block.z if here else 0.0 * block.z, block.refs, T, len(block.levels))

    pairs = list(zip(design.blocks, factors, strict=True))
    on_mean, on_zeros = (
        csr_matrix(hstack([of(block, T, bool(block.part) == zeros) for block, T in pairs]))
        for zeros in (False, True)
    )
    return on_mean, on_zeros


def _weights(
    spec: FamilySpec, design: Design, eta: Array, outer: Array
) -> tuple[Array, Array, Array]:
    """Return W_ee, W_ez and W_zz of the rows, each shape (n,)."""
    given = None if spec.copies else design.weights
    in_eta, _ = row_derivatives(
        spec.family,
        spec.link,
        design.y,
        eta,
        outer,
        weights=given,
        power=spec.power,
        zeros=spec.zeros,
    )
    share = expit(outer[:, ZEROS])
    spread = share * expit(-outer[:, ZEROS])
    if spec.zeros != "inflation":  # zeros and the rest have nothing in common
        return -in_eta[:, 2], np.zeros(len(eta)), spread
    zero = design.y == 0
    nothing = np.zeros(len(eta))
    own, _ = row_derivatives(
        spec.family, spec.link, nothing, eta, outer, weights=given, power=spec.power
    )
    with np.errstate(all="ignore"):  # what is beyond the range of doubles has no part
        odds = own[:, 0] - outer[:, ZEROS]
    extra = expit(-odds)  # probability that a zero is one of inflation
    both = extra * (1.0 - extra)
    ez = np.where(zero, both * own[:, 1], 0.0)
    zz = np.where(zero, spread - both, spread)
    return -in_eta[:, 2], ez, zz
