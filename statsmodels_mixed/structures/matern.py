"""The Matern correlation 2^(1 - nu) / Gamma(nu) x^nu K_nu(x) at x = d / range.

K_nu(x) is the integral over t > 0 of exp(-x cosh t) cosh(nu t), which falls so fast that the
trapezoidal rule is exact to rounding; derivatives with respect to nu are taken inside it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from .._typing import Array
from .distances import DistanceCorrelation
from .registry import register
from .structure import Parameters

__all__ = ["Matern"]


# Distance of the nodes of the trapezoidal rule, whose error is exp(-2 pi a / STEP) times what the
# integrand grows by at t + a i, for any a below pi / 2: e^-100 at a = 1, and at most e^(0.46 x).
STEP = 1.0 / 16.0
# Distances below this share of the range count as zero. With a smoothness near zero correlations
# are far from one at any that are larger: variograms then grow as a logarithm of the distance.
LEAST = 1e-200
# Exponents beyond this are taken out of the sums.
LARGEST = 600.0
# Bounds: below, correlations are close to zero; above, close to those of gau().
SMOOTHNESS = (0.02, 30.0)


def _scaled_bessels(x: Array, order: float) -> Array:
    """Return x^order K and its first two derivatives in the order of K, shape (3, 3, len(x)).

    The second axis is K_order, K_(order - 1), K_(order - 2): they share the exponentials.
    """
    last = float(np.arccosh(750.0 / max(float(x.min()), LEAST) + 1.0))
    t = np.arange(0.0, last + STEP, STEP)
    rule = np.where(t == 0, 0.5, 1.0) * STEP
    orders = order - np.arange(3.0)
    shift = max(0.0, float(np.abs(orders).max()) * float(t[-1]) - LARGEST)
    grow, fall = (np.exp(sign * np.outer(orders, t) - shift) for sign in (1.0, -1.0))
    even, odd = 0.5 * (grow + fall) * rule, 0.5 * (grow - fall) * rule
    sums = np.concatenate([even, odd * t, even * t**2]) @ np.exp(-np.outer(np.cosh(t), x))
    found: Array = sums.reshape(3, 3, len(x)) * np.exp(order * np.log(x) + shift)
    return found


@register
class Matern(DistanceCorrelation):
    """The Matern correlation with a range and a smoothness."""

    name = "mat"

    def correlation_parameters(self, k: int) -> Parameters:
        """Return range and smoothness."""
        (name,), start, *_ = self.range_parameters()
        first = float(np.asarray(start)[0]) / 2.0
        return Parameters((name, "smoothness"), [first, 1.0], [(0.0, np.inf), SMOOTHNESS])

    def of_distance(self, d: Array, psi: Array) -> tuple[Array, Array, Array]:
        """Return the correlation and its derivatives with respect to range and smoothness."""
        r, nu = psi
        value, first, second = np.ones(d.shape), np.zeros((2, *d.shape)), np.zeros((2, 2, *d.shape))
        away = d > LEAST * r
        x = d[away] / r
        if not len(x):
            return value, first, second
        (f, g, h), (fn, gn, _), (fnn, _, _) = _scaled_bessels(x, nu)
        # c x^nu K, with its logarithmic derivative in nu besides that of K.
        c = np.exp((1.0 - nu) * np.log(2.0) - gammaln(nu))
        s = -np.log(2.0) - digamma(nu) + np.log(x)
        ds = -float(polygamma(1, nu))
        # x d/dx and x^2 d2/dx2, from d/dx x^nu K_nu = -x^nu K_(nu - 1).
        xf, xxf = -x * g, x**2 * h - x * g
        xfn = -x * (gn + s * g)
        value[away] = c * f
        first[0, away] = -c * xf / r
        first[1, away] = c * (fn + s * f)
        second[0, 0, away] = c * (xxf + 2.0 * xf) / r**2
        second[0, 1, away] = second[1, 0, away] = -c * xfn / r
        second[1, 1, away] = c * (fnn + 2.0 * s * fn + (s**2 + ds) * f)
        return value, first, second

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start from a rough and from a smooth process."""
        return [psi, np.array([2.0 * psi[0], 0.5]), np.array([psi[0] / 2.0, 2.5])]
