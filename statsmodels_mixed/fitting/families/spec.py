"""Families and links: statsmodels' objects, read once into plain values for the numerics.

A distribution is named by `FamilySpec.family`, a link by `FamilySpec.link`::

    identity  eta = mu               probit   eta = Phi^-1(mu)
    log       eta = log(mu)          cauchit  eta = tan(pi (mu - 1/2))
    logit     eta = log(mu/(1-mu))   cloglog  eta = log(-log(1 - mu))
    power     eta = mu**power        loglog   eta = -log(-log(mu))
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from statsmodels.genmod import families as sm_families
from statsmodels.genmod.families import links as sm_links

from ..._core import ROW_QUANTITIES, family_rows
from ..._typing import Array
from ...errors import OptionError
from . import distributions, parted
from .own_family import OwnFamily

__all__ = [
    "OF_SHARES",
    "FamilySpec",
    "family_names",
    "family_object",
    "link_names",
    "make_family",
    "make_link",
    "read_family",
    "shared_family",
]


# What responses are whose means are at most 1; see `FamilySpec.support`.
OF_SHARES = ("shares", "trials", "shares and ends")


class _Log(sm_links.Log):  # type: ignore[misc]  # statsmodels has no types
    """The log link to the end of the range: statsmodels' takes means below 2e-16 for 2e-16.

    Responses have units, in which they may be as small as one likes.
    """

    def _clean(self, x: Any) -> Any:
        return np.clip(x, np.finfo(float).tiny, np.inf)


@dataclass(frozen=True)
class FamilySpec:
    """A distribution and a link, as the numerics know them.

    Parameters
    ----------
    family : str
        ``"gaussian"``, ``"binomial"``, ``"poisson"``, ``"gamma"``, ``"inverse_gaussian"``,
        ``"negative_binomial"`` (type 2, variance mu + alpha mu^2), or the `name` of one of
        `distributions`.
    link : str
        ``"identity"``, ``"log"``, ``"logit"``, ``"probit"``, ``"cloglog"``, ``"loglog"``,
        ``"cauchit"`` or ``"power"``.
    power : float
        For the link ``"power"``: -1 is the inverse, 0.5 the square root.
    has_dispersion : bool
        Whether a dispersion is estimated: phi in the variance phi V(mu), or alpha of the
        negative binomial.
    zeros : {"", "inflation", "hurdle"}
        What zeros there are besides those of the distribution.
    """

    family: str
    link: str
    power: float = 1.0
    has_dispersion: bool = False
    zeros: str = ""

    @property
    def normal(self) -> bool:
        """Whether responses have a normal distribution about the linear predictor."""
        return (self.family, self.link) == ("gaussian", "identity")

    def rows(
        self,
        y: Array,
        eta: Array,
        *,
        weights: Array | None = None,
        zeta: float = 0.0,
        observed: bool | None = None,
        wanted: Sequence[str] = ROW_QUANTITIES,
    ) -> dict[str, Array]:
        """Return the log-likelihood of every row and its derivatives; see `family_rows`.

        Parameters
        ----------
        y, eta : ndarray, shape (n,)
        weights : ndarray, shape (n,), optional
        zeta : float
            Log dispersion.
        observed : bool, optional
            Whether ``w`` is the observed information; by default where there is no other.
        wanted : sequence of str
            Which of the `ROW_QUANTITIES` to return.
        """
        return family_rows(
            self.family,
            self.link,
            y,
            eta,
            weights=weights,
            zeta=zeta,
            power=self.power,
            observed=self.own if observed is None else observed,
            wanted=wanted,
        )

    @property
    def own(self) -> bool:
        """Whether the family is one that statsmodels does not have."""
        return self.family in _OWN

    @property
    def parted(self) -> bool:
        """Whether rows have parameters besides a mean and a dispersion, or zeros of their own."""
        return self.family in _PARTED or bool(self.zeros)

    @property
    def scaled(self) -> bool:
        """Whether the dispersion is a factor phi of the variance."""
        return self.has_dispersion and not self.own and self.family != "negative_binomial"

    @property
    def support(self) -> str:
        """Responses: ``"real"``, ``"counts"``, ``"positive"``, ``"shares"`` or ``"trials"``."""
        return _OWN[self.family].support if self.own else _SUPPORT[self.family]

    @property
    def copies(self) -> bool:
        """Whether weights multiply the likelihood of a row and have no part in its response."""
        return self.family == "negative_binomial" or (self.own and self.support != "trials")

    @property
    def discrete(self) -> bool:
        """Whether responses are counts, or proportions of trials."""
        return self.support in ("counts", "trials")

    @property
    def information(self) -> str:
        """The information that the Laplace approximation takes if nothing is said."""
        return "observed" if self.own else "expected"

    @property
    def errors(self) -> str:
        """The standard errors of a fit if nothing is said, a `cov_type`.

        Given theta and the dispersion they are too small where a family has a mean and a
        dispersion that depend on one another. With the variance mu^3 of an inverse Gaussian those
        of slopes are too small by a tenth.
        """
        together = self.own or self.family == "inverse_gaussian"
        return "hessian" if together else "conditional"

    @property
    def canonical(self) -> bool:
        """Whether the linear predictor is the natural parameter, but for a factor."""
        link = (self.link, self.power) if self.link == "power" else (self.link,)
        return _CANONICAL.get(self.family) == link


_CANONICAL: dict[str, tuple[Any, ...]] = {
    "gaussian": ("identity",),
    "binomial": ("logit",),
    "poisson": ("log",),
    "gamma": ("power", -1.0),
    "inverse_gaussian": ("power", -2.0),
}

_FAMILIES: dict[type, str] = {
    sm_families.Gaussian: "gaussian",
    sm_families.Binomial: "binomial",
    sm_families.Poisson: "poisson",
    sm_families.Gamma: "gamma",
    sm_families.InverseGaussian: "inverse_gaussian",
    sm_families.NegativeBinomial: "negative_binomial",
}
_OWN: dict[str, type[OwnFamily]] = {
    kind.name: kind
    for kind in (
        distributions.NegativeBinomial1,
        distributions.GeneralizedPoisson,
        distributions.ConwayMaxwellPoisson,
        distributions.Beta,
        distributions.BetaBinomial,
        distributions.Lognormal,
        parted.TruncatedPoisson,
        parted.TruncatedNegativeBinomial,
        parted.TruncatedNegativeBinomial1,
        parted.TruncatedGeneralizedPoisson,
        parted.TruncatedConwayMaxwellPoisson,
        parted.StudentT,
        parted.Tweedie,
        parted.OrderedBeta,
        parted.Ordered,
    )
}
_FAMILIES.update({kind: name for name, kind in _OWN.items()})
_SUPPORT = {
    "gaussian": "real",
    "binomial": "trials",
    "poisson": "counts",
    "gamma": "positive",
    "inverse_gaussian": "positive",
    "negative_binomial": "counts",
}
_KINDS: dict[str, Any] = {name: kind for kind, name in _FAMILIES.items()}
_WITHOUT_DISPERSION = ("binomial", "poisson", "truncated_poisson", "ordered")
# Families with row parameters of their own; see `row_parameters`.
_PARTED = (
    "truncated_poisson",
    "truncated_negative_binomial",
    "truncated_negative_binomial1",
    "truncated_generalized_poisson",
    "truncated_conway_maxwell_poisson",
    "student_t",
    "tweedie",
    "ordered_beta",
    "ordered",
)

# In this order: Probit and Cauchy are CDFLinks, and those and the log-logs are Logits.
_LINKS: tuple[tuple[type, str], ...] = (
    (sm_links.Log, "log"),
    (sm_links.Probit, "probit"),
    (sm_links.Cauchy, "cauchit"),
    (sm_links.CLogLog, "cloglog"),
    (sm_links.LogLog, "loglog"),
    (sm_links.CDFLink, "cdf"),
    (sm_links.Logit, "logit"),
    (sm_links.Power, "power"),
)
_DISTRIBUTIONS = {"norm": "probit", "cauchy": "cauchit", "logistic": "logit"}
_MEAN_BELOW_ONE = ("logit", "probit", "cauchit", "cloglog", "loglog")

_LINK_MAKERS: dict[str, Callable[[], Any]] = {
    "identity": sm_links.Identity,
    "log": sm_links.Log,
    "logit": sm_links.Logit,
    "probit": sm_links.Probit,
    "cauchit": sm_links.Cauchy,
    "cloglog": sm_links.CLogLog,
    "loglog": sm_links.LogLog,
    "inverse": sm_links.InversePower,
    "inverse-squared": sm_links.InverseSquared,
    "sqrt": sm_links.Sqrt,
}


def read_family(family: Any) -> FamilySpec:
    """Read a family object of statsmodels.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        Such as ``sm.families.Poisson()``, with its link inside. The dispersion is always
        estimated: the `alpha` a `NegativeBinomial` carries plays no part.

    Returns
    -------
    FamilySpec

    Raises
    ------
    OptionError
        If it is no family of statsmodels, one that has no likelihood, or has a link that
        is not statsmodels' own or can give means that the family cannot have.
    """
    if family is None:
        raise OptionError(
            'family= is needed: for example family="binomial" or sm.families.Binomial().'
        )
    if inspect.isclass(family) and issubclass(family, sm_families.Family):
        raise OptionError(f"family= is an object, not a class: write {family.__name__}().")
    # A class derived from one of these may compute something else, but not our own Bernoulli.
    kind = type(family)
    if kind.__module__.startswith("statsmodels_mixed."):
        kind = next((base for base in kind.__mro__ if base in _FAMILIES), kind)
    name = _FAMILIES.get(kind)
    if name is None:
        known = ", ".join(kind.__name__ for kind in _FAMILIES)
        raise OptionError(
            f"family= is a family of statsmodels, one of {known}, not {_shown(family)}."
        )
    link, power = _read_link(family.link)
    shares = name in ("binomial", "beta", "beta_binomial", "ordered_beta", "ordered")
    if link in _MEAN_BELOW_ONE and not shares and name != "gaussian":
        raise OptionError(
            f"the link {link} keeps the mean below 1, which the mean of a "
            f"{type(family).__name__} is not: choose another link, such as log."
        )
    if link not in _MEAN_BELOW_ONE and shares and name != "binomial":
        raise OptionError(
            f"the link {link} gives means outside of (0, 1), which the mean of a "
            f"{type(family).__name__} is not: choose another link, such as logit."
        )
    return FamilySpec(name, link, power, name not in _WITHOUT_DISPERSION)


def _read_link(link: Any) -> tuple[str, float]:
    """Return name and power of a link."""
    # A class derived from one of statsmodels' may compute something else.
    own = type(link).__module__ == sm_links.__name__ or type(link) is _Log
    name = next((name for kind, name in _LINKS if own and isinstance(link, kind)), None)
    if name == "cdf":
        name = _DISTRIBUTIONS.get(getattr(link.dbn, "name", ""))
    if name is None:
        raise OptionError(
            f"the link {_shown(link)} is not supported; those that are: {', '.join(_LINK_MAKERS)} "
            "and other powers."
        )
    if name != "power":
        return name, 1.0
    power = float(link.power)
    if not power:
        raise OptionError("the link Power(0) is constant; the limit of powers is the link Log().")
    return ("identity", 1.0) if power == 1 else ("power", power)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else type(value).__name__


def family_object(spec: FamilySpec, dispersion: float = 1.0) -> Any:
    """Make the family object of statsmodels that a specification describes.

    Parameters
    ----------
    spec : FamilySpec
        Distribution and link.
    dispersion : float
        alpha of a negative binomial, or that of a family statsmodels does not have; the objects
        of other families hold none.
    """
    makers = _LINK_MAKERS | {"log": _Log}
    link = sm_links.Power(spec.power) if spec.link == "power" else makers[spec.link]()
    kind = _KINDS[spec.family]
    with warnings.catch_warnings():
        # statsmodels would warn of links that need care; `read_family` has accepted them.
        warnings.simplefilter("ignore")
        if spec.family == "negative_binomial":
            return kind(link, alpha=dispersion, check_link=False)
        if spec.own:
            return kind(link, dispersion, check_link=False)
        return kind(link, check_link=False)


@lru_cache(maxsize=64)
def shared_family(spec: FamilySpec) -> Any:
    """Return the family object of a specification, one for all who do not change it."""
    return family_object(spec)


def family_names() -> list[str]:
    """Return the names of the families, as `FamilySpec.family`."""
    return [name for name in _KINDS if name != "ordered"]


def link_names() -> list[str]:
    """Return the names of the links that have no parameter."""
    return list(_LINK_MAKERS)


def make_link(name: str) -> Any:
    """Make a link object from one of `link_names`."""
    return _LINK_MAKERS[name]()


def make_family(name: str, link: str | None = None) -> Any:
    """Make a family object from names, as the command line has them.

    Parameters
    ----------
    name : str
        As `FamilySpec.family`, in any case, with ``-`` or ``_``.
    link : str, optional
        ``"identity"``, ``"log"``, ``"logit"``, ``"probit"``, ``"cauchit"``, ``"cloglog"``,
        ``"loglog"``, ``"inverse"``, ``"inverse-squared"`` or ``"sqrt"``; by default the one
        statsmodels gives the family.

    Raises
    ------
    OptionError
        If there is no family or no link of that name, or statsmodels does not offer that
        link for that family.
    """
    kind = _KINDS.get(name.lower().replace("-", "_"))
    if kind is None:
        raise OptionError(f"there is no family {name!r}; choose one of {', '.join(_KINDS)}.")
    maker = None if link is None else _LINK_MAKERS.get(link.lower().replace("_", "-"))
    if link is not None and maker is None:
        raise OptionError(f"there is no link {link!r}; choose one of {', '.join(_LINK_MAKERS)}.")
    try:
        with warnings.catch_warnings():
            # The negative binomial says that alpha has a default; here it is estimated.
            warnings.simplefilter("ignore")
            return kind(maker() if maker else None)
    except ValueError as error:
        raise OptionError(f"the family {name} has no link {link}.") from error
