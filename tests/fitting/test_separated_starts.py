"""Starts and ends of fits whose responses separate, or nearly do."""

import warnings

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import statsmodels_mixed

BINOMIAL = sm.families.Binomial()


def arms() -> pd.DataFrame:
    """Four arms of 36 in 12 groups; in arm D everybody responds."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 12), "t": np.tile(list("ABCD"), 36)})
    data["y"] = rng.binomial(1, np.where(data.t == "A", 0.3, 0.5))
    data.loc[data.t == "D", "y"] = 1
    return data.assign(B=(data.t == "B") * 1.0, C=(data.t == "C") * 1.0)


@pytest.mark.parametrize("effect", [9.0, 10.0, 30.0])
def test_an_offset_in_the_arm_that_always_responds_is_an_ordinary_fit(effect):
    # Weighted least squares without a line search ends at coefficients of 1e12 here. Rows with an
    # offset that predicts them for certain may as well be left out.
    data = arms()
    offset = data.assign(off=np.where(data.t == "D", effect, 0.0))
    fit = smf.mixedglm2("y ~ B + C + (1 | g)", offset, family=BINOMIAL, offset="off").fit()
    rest = smf.mixedglm2("y ~ B + C + (1 | g)", data[data.t != "D"], family=BINOMIAL).fit()
    assert fit.converged
    certain = 2.0 * 36 * np.exp(-effect)  # an upper bound, about, of what those rows add
    assert rest.objective <= fit.objective <= rest.objective + 3.0 * certain + 1e-9
    np.testing.assert_allclose(fit.params, rest.params, atol=1e-2 if effect < 20 else 1e-6)


@pytest.mark.parametrize("n_agq", [1, 3, 9, 25])
def test_completely_separated_rows_end_in_a_result_that_says_so(n_agq):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.arange(60) % 12})
    data["y"] = (data.x > 0) * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedglm2("y ~ x + (1 | g)", data, family=BINOMIAL).fit(n_agq=n_agq)
    assert not fit.converged
    assert "x" in fit.separated
    assert not np.any(np.isfinite(fit.bse) & (fit.bse < 10.0))


def one_certain_level(seed: int) -> pd.DataFrame:
    """Rows of which those with the third level of a factor all respond."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": rng.integers(0, 20, 200), "x": rng.normal(size=200)})
    data["level"] = rng.integers(0, 3, 200)
    mean = 1.0 / (1.0 + np.exp(-(0.3 * data.x + rng.normal(size=20)[data.g])))
    data["y"] = np.where(data.level == 2, 1.0, rng.random(200) < mean)
    return data


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("seed", [0, 9, 19, 21])
def test_a_fast_fit_holds_a_coefficient_that_tends_to_infinity(seed, link):
    # Newton steps of all coefficients together took it one further with each evaluation, until the
    # rows had no information on it that doubles can hold. They may as well be left out.
    data = one_certain_level(seed)
    family = sm.families.Binomial(
        sm.families.links.Logit() if link == "logit" else sm.families.links.Probit()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedglm2("y ~ x + C(level) + (1 | g)", data, family=family).fit(fast=True)
    rest = smf.mixedglm2("y ~ x + C(level) + (1 | g)", data[data.level < 2], family=family)
    rest = rest.fit(fast=True)
    assert fit.converged and fit.report.evaluations <= 2 * rest.report.evaluations
    np.testing.assert_allclose(fit.llf, rest.llf, atol=1e-8)
    finite = rest.params.index
    np.testing.assert_allclose(fit.params[finite], rest.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fit.bse[finite], rest.bse, rtol=1e-5)
    assert np.isnan(fit.bse["C(level)[T.2]"])


def test_separated_levels_are_fitted_in_any_coding():
    """Far out the curvature is singular to rounding, in some codings of the same columns."""
    frame = pd.DataFrame(
        {
            "y": [1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0],
            "f": list("bababaaacaa"),
            "x": [
                -108.9732,
                68.2287,
                -70.8041,
                65.8267,
                35.8916,
                40.1539,
                -18.2041,
                -96.5692,
                5.7684,
                -97.3341,
                -6.7116,
            ],
            "g": list("01010002112"),
        }
    )
    frame.loc[[6, 7], "f"] = "a"
    family = sm.families.Binomial(sm.families.links.LogLog())
    coding = {"f": patsy.Helmert()}
    model = smf.mixedglm2("y ~ f + (x || g)", frame, family=family, contrasts=coding)
    with pytest.warns(statsmodels_mixed.MixedModelWarning):
        fit = model.fit()
    # Without random effects the rows of two levels have no part in it, of the third 2 of 7 are
    # events.
    assert fit.objective <= -2 * (2 * np.log(2 / 7) + 5 * np.log(5 / 7)) + 1e-8
    assert set(fit.separated) == {"Intercept", "f[H.b]", "f[H.c]"}
