"""Families that statsmodels does not have, as objects that can be used like its own.

Dispersions mean what they mean in glmmTMB (Brooks et al. 2017); each class says its variance.
What a dispersion is estimated to be is in the result; the objects carry one so that they can
say variances, probabilities and draws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammaln, ndtr
from statsmodels.genmod.families import links

from ..._core import family_rows
from ..._typing import Array
from ...later import load
from .own_family import OF_SHARES, OwnFamily

__all__ = [
    "Beta",
    "BetaBinomial",
    "ConwayMaxwellPoisson",
    "GeneralizedPoisson",
    "Lognormal",
    "NegativeBinomial1",
]


_OF_POSITIVE = [links.Log, links.Identity, links.Sqrt, links.Power]
# Dispersions of Conway-Maxwell-Poisson counts whose sums are short: the first, and a mean over the
# second.
_FEW_TERMS, _BELLS = 100.0, 50.0


class NegativeBinomial1(OwnFamily):
    """Negative binomial counts of type 1: variance mu (1 + phi).

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()`` by default.
    dispersion : float
        phi, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    GeneralizedPoisson, ConwayMaxwellPoisson

    References
    ----------
    Hardin and Hilbe (2007), Generalized Linear Models and Extensions.

    Examples
    --------
    >>> float(NegativeBinomial1(dispersion=0.5).variance(2.0))
    3.0
    """

    name = "negative_binomial1"
    support = "counts"
    links = _OF_POSITIVE

    def variance(self, mu: ArrayLike) -> Array:
        """Return mu (1 + phi)."""
        return np.asarray(mu) * (1.0 + self.dispersion)

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi."""
        return float(np.average((y - mu) ** 2 / mu, weights=weights)) - 1.0

    def cdf(self, y: Array, mu: Array, weights: Array) -> Array:
        """Return the probability of at most y."""
        phi = self.dispersion
        return np.asarray(betainc(mu / phi, np.asarray(y) + 1.0, 1.0 / (1.0 + phi)))

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean."""
        phi = self.dispersion
        return np.asarray(rng.poisson(rng.gamma(mu / phi, phi)), dtype=float)


class GeneralizedPoisson(OwnFamily):
    """Generalized Poisson counts: variance phi mu, phi below 1 for less than Poisson's.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()`` by default.
    dispersion : float
        phi, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    NegativeBinomial1, ConwayMaxwellPoisson

    References
    ----------
    Consul and Jain (1973), Technometrics 15, 791-799.

    Examples
    --------
    >>> float(GeneralizedPoisson(dispersion=0.5).variance(2.0))
    1.0
    """

    name = "generalized_poisson"
    support = "counts"
    links = _OF_POSITIVE
    summed = True

    def variance(self, mu: ArrayLike) -> Array:
        """Return phi mu."""
        return np.asarray(mu) * self.dispersion

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi."""
        return max(float(np.average((y - mu) ** 2 / mu, weights=weights)), 0.9)


class ConwayMaxwellPoisson(OwnFamily):
    """Conway-Maxwell-Poisson counts by their mean: variance about phi mu, less for phi < 1.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()`` by default.
    dispersion : float
        phi = 1 / nu, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    GeneralizedPoisson

    References
    ----------
    Huang (2017), Statistical Modelling 17, 359-380.

    Examples
    --------
    >>> round(float(ConwayMaxwellPoisson(dispersion=1.0).variance(2.0)), 6)
    2.0
    """

    name = "conway_maxwell_poisson"
    support = "counts"
    links = _OF_POSITIVE
    summed = True

    def variance(self, mu: ArrayLike) -> Array:
        """Return the variance, mu over d log(lambda) / d log(mu) times mu."""
        mu = np.asarray(mu, dtype=float)
        # The derivative of the log-likelihood in log mu is (y - mu) mu / variance.
        flat = np.ravel(mu)
        rows = family_rows(
            self.name,
            "log",
            np.ceil(flat) + 1.0,
            np.log(flat),
            zeta=float(np.log(self.dispersion)),
            observed=True,
        )
        return np.asarray(((np.ceil(flat) + 1.0 - flat) * flat / rows["l"]).reshape(mu.shape))

    def probabilities_at(self, mu: Array) -> Callable[[Array, NDArray[np.bool_]], Array]:
        """Return what gives lambda^y / y!^nu over a sum, both of which follow from the mean.

        The probabilities of two counts about the mean say what lambda and the sum are.
        """
        known, nu = np.floor(mu), 1.0 / self.dispersion
        first, second = (np.log(self.probability(known + i, mu)) for i in (0.0, 1.0))
        log_lambda = second - first + nu * np.log(known + 1.0)

        def probabilities(counts: Array, some: NDArray[np.bool_]) -> Array:
            y, at = counts[:, None], known[some]
            factorials = gammaln(y + 1.0) - gammaln(at + 1.0)
            return np.asarray(np.exp(first[some] + (y - at) * log_lambda[some] - nu * factorials))

        return probabilities

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi, not beyond what sums of probabilities reach."""
        most = max(_FEW_TERMS, float(mu.min()) / _BELLS)
        return min(float(np.average((y - mu) ** 2 / mu, weights=weights)), most)


class Beta(OwnFamily):
    """Beta responses in (0, 1): variance mu (1 - mu) / (1 + phi).

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Logit()`` by default.
    dispersion : float
        phi, a precision, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    BetaBinomial

    References
    ----------
    Ferrari and Cribari-Neto (2004), Journal of Applied Statistics 31, 799-815.

    Examples
    --------
    >>> float(Beta(dispersion=4.0).variance(0.5))
    0.05
    """

    name = "beta"
    support = "shares"
    links = OF_SHARES

    def variance(self, mu: ArrayLike) -> Array:
        """Return mu (1 - mu) / (1 + phi)."""
        mu = np.asarray(mu)
        return mu * (1.0 - mu) / (1.0 + self.dispersion)

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi."""
        square = np.average((y - mu) ** 2 / (mu * (1.0 - mu)), weights=weights)
        return 1.0 / float(square) - 1.0

    def cdf(self, y: Array, mu: Array, weights: Array) -> Array:
        """Return the probability of at most y."""
        phi = self.dispersion
        return np.asarray(betainc(mu * phi, (1.0 - mu) * phi, np.clip(y, 0.0, 1.0)))

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean."""
        drawn = rng.beta(mu * self.dispersion, (1.0 - mu) * self.dispersion)
        # Draws so near to an end that they round to it have no likelihood.
        return np.clip(drawn, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)


class BetaBinomial(OwnFamily):
    """Proportions of n trials: variance mu (1 - mu) (n + phi) / (n (1 + phi)).

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Logit()`` by default.
    dispersion : float
        phi, a precision, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    Beta

    References
    ----------
    Morris (1997), Ecological Modelling 99, 1-15.

    Examples
    --------
    >>> float(BetaBinomial(dispersion=4.0).variance(0.5))
    0.25
    """

    name = "beta_binomial"
    support = "trials"
    links = OF_SHARES

    def variance(self, mu: ArrayLike) -> Array:
        """Return the variance of one trial, mu (1 - mu)."""
        mu = np.asarray(mu)
        return mu * (1.0 - mu)

    def spread(self, mu: Array, weights: Array) -> Array:
        """Return the standard deviation of a proportion."""
        phi = self.dispersion
        return np.sqrt(mu * (1.0 - mu) * (weights + phi) / (weights * (1.0 + phi)))

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi: Pearson's mean square is (n + phi) / (1 + phi)."""
        n = np.ones(len(y)) if weights is None else weights
        square = float(np.mean(n * (y - mu) ** 2 / (mu * (1.0 - mu))))
        return (float(np.mean(n)) - square) / max(square - 1.0, 1e-2)

    def cdf(self, y: Array, mu: Array, weights: Array) -> Array:
        """Return the probability of at most y successes."""
        phi, cdf = self.dispersion, load("fitting.families.beta_binomial:beta_binomial_cdf")
        return np.asarray(cdf(y, np.rint(weights), mu * phi, (1.0 - mu) * phi))

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean."""
        trials = np.rint(np.broadcast_to(weights, mu.shape)).astype(np.int64)
        share = rng.beta(mu * self.dispersion, (1.0 - mu) * self.dispersion)
        return np.asarray(rng.binomial(trials, share) / trials)


class Lognormal(OwnFamily):
    """Positive responses whose logarithm is normal: mean mu, variance phi^2, of y itself.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()`` by default.
    dispersion : float
        phi, a standard deviation, for variances asked of the object itself. A fit estimates
        its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    GeneralizedLinearMixedModel

    References
    ----------
    Brooks et al. (2017), The R Journal 9, 378-400.

    Examples
    --------
    >>> float(Lognormal(dispersion=3.0).variance(2.0))
    9.0
    """

    name = "lognormal"
    support = "positive"
    links = _OF_POSITIVE

    def variance(self, mu: ArrayLike) -> Array:
        """Return phi^2."""
        return np.full(np.shape(mu), self.dispersion**2)

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi."""
        return float(np.sqrt(np.average((y - mu) ** 2, weights=weights)))

    def _of_logarithm(self, mu: Array) -> tuple[Array, Array]:
        variance = np.log1p((self.dispersion / mu) ** 2)
        return np.log(mu) - 0.5 * variance, np.sqrt(variance)

    def cdf(self, y: Array, mu: Array, weights: Array) -> Array:
        """Return the probability of at most y."""
        mean, sd = self._of_logarithm(np.asarray(mu))
        with np.errstate(divide="ignore"):
            return np.asarray(ndtr((np.log(y) - mean) / sd))

    def draw(self, rng: np.random.Generator, mu: Array, weights: Array) -> Array:
        """Draw one response for every mean."""
        mean, sd = self._of_logarithm(mu)
        return np.asarray(np.exp(rng.normal(mean, sd)))
