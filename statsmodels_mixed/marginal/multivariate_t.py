"""The largest of several correlated t statistics.

P(max |T_i| <= c) for T multivariate t with correlations R. Where R has one factor, r_ij = l_i l_j,
as comparisons of independent means with a control have, the T_i are independent given that factor
and the common standard error s: two quadratures are left, with errors below 1e-10.

Otherwise R = A A' with A of r columns, T = A z / s, and the normal z has a direction u that is
uniform on the sphere and a length for which |z|^2 / (r s^2) has the F distribution. So

    P(max |T_i| <= c) = E_u F_{r, df}(c^2 / (r max_i (a_i'u)^2)),

for any rank of R and with the same directions for all c and df. The mean over u is over the circle
for r = 2, else over points of a Sobol sequence with a fixed seed: results repeat, and their error
is below 5e-5 for r up to six and below 3e-4 for r up to thirteen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtr, fdtr, gammaln, ndtr, ndtri, stdtrit

from .._typing import Array

__all__ = ["exceedance", "quantiles"]


# Largest difference of correlations that is rounding.
SAME = 1e-8
SEED = 20231
# Number of directions.
DIRECTIONS = 2**18
NEIGHBOURS = 2**6
# Eigenvalues of correlations below this share of the largest are zero.
RANK = 1e-10
# Nodes of the quadratures, over the factor and over the common standard error.
FACTOR_NODES, SCALE_NODES = 160, 96
# Above these degrees of freedom the common standard error is known.
MANY = 1e7


def exceedance(t: Array, df: Array, correlation: Array) -> Array:
    """Return P(max |T_i| > t_j) for each of several t, shape (m,), with its own df.

    Parameters
    ----------
    t, df : ndarray, shape (m,)
    correlation : ndarray, shape (m, m)
    """
    below = _below_of(correlation)
    found = [1.0 - below(abs(float(c)), float(nu)) for c, nu in zip(t, df, strict=True)]
    return np.clip(found, 0.0, 1.0)


def quantiles(level: float, correlation: Array) -> Callable[[float], float]:
    """Return the function of df that gives c with P(max |T_i| <= c) = level.

    Parameters
    ----------
    level : float
    correlation : ndarray, shape (m, m)
    """
    below, tail = _below_of(correlation), 1.0 - level

    def quantile(df: float) -> float:
        low, high = stdtrit(df, [1.0 - tail / 2.0, 1.0 - tail / (2.0 * len(correlation))])
        reach = 0.01 * (high - low) + 1e-3  # the points may miss the bounds by their error
        found = brentq(lambda c: below(c, df) - level, low - reach, high + reach, xtol=1e-9)
        return float(found)

    return quantile


def one_factor(correlation: Array) -> Array | None:
    """Return l, shape (m,), with correlations l_i l_j; None if there is none with l^2 < 1."""
    m = len(correlation)
    off = correlation - np.eye(m)
    if m == 1:
        return np.zeros(1)
    if m == 2:
        r = float(off[0, 1])
        squares = np.full(2, abs(r))
    else:
        # l_i^2 r_jk^2 = r_ij r_ik r_jk, summed over all pairs j, k of others.
        cubes = np.einsum("ij,ik,jk->i", off, off, off)
        inside = (off**2).sum() - 2.0 * (off**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = np.where(inside > SAME**2, cubes / inside, 0.0)
    if not np.all((squares > -SAME) & (squares < 1.0 - 1e-6)):
        return None
    sizes = np.sqrt(np.maximum(squares, 0.0))
    signs = np.sign(off[int(np.argmax(sizes))])
    signs[int(np.argmax(sizes))] = 1.0
    loadings: Array = sizes * signs
    gap = np.outer(loadings, loadings) - off
    np.fill_diagonal(gap, 0.0)
    return loadings if np.abs(gap).max() < SAME else None


def _normal_below(c: Array, loadings: Array) -> Array:
    """Return P(max |Z_i| <= c) for normal Z with one factor, for each of several c."""
    own = np.sqrt(1.0 - loadings**2)
    nodes, weights = _legendre(min(2000, int(FACTOR_NODES / own.min())))
    w, weights = 9.0 * nodes, 9.0 * weights * np.exp(-40.5 * nodes**2) / np.sqrt(2.0 * np.pi)
    product = np.ones((len(c), len(w)))
    for loading, sd in zip(loadings, own, strict=True):
        middle = loading * w / sd
        reach = (c / sd)[:, None]
        product *= ndtr(reach - middle) - ndtr(-reach - middle)
    return np.asarray(product @ weights)


def _scale_nodes(df: float) -> tuple[Array, Array]:
    """Return nodes and weights for the distribution of sqrt(chi-squared / df)."""
    if df > MANY:
        return np.ones(1), np.ones(1)
    spread = 9.0 / np.sqrt(2.0 * df)
    low, high = max(0.0, 1.0 - spread), 1.0 + spread + 4.0 / df
    nodes, weights = _legendre(SCALE_NODES)
    s = low + (high - low) * (nodes + 1.0) / 2.0
    density = np.log(2.0) + df / 2.0 * np.log(df / 2.0) - gammaln(df / 2.0)
    density = np.exp(density + (df - 1.0) * np.log(s) - df * s**2 / 2.0)
    return s, (high - low) / 2.0 * weights * density


@cache
def _legendre(n: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return nodes, weights


def _directions(correlation: Array) -> tuple[Array, int]:
    """Return max_i (a_i'u)^2 for many directions u, and the rank r of the correlations."""
    # Slow to import, and only for this.
    from scipy.stats.qmc import Sobol  # noqa: PLC0415

    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK * values[-1]
    A, r = vectors[:, kept] * np.sqrt(values[kept]), int(kept.sum())
    if r == 1:
        u = np.ones((NEIGHBOURS, 1))
    elif r == 2:
        angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        u = np.column_stack([np.cos(angle), np.sin(angle)])
    else:
        points = Sobol(r, scramble=True, seed=SEED).random(DIRECTIONS)
        u = ndtri(np.clip(points, 1e-15, 1.0 - 1e-15))
        u /= np.linalg.norm(u, axis=1)[:, None]
    largest = np.zeros(len(u))
    for row in A:
        np.maximum(largest, np.square(u @ row), out=largest)
    # Means of neighbours: within them the F distribution is straight to nine digits.
    return np.sort(largest).reshape(-1, NEIGHBOURS).mean(axis=1), r


def _below_of(correlation: Array) -> Callable[[float, float], float]:
    """Return the function (c, df) -> P(max |T_i| <= c)."""
    loadings = one_factor(correlation)
    if loadings is not None:

        def by_factor(c: float, df: float) -> float:
            scales, shares = _scale_nodes(df)
            return float(shares @ _normal_below(c * scales, loadings))

        return by_factor
    largest, r = _directions(correlation)

    def by_direction(c: float, df: float) -> float:
        ratio = c**2 / (r * largest)
        return float(np.mean(chdtr(r, r * ratio) if df > MANY else fdtr(r, df, ratio)))

    return by_direction
