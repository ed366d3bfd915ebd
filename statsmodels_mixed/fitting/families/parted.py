"""Families with more parameters than a mean and a dispersion, or with another mean.

Models of these have row parameters of their own (`row_parameters`), whether or not there is a
formula for them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.genmod import families
from statsmodels.genmod.families import links

from ..._typing import Array
from ...errors import OptionError
from .distributions import ConwayMaxwellPoisson, GeneralizedPoisson, NegativeBinomial1
from .own_family import OF_SHARES, OwnFamily

__all__ = [
    "Ordered",
    "OrderedBeta",
    "StudentT",
    "TruncatedConwayMaxwellPoisson",
    "TruncatedGeneralizedPoisson",
    "TruncatedNegativeBinomial",
    "TruncatedNegativeBinomial1",
    "TruncatedPoisson",
    "Tweedie",
]


_OF_COUNTS = [links.Log]
_OF_NUMBERS = [links.Identity, links.Log, links.Power]
_OF_SUMS = [links.Log, links.Power]
_OF_ENDS = [links.Logit]


class _Truncated(OwnFamily):
    """Counts without zeros; means and variances are those before truncation."""

    support = "positive counts"
    links = _OF_COUNTS
    # The family before truncation, by its dispersion.
    whole: ClassVar[staticmethod[[float], Any]]

    def variance(self, mu: ArrayLike) -> Array:
        """Return the variance before truncation."""
        return np.asarray(self.whole(self.dispersion).variance(np.asarray(mu, dtype=float)))

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a dispersion to begin with."""
        return 1.0


class TruncatedPoisson(_Truncated):
    """Poisson counts without zeros; mu is the mean before truncation.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()``.
    dispersion : float
        Plays no part.
    check_link : bool
        Whether another link is refused.

    See Also
    --------
    TruncatedNegativeBinomial

    Examples
    --------
    >>> TruncatedPoisson().name
    'truncated_poisson'
    """

    name = "truncated_poisson"
    whole = staticmethod(lambda phi: families.Poisson())


class TruncatedNegativeBinomial(_Truncated):
    """Negative binomial counts of type 2 without zeros: mu + mu^2 / phi before truncation.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()``.
    dispersion : float
        For variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether another link is refused.

    See Also
    --------
    TruncatedPoisson

    Examples
    --------
    >>> TruncatedNegativeBinomial().name
    'truncated_negative_binomial'
    """

    name = "truncated_negative_binomial"
    whole = staticmethod(lambda phi: families.NegativeBinomial(alpha=1.0 / phi))


class TruncatedNegativeBinomial1(_Truncated):
    """Negative binomial counts of type 1 without zeros: mu (1 + phi) before truncation.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()``.
    dispersion : float
        For variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether another link is refused.

    See Also
    --------
    TruncatedPoisson

    Examples
    --------
    >>> TruncatedNegativeBinomial1().name
    'truncated_negative_binomial1'
    """

    name = "truncated_negative_binomial1"
    whole = staticmethod(lambda phi: NegativeBinomial1(dispersion=phi))


class TruncatedGeneralizedPoisson(_Truncated):
    """Generalized Poisson counts without zeros: phi mu before truncation.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()``.
    dispersion : float
        For variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether another link is refused.

    See Also
    --------
    GeneralizedPoisson

    Examples
    --------
    >>> TruncatedGeneralizedPoisson().name
    'truncated_generalized_poisson'
    """

    name = "truncated_generalized_poisson"
    whole = staticmethod(lambda phi: GeneralizedPoisson(dispersion=phi))


class TruncatedConwayMaxwellPoisson(_Truncated):
    """Conway-Maxwell-Poisson counts without zeros; mu is the mean before truncation.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()``.
    dispersion : float
        1 / nu, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether another link is refused.

    See Also
    --------
    ConwayMaxwellPoisson

    Examples
    --------
    >>> TruncatedConwayMaxwellPoisson().name
    'truncated_conway_maxwell_poisson'
    """

    name = "truncated_conway_maxwell_poisson"
    whole = staticmethod(lambda phi: ConwayMaxwellPoisson(dispersion=phi))


class StudentT(OwnFamily):
    """Student's t about the mean, for outliers: scale phi, variance phi^2 f / (f - 2).

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Identity()`` by default.
    dispersion : float
        phi, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.
    df : float, optional
        The degrees of freedom f; estimated by default.

    See Also
    --------
    Tweedie

    References
    ----------
    Lange, Little and Taylor (1989), Journal of the American Statistical Association 84, 881-896.

    Examples
    --------
    >>> StudentT(df=4).df
    4.0
    """

    name = "student_t"
    support = "real"
    links = _OF_NUMBERS

    def __init__(
        self,
        link: Any = None,
        dispersion: float = 1.0,
        check_link: bool = True,
        *,
        df: float | None = None,
    ) -> None:
        if df is not None and not (np.isfinite(df) and df > 0):
            raise OptionError(f"df={df!r} is not possible; give a positive number.")
        self.df = None if df is None else float(df)
        super().__init__(link, dispersion, check_link)

    def variance(self, mu: ArrayLike) -> Array:
        """Return phi^2, the square of the scale."""
        return np.full(np.shape(mu), self.dispersion**2)

    def starting_mu(self, y: Array) -> Array:
        """Return means to begin with."""
        return np.asarray(y, dtype=float)

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a robust estimate of the scale."""
        return float(np.median(np.abs(y - mu))) * 1.35


class Tweedie(OwnFamily):
    """Positive responses and exact zeros, a Poisson sum of gammas: variance phi mu^p, 1 < p < 2.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Log()`` by default.
    dispersion : float
        phi, for variances asked of the object itself. A fit estimates its own, and p.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    StudentT

    References
    ----------
    Dunn and Smyth (2005), Statistics and Computing 15, 267-280.

    Examples
    --------
    >>> Tweedie().name
    'tweedie'
    """

    name = "tweedie"
    support = "not negative"
    links = _OF_SUMS

    def variance(self, mu: ArrayLike) -> Array:
        """Return phi mu^1.5, that of the power a fit begins with."""
        return self.dispersion * np.asarray(mu) ** 1.5

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a moment estimate of phi for the power 1.5."""
        return float(np.average((y - mu) ** 2 / mu**1.5, weights=weights))


class OrderedBeta(OwnFamily):
    """Shares in [0, 1]: two thresholds part 0, a beta variate of mean mu, and 1.

    The probability of 0 is ``F(c - eta)`` and that of 1 ``F(eta - c - w)``, F the logistic
    distribution, c and w > 0 estimated. Inside, the variance is mu (1 - mu) / (1 + phi).

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Logit()``.
    dispersion : float
        phi, for variances asked of the object itself. A fit estimates its own.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    Beta

    References
    ----------
    Kubinec (2023), Political Analysis 31, 519-536.

    Examples
    --------
    >>> OrderedBeta().name
    'ordered_beta'
    """

    name = "ordered_beta"
    support = "shares and ends"
    links = _OF_ENDS

    def variance(self, mu: ArrayLike) -> Array:
        """Return mu (1 - mu) / (1 + phi)."""
        mu = np.asarray(mu)
        return mu * (1.0 - mu) / (1.0 + self.dispersion)

    def starting_mu(self, y: Array) -> Array:
        """Return means to begin with."""
        return (y + 0.5) / 2.0

    def start_dispersion(self, y: Array, mu: Array, weights: Array | None) -> float:
        """Return a precision to begin with."""
        return 5.0


class Ordered(OwnFamily):
    """Ordered categories with thresholds; see `mixedordinal2`.

    Parameters
    ----------
    link : statsmodels link, optional
        ``sm.families.links.Logit()`` by default.
    dispersion : float
        Plays no part.
    check_link : bool
        Whether a link that does not suit is refused.

    See Also
    --------
    OrdinalMixedModel

    Examples
    --------
    >>> Ordered().name
    'ordered'
    """

    name = "ordered"
    support = "categories"
    links = OF_SHARES
