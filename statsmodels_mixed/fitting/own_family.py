"""What a family that statsmodels does not have answers, besides what its objects do."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.genmod.families import Family, links

from .._core import family_rows
from .._typing import Array

__all__ = ["OF_SHARES", "OwnFamily"]


# Links of means between 0 and 1.
OF_SHARES = [links.Logit, links.Probit, links.CLogLog, links.LogLog, links.Cauchy, links.CDFLink]

# Counts that are drawn one after the other until all probabilities are passed.
_MOST_COUNTS = 1_000_000


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
        y, mu = np.broadcast_arrays(np.asarray(y, float), np.asarray(mu, float))
        out = np.zeros(y.shape)
        for count in range(int(np.max(y, initial=-1.0)) + 1):
            out += np.where(count <= y, self.probability(count, mu), 0.0)
        return out

    def probability(self, count: int, mu: Array) -> Array:
        """Return the probability of a count."""
        flat = np.ravel(mu)
        rows = family_rows(
            self.name,
            "log",
            np.full(len(flat), float(count)),
            np.log(flat),
            zeta=float(np.log(self.dispersion)),
            observed=True,
        )
        return np.exp(rows["loglik"]).reshape(np.shape(mu))

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean: by inversion, one count after the other."""
        left = rng.random(mu.shape)
        out = np.zeros(mu.shape)
        open_rows = np.arange(len(mu))
        for count in range(_MOST_COUNTS):
            left[open_rows] -= self.probability(count, mu[open_rows])
            out[open_rows] = count
            open_rows = open_rows[left[open_rows] > 1e-13]
            if not len(open_rows):
                return out
        raise ValueError("the mean of a count is too large.")
