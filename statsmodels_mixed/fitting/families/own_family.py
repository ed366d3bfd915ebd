"""What a family that statsmodels does not have answers, besides what its objects do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.genmod.families import Family, links

from ..._core import family_rows
from ..._typing import Array
from ...later import load

__all__ = ["BELOW", "FEW_COUNTS", "OF_SHARES", "OwnFamily"]


# Links of means between 0 and 1.
OF_SHARES = [links.Logit, links.Probit, links.CLogLog, links.LogLog, links.Cauchy, links.CDFLink]

# Means up to which counts are drawn one after the other.
FEW_COUNTS = 200.0
# Standard deviations below a mean where counts have no probability.
BELOW = 14.0


class OwnFamily(Family):  # type: ignore[misc]
    """A family that statsmodels does not have.

    Parameters
    ----------
    link : statsmodels link, optional
        By default the first of `links`.
    dispersion : float
        What is taken for the dispersion where the object is asked for a variance. A fit
        estimates its own.
    check_link : bool
        Whether a link that is not one of `links` is refused.

    See Also
    --------
    GeneralizedLinearMixedModel
    """

    name: ClassVar[str]
    support: ClassVar[str]  # "counts", "positive", "shares" or "trials"
    links: ClassVar[list[type]]
    safe_links: ClassVar[list[type]] = []
    valid: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    # Whether distribution functions are sums of probabilities of counts.
    summed: ClassVar[bool] = False

    def __init__(self, link: Any = None, dispersion: float = 1.0, check_link: bool = True) -> None:
        self.dispersion = dispersion
        chosen = self.links[0]() if link is None else link
        super().__init__(chosen, None, check_link=check_link)
        del self.__dict__["variance"]  # a method here

    def variance(self, mu: ArrayLike) -> Array:
        """Return the variance of a response, of one trial of a proportion."""
        raise NotImplementedError

    def starting_mu(self, y: Array) -> Array:
        """Return means to begin with."""
        if self.support in ("shares", "trials"):
            return (y + 0.5) / 2.0
        return (y + np.mean(y)) / 2.0

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of the dispersion."""
        raise NotImplementedError

    def spread(self, mu: Array, weights: Array) -> Array:
        """Return the standard deviation of a response."""
        return np.sqrt(self.variance(mu))

    def cdf(self, y: Array, mu: Array, weights: Array) -> Array:
        """Return the probability of at most y; of trials, of at most y successes."""
        raise NotImplementedError

    def probability(self, count: ArrayLike, mu: Array) -> Array:
        """Return probabilities of counts, broadcast; and what continues them between counts."""
        y, mean = np.broadcast_arrays(np.asarray(count, float), np.asarray(mu, float))
        rows = family_rows(
            self.name,
            "log",
            np.ravel(y),
            np.log(np.ravel(mean)),
            zeta=float(np.log(self.dispersion)),
            observed=True,
            wanted=("loglik",),
        )
        return np.exp(rows["loglik"]).reshape(y.shape)

    def probabilities_at(self, mu: Array) -> Callable[[Array, NDArray[np.bool_]], Array]:
        """Return what gives probabilities of counts, (k,), at some of these means: (k, j)."""
        return lambda counts, some: self.probability(counts[:, None], mu[some])

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean: by inversion, one count after the other."""
        left = rng.random(mu.shape)
        out = np.zeros(mu.shape)
        for i in np.flatnonzero(mu > FEW_COUNTS):
            out[i] = self._quantile(left[i], mu[i : i + 1])
        open_rows, count = np.flatnonzero(mu <= FEW_COUNTS), 0
        while len(open_rows):
            given = self.probability(count, mu[open_rows])
            # Underdispersed generalized Poisson counts have an end, at less than 1 perhaps.
            possible = (given > 0) | (count <= mu[open_rows])
            open_rows = open_rows[possible]
            left[open_rows] -= given[possible]
            out[open_rows] = count
            open_rows = open_rows[left[open_rows] > 1e-13]
            count += 1
        return out

    def _quantile(self, probability: float, mu: Array) -> float:
        """Return a quantile of the distribution of one mean, (1,)."""
        given, one = self.probabilities_at(mu), np.ones(1)
        first = float(mu[0] - BELOW * self.spread(mu, one)[0])
        found = load("fitting.families.count_quantiles:count_quantiles")(
            lambda counts: given(counts, np.ones(1, bool))[:, 0],
            lambda counts: self.spread(counts, one),
            max(0.0, first),
            (probability,),
        )
        return float(found[0])
