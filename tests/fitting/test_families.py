"""Families and links of statsmodels, and what they are read as."""

import copy
import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats
import statsmodels.api as sm

from statsmodels_mixed import OptionError
from statsmodels_mixed.fitting.families.spec import (
    FamilySpec,
    family_object,
    make_family,
    read_family,
)

families, links = sm.families, sm.families.links

# Each link with the formula of its mean, written by hand.
MEANS = [
    (links.Identity(), "identity", 1.0, lambda eta: eta),
    (links.Power(1.0), "identity", 1.0, lambda eta: eta),
    (links.Log(), "log", 1.0, np.exp),
    (links.Logit(), "logit", 1.0, scipy.special.expit),
    (links.Probit(), "probit", 1.0, scipy.stats.norm.cdf),
    (links.Cauchy(), "cauchit", 1.0, scipy.stats.cauchy.cdf),
    (links.CLogLog(), "cloglog", 1.0, lambda eta: 1 - np.exp(-np.exp(eta))),
    (links.LogLog(), "loglog", 1.0, lambda eta: np.exp(-np.exp(-eta))),
    (links.CDFLink(), "probit", 1.0, scipy.stats.norm.cdf),
    (links.CDFLink(scipy.stats.cauchy), "cauchit", 1.0, scipy.stats.cauchy.cdf),
    (links.CDFLink(scipy.stats.logistic), "logit", 1.0, scipy.special.expit),
    (links.Sqrt(), "power", 0.5, lambda eta: eta**2),
    (links.InversePower(), "power", -1.0, lambda eta: 1 / eta),
    (links.InverseSquared(), "power", -2.0, lambda eta: eta**-0.5),
    (links.Power(1.5), "power", 1.5, lambda eta: eta ** (2 / 3)),
]


@pytest.mark.parametrize(("link", "name", "power", "mean"), MEANS)
def test_links(link, name, power, mean):
    spec = read_family(families.Gaussian(link, check_link=False))
    assert spec == FamilySpec("gaussian", name, power, True)
    eta = np.array([0.1, 0.7, 1.9])
    np.testing.assert_allclose(link.inverse(eta), mean(eta), rtol=1e-12)
    np.testing.assert_allclose(family_object(spec).link.inverse(eta), mean(eta), rtol=1e-12)


FAMILIES = [
    (families.Binomial(), FamilySpec("binomial", "logit")),
    (families.Poisson(), FamilySpec("poisson", "log")),
    (families.Gaussian(), FamilySpec("gaussian", "identity", 1.0, True)),
    (families.Gamma(), FamilySpec("gamma", "power", -1.0, True)),
    (families.InverseGaussian(), FamilySpec("inverse_gaussian", "power", -2.0, True)),
    (families.NegativeBinomial(alpha=0.3), FamilySpec("negative_binomial", "log", 1.0, True)),
]


@pytest.mark.parametrize(("family", "spec"), FAMILIES)
def test_families_with_the_links_statsmodels_gives_them(family, spec):
    assert read_family(family) == spec
    assert type(family_object(spec)) is type(family)
    assert read_family(family_object(spec)) == spec
    assert read_family(make_family(spec.family)) == spec


@pytest.mark.parametrize("family", [family for family, _ in FAMILIES])
def test_every_link_statsmodels_offers_is_read_or_refused_with_a_reason(family):
    refused = []
    for kind in type(family).links:
        chosen = copy.copy(family)
        chosen.link = kind()
        try:
            assert read_family(chosen).family == read_family(family).family
        except OptionError:
            refused.append(kind.__name__)
    # A complementary log-log mean is below 1, a Power() is the identity; log(1 - mu) and
    # the canonical link of a negative binomial, which depends on alpha, are not supported.
    assert refused in ([], ["LogC"], ["CLogLog", "NegativeBinomial"])


def test_alpha_of_a_family_object():
    spec = read_family(families.NegativeBinomial(alpha=0.3))
    assert spec == read_family(families.NegativeBinomial(alpha=2.0))
    made = family_object(spec, 0.7)
    assert made.alpha == 0.7
    np.testing.assert_allclose(made.variance(np.array([2.0])), 2 + 0.7 * 4)


class OwnLogit(links.Logit):
    def inverse(self, z):
        return super().inverse(z) / 2


class OwnFamily(families.Poisson):
    pass


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (None, r"family= is needed.*sm\.families\.Binomial\(\)"),
        (families.Poisson, r"not a class: write Poisson\(\)"),
        ("poisson", "not 'poisson'"),
        (links.Log(), "not Log"),
        (families.Tweedie(), "not Tweedie"),
        (OwnFamily(), "not OwnFamily"),
        (families.Binomial(links.LogC()), "LogC is not supported.*cloglog"),
        (families.Binomial(OwnLogit()), "OwnLogit is not supported"),
        (families.Binomial(links.CDFLink(scipy.stats.t)), "CDFLink is not supported"),
        (families.Gaussian(links.Power(0.0), check_link=False), r"Log\(\)"),
        (families.Poisson(links.Logit(), check_link=False), "below 1.*Poisson"),
        (families.NegativeBinomial(links.CLogLog(), alpha=1.0), "below 1.*NegativeBinomial"),
        (families.NegativeBinomial(links.NegativeBinomial(), alpha=1.0), "not supported"),
    ],
)
def test_what_is_no_family_that_can_be_fitted(family, message):
    with pytest.raises(OptionError, match=message):
        read_family(family)


@pytest.mark.parametrize(
    ("name", "link", "spec"),
    [
        ("binomial", "probit", FamilySpec("binomial", "probit")),
        ("Binomial", "cauchit", FamilySpec("binomial", "cauchit")),
        ("poisson", "sqrt", FamilySpec("poisson", "power", 0.5)),
        ("negative-binomial", None, FamilySpec("negative_binomial", "log", 1.0, True)),
        (
            "inverse_gaussian",
            "inverse-squared",
            FamilySpec("inverse_gaussian", "power", -2.0, True),
        ),
        ("gamma", "LOG", FamilySpec("gamma", "log", 1.0, True)),
    ],
)
def test_names(name, link, spec):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_family(make_family(name, link)) == spec


@pytest.mark.parametrize(
    ("name", "link", "message"),
    [
        ("quasi", None, "no family 'quasi'; choose one of gaussian, binomial"),
        ("binomial", "logc", "no link 'logc'; choose one of identity"),
        ("poisson", "probit", "poisson has no link probit"),
    ],
)
def test_names_that_mean_nothing(name, link, message):
    with pytest.raises(OptionError, match=message):
        make_family(name, link)
