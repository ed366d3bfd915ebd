"""Comparisons and marginal means of fits with parameters of rows, against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed import inference
from statsmodels_mixed.errors import MixedModelWarning, NotOfferedError, OptionError

FORMULA = "ticks ~ year + cheight + (1 | brood)"


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    data["many"] = pd.cut(data["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
    return data


@pytest.fixture(scope="module")
def inflated(ticks):
    return smm.mixedglm2(FORMULA, ticks, "poisson", zero_inflation="~ 1").fit()


def test_zero_inflation_is_tested_at_its_edge(ticks, inflated):
    plain = smm.mixedglm2(FORMULA, ticks, "poisson").fit()
    test = inflated.compare_lr_test(plain)
    assert test.statistic == pytest.approx(2 * (inflated.llf - plain.llf), abs=1e-9)
    assert test.df_diff == 1
    assert test.pvalue == pytest.approx(0.5 * chi2.sf(test.statistic, 1), rel=1e-10)
    table = inflated.anova(plain)
    assert_allclose(table["aic"], [plain.aic, inflated.aic], rtol=1e-12)
    assert_allclose(table["bic"], [plain.bic, inflated.bic], rtol=1e-12)
    assert table["pvalue"].iloc[1] == test.pvalue


def test_the_mixture_holds_where_there_is_no_inflation():
    rng, below = np.random.default_rng(7), []
    group = np.repeat(np.arange(30), 8)
    for _ in range(40):
        y = rng.poisson(np.exp(0.5 + 0.8 * rng.standard_normal(30)[group]))
        data = pd.DataFrame({"y": y, "g": group})
        large = smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
        test = large.compare_lr_test(smm.mixedglm2("y ~ 1 + (1 | g)", data, "poisson").fit())
        assert test.statistic > -1e-5  # flat towards its supremum
        below.append(test.pvalue < 0.4)
    # 16 are expected, 8 of the p-values of a chi-squared distribution.
    assert 10 < sum(below) < 23


def test_poisson_in_a_negative_binomial_and_terms_of_a_formula(ticks, inflated):
    negative = smm.mixedglm2(FORMULA, ticks, "nbinom1", zero_inflation="~ year").fit()
    test = negative.compare_lr_test(inflated)
    assert test.df_diff == 3  # two coefficients of zeros are free, the dispersion at its edge
    wanted = 0.5 * (chi2.sf(test.statistic, 2) + chi2.sf(test.statistic, 3))
    assert test.pvalue == pytest.approx(wanted, rel=1e-10)
    two = smm.mixedglm2(FORMULA, ticks, "poisson", zero_inflation="~ year").fit()
    test = two.compare_lr_test(inflated)
    assert test.pvalue == pytest.approx(chi2.sf(test.statistic, 2), rel=1e-10)


def test_thresholds_and_terms_of_ordered_categories(ticks):
    model = smm.mixedordinal2("many ~ year + cheight + (1 | brood)", ticks)
    fit = model.fit()
    test = fit.compare_lr_test(model.update(". ~ . - year").fit())
    assert test.df_diff == 2
    assert test.pvalue == pytest.approx(chi2.sf(test.statistic, 2), rel=1e-10)
    probit = smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks, link="probit").fit()
    with pytest.raises(OptionError, match="not nested: they have different links"):
        fit.compare_lr_test(probit)


def test_what_is_not_comparable_is_said(ticks, inflated):
    hurdle = smm.mixedglm2(FORMULA, ticks, "poisson", hurdle="~ year").fit()
    with pytest.raises(OptionError, match="models are not nested: poisson is no case"):
        hurdle.compare_lr_test(inflated)
    assert np.isnan(hurdle.anova(inflated)["pvalue"]).all()
    some = smm.mixedglm2(FORMULA, ticks.iloc[:300], "poisson").fit()
    with pytest.raises(OptionError, match="different data"):
        inflated.anova(some)
    with pytest.raises(OptionError, match="table of a single fit"):
        inflated.anova(some, type=2)
    placed = ticks.assign(place=np.sin(np.arange(len(ticks))))
    other = smm.mixedglm2("ticks ~ place + (1 | brood)", placed, "poisson").fit()
    with pytest.raises(OptionError, match="'place' is no combination"):
        inflated.compare_lr_test(other)


def test_marginal_means_are_linear_functions_of_the_part_of_the_mean(ticks, inflated):
    means = inflated.emmeans("year")
    L = np.zeros((3, len(inflated.params)))
    L[:, 0], L[1, 1], L[2, 2], L[:, 3] = 1.0, 1.0, 1.0, ticks["cheight"].mean()
    covariance = inflated.cov_params().to_numpy()
    assert_allclose(means.estimate, L @ inflated.params, rtol=1e-10)
    assert_allclose(means.std_error, np.sqrt(np.diag(L @ covariance @ L.T)), rtol=1e-8)
    back = inflated.emmeans("year", type="response")
    new = pd.DataFrame({"year": ["95", "96", "97"], "cheight": ticks["cheight"].mean()})
    assert_allclose(back.estimate, inflated.predict(new, which="conditional"), rtol=1e-10)
    ratio = back.contrasts().estimate[0]
    assert ratio == pytest.approx(np.exp(-inflated.params["year[T.96]"]), rel=1e-8)


def test_joint_tests_are_walds(inflated):
    b, V = inflated.params.iloc[1:3], inflated.cov_params().iloc[1:3, 1:3]
    table = inflated.joint_tests().set_index("term")
    wald = b @ np.linalg.solve(V, b)
    assert table.loc["year", "statistic"] == pytest.approx(wald / 2, rel=1e-8)
    assert table.loc["year", "pvalue"] == pytest.approx(chi2.sf(wald, 2), rel=1e-6)


def test_what_other_fits_do_is_refused_in_a_sentence(ticks, inflated):
    for name in ("deviance", "fitlog"):
        assert not hasattr(inflated, name)
        with pytest.raises(NotOfferedError, match=f"{name} is not offered"):
            getattr(inflated, name)
    plain = smm.mixedglm2(FORMULA, ticks, "poisson").fit()
    with pytest.raises(OptionError, match="not offered for models with formulas of zeros"):
        inference.varpar_cov(inflated)
    with pytest.raises(OptionError, match=r"call its own compare_lr_test\(\)"):
        plain.compare_lr_test(inflated)
    ordered = smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks).fit()
    with pytest.raises(OptionError, match="mode= is for ordered categories"):
        inflated.emmeans("year", mode="prob")
    with pytest.raises(OptionError, match="'year' is no variable of the fixed part"):
        ordered.emmeans("year")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = inflated.nothing


def test_fits_by_the_expected_information_are_refitted(ticks):
    plain = smm.mixedglm2(FORMULA, ticks, "nbinom2")
    full = smm.mixedglm2(FORMULA, ticks, "nbinom2", zero_inflation="~ 1").fit()
    observed = full.compare_lr_test(plain.fit(hessian="observed"))
    with pytest.warns(MixedModelWarning, match="was refitted with hessian='observed'") as caught:
        test = full.compare_lr_test(plain.fit())
    assert caught[0].filename == __file__
    assert_allclose(test, observed, atol=1e-6)
    with pytest.warns(MixedModelWarning, match="to be compared") as caught:
        table = full.anova(plain.fit(), smm.mixedglm2(FORMULA, ticks, "poisson").fit())
    assert caught[0].filename == __file__
    assert table["npar"].is_monotonic_increasing


def test_a_canonical_link_goes_with_either_information(ticks):
    poisson = smm.mixedglm2(FORMULA, ticks, "poisson")
    large = smm.mixedglm2(FORMULA, ticks, "nbinom2").fit(hessian="observed")
    tests = [large.compare_lr_test(poisson.fit(hessian=how)) for how in ("expected", "observed")]
    assert_allclose(*tests, rtol=1e-5)
    # alpha is at the edge of its range: half of the tail
    assert tests[0].pvalue == pytest.approx(chi2.sf(tests[0].statistic, 1) / 2)
