"""Likelihoods without a maximum, because the residual variance tends to zero."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from fuzz.dense import criterion_of
from fuzz.linear_models import draw
from fuzz.relations import check

from statsmodels_mixed import ConvergenceWarning, DataError

NO_MAXIMUM = "the residual variance tends to zero and the likelihood has no maximum"
both = pytest.mark.parametrize("reml", [False, True])
seeds = pytest.mark.parametrize("seed", range(8))


def refused(formula, data, match, reml, **options):
    model = smf.mixedlm2(formula, data, **options)
    with pytest.raises(DataError, match=f"{match}.*{NO_MAXIMUM}"):
        model.fit(reml=reml)


def quiet(formula, data, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm2(formula, data).fit(**how)


@both
@seeds
def test_response_that_is_constant_within_levels(seed, reml):
    r = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 5)
    d = pd.DataFrame({"g": g, "y": r.integers(0, 100, 12)[g].astype(float)})
    refused("y ~ 1 + (1 | g)", d, "'y' does not vary within the levels of 'g'", reml)


@both
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("term", ["ar1(0 + t | g)", "(1 | g) + ar1(0 + t | g)", "cs(0 + C(t) | g)"])
def test_structures_whose_response_is_constant_within_levels(term, seed, reml):
    r = np.random.default_rng(seed)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 3), "t": np.tile(np.arange(3.0), 20)})
    d = d.assign(x=r.normal(size=60), y=r.normal(size=20)[d.g])
    refused(f"y ~ x + {term}", d, "'y' does not vary within the levels of 'g'", reml)


@both
@pytest.mark.parametrize("residual", ["ar1(0 + t | g)", "cs(0 + t | g)", "us(0 + t | g)"])
def test_residuals_of_a_response_that_is_constant_within_subjects(residual, reml):
    # V of equal residuals has determinant 0, and the response fits it: -2 log L has no bound.
    r = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 3), "t": np.tile(np.arange(3.0), 20)})
    d = d.assign(x=r.normal(size=60), y=r.normal(size=20)[d.g])
    model = smf.mixedlm2("y ~ x", d, residual=residual)
    named = re.escape(f"within the subjects of residual='{residual}'")
    with pytest.raises(DataError, match=named):
        model.fit(reml=reml)


@both
@seeds
def test_one_row_per_level_and_copies(seed, reml):
    r = np.random.default_rng(seed)
    d = pd.DataFrame({"id": np.arange(80), "x": r.normal(size=80)})
    d["y"] = d.x + 1.4 * r.normal(size=80)
    d = pd.concat([d, d.iloc[:6]], ignore_index=True)
    refused("y ~ x + (1 | id)", d, "'y' does not vary within the levels of 'id'", reml)
    fixed = quiet("y ~ x + (1 | id)", d, reml=reml, sigma=0.5)
    assert fixed.converged
    # rows that do differ are what the residual variance is estimated from
    d.loc[80:, "y"] += 0.1 * r.normal(size=6)
    assert quiet("y ~ x + (1 | id)", d, reml=reml).converged


@seeds
def test_fixed_effects_that_explain_all_within_levels(seed):
    """Two pairs and two slopes: ML has no bound. REML has no degrees of freedom left for sigma."""
    r = np.random.default_rng(seed)
    g = np.r_[np.arange(10), 0, 1]
    d = pd.DataFrame({"y": r.normal(size=12), "x": r.normal(size=12), "z": r.normal(size=12)})
    d["g"] = g
    both_reproduce = "the fixed effects and the random effects of 'g' reproduce the response 'y'"
    refused("y ~ x + z + (1 | g)", d, both_reproduce, False)
    fixed = quiet("y ~ x + z + (1 | g)", d, sigma=0.7)
    assert fixed.converged
    permuted = quiet("y ~ x + z + (1 | g)", d.iloc[r.permutation(12)], sigma=0.7)
    assert permuted.objective == pytest.approx(fixed.objective, abs=1e-6)
    assert quiet("y ~ x + (1 | g)", d).converged  # one pair is left


@both
def test_crossed_nested_and_sloped(reml):
    r = np.random.default_rng(3)
    a, b = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    d = pd.DataFrame({"a": a, "b": b, "x": r.normal(size=30), "w": 10.0 ** r.uniform(-6, 6, 30)})
    d["y"] = r.normal(size=6)[a] + r.normal(size=5)[b]
    refused("y ~ 1 + (1 | a) + (1 | b)", d, "random effects of 'a' and 'b' reproduce", reml)
    d["y"] = 100 + r.normal(size=6)[a] + r.normal(size=6)[a] * d.x
    refused("y ~ x + (x | a)", d, "random effects of 'a' reproduce", reml)
    refused("y ~ x + (x | a)", d, "random effects of 'a' reproduce", reml, weights="w")
    d["c"] = np.arange(30) // 3
    d["y"] = r.normal(size=6)[a] + r.normal(size=10)[d.c]
    refused("y ~ 1 + (1 | a / c)", d, "does not vary within the levels of 'a & c'", reml)


def test_saturated_models_with_bounded_likelihoods_are_fitted():
    """As many random effects as rows: sigma cannot tend to zero for nothing."""
    r = np.random.default_rng(4)
    g, x = np.repeat(np.arange(15), 2), np.tile([0.0, 1.0], 15)
    d = pd.DataFrame({"g": g, "x": x, "y": r.normal(size=15)[g] + r.normal(size=30)})
    assert np.isfinite(quiet("y ~ x + (x | g)", d).llf)


@both
def test_residuals_near_rounding_are_not_said_to_be_estimates(reml):
    r = np.random.default_rng(5)
    g = np.repeat(np.arange(10), 4)
    d = pd.DataFrame({"g": g, "y": 100 + r.normal(size=10)[g] + 2e-12 * r.normal(size=40)})
    with pytest.warns(ConvergenceWarning, match="rounding errors of the response"):
        m = smf.mixedlm2("y ~ 1 + (1 | g)", d).fit(reml=reml)
    assert not m.converged
    assert "rounding errors" in str(m.summary())


FAMILIES = {
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "gaussian": sm.families.Gaussian(sm.families.links.Log()),
    "inverse gaussian": sm.families.InverseGaussian(sm.families.links.Log()),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_generalized_models_whose_dispersion_vanishes(family):
    r = np.random.default_rng(6)
    g = np.repeat(np.arange(12), 5)
    u, noise = 0.5 * r.normal(size=12), r.normal(size=60)
    model = smf.mixedglm2("y ~ 1 + (1 | g)", {"y": np.exp(1 + u[g]), "g": g}, family=family)
    with pytest.raises(DataError, match=r"'y' does not vary .*'g'.*dispersion"):
        model.fit()
    d = {"y": np.exp(1 + u[g] + 1e-7 * noise), "g": g}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            smf.mixedglm2("y ~ 1 + (1 | g)", d, family=family).fit()
        except DataError as error:
            assert "no maximum of the likelihood" in str(error)
        else:
            assert "nearly zero" in str(said[0].message)
    ordinary = {"y": np.exp(1 + u[g] + 1e-3 * noise), "g": g}
    fit = smf.mixedglm2("y ~ 1 + (1 | g)", ordinary, family=family).fit()
    assert fit.converged
    means = np.bincount(g, np.log(ordinary["y"])) / 5
    assert fit.theta[0] == pytest.approx(means.std(), rel=1e-5)


def test_deletions_that_leave_no_maximum_have_not_converged():
    """Only the last level varies; without it the residual variance tends to zero."""
    r = np.random.default_rng(8)
    g = np.repeat(np.arange(8), 4)
    d = pd.DataFrame({"g": g, "y": r.normal(size=8)[g] + (g == 7) * r.normal(size=32)})
    deleted = quiet("y ~ 1 + (1 | g)", d).influence("g")
    assert deleted.converged.tolist() == [True] * 7 + [False]


def test_a_criterion_that_is_level_from_far_out_has_no_minimum():
    """Sixty digits: as theta grows from 1e7 it falls by 2e-8, then by 2e-10, for ever.

    A thousand times farther out rounding errors of effects over sigma hide it.
    """
    case = draw(624863)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=NO_MAXIMUM):
            case.fit()


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("shift", [0.0, 2.0**22])
def test_weights_that_differ_widely_have_a_minimum_far_out(shift):
    """By dense algebra it is at theta = 1596, where sigma is .008; 6 rows, weights 11 orders apart.

    With y + 4e6 the criterion still falls where residuals of equal weights were rounding errors.
    """
    case = draw(1504195)
    data = case.data.assign(y=np.round(case.data["y"] * 2.0**20) / 2.0**20 + shift)
    fit = replace(case, data=data).fit()
    criterion = criterion_of(fit.model.design, fit.estimates.columns, **case.how)
    here = criterion.at([1595.7097]).value
    assert here < min(criterion.at([t]).value for t in (1400.0, 1800.0)) - 1e-3
    assert fit.converged and fit.objective == pytest.approx(here, abs=1e-6)


def of_levels(numbers):
    """Return rows of twelve levels, five each, whose responses are those of their levels."""
    return pd.DataFrame({"g": np.repeat(np.arange(12), 5), "y": np.repeat(numbers, 5)})


SHARES = np.linspace(0.1, 0.9, 12)


@pytest.mark.parametrize(
    ("family", "numbers", "parts"),
    [
        ("beta", SHARES, {}),
        ("beta", np.r_[0.0, 0.0, SHARES[2:]], {"hurdle": "~ 1"}),
        ("ordered_beta", np.r_[0.0, SHARES[1:-1], 1.0], {}),
        ("lognormal", SHARES, {}),
        ("gamma", np.r_[0.0, SHARES[1:]], {"hurdle": "~ 1"}),
        ("student_t", SHARES, {}),
        ("tweedie", np.r_[0.0, SHARES[1:]], {}),
        ("gaussian", SHARES, {"dispersion": "~ y"}),
    ],
)
def test_families_whose_densities_grow_without_end(family, numbers, parts):
    """A density at numbers that the levels' effects reproduce grows as the dispersion falls."""
    model = smf.mixedglm2("y ~ 1 + (1 | g)", of_levels(numbers), family, **parts)
    with pytest.raises(DataError, match=r"'y' does not vary .*'g'.*no maximum"):
        model.fit()


def test_single_positive_rows_of_levels_have_a_likelihood():
    """One positive row a level says nothing of the dispersion alone: its density is finite."""
    d = of_levels(np.zeros(12))
    d["y"] = d["y"].mask(d.index % 5 == 0, np.repeat(SHARES, 5))
    model = smf.mixedglm2("y ~ 1 + (1 | g)", d, "lognormal", hurdle="~ 1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit()
    # with u = 0 it is that of a binomial and of independent lognormal numbers
    z = np.log(SHARES)
    zeros = 12 * np.log(0.2) + 48 * np.log(0.8)
    numbers = -z.sum() - 6 * (np.log(2 * np.pi * z.var()) + 1)
    assert zeros + numbers - 1e-6 < fit.llf < zeros + numbers + 2


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("seed", [1102855, 1106067])
def test_a_minimum_some_hundred_times_above_rounding_is_none_without_bound(seed):
    """Responses of 4e6 to 3e8: refused where the same without the shift has a minimum."""
    assert not check(seed).failures
