"""Power and samples of cases of fits with several parts against fits one by one."""

from __future__ import annotations

import warnings

import family_cases
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed import inference
from statsmodels_mixed.bootstrap.cases import cases_of
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.simulation.streams import read_seed, stream

TABLE = family_cases.table(160, 16, 3)
INFLATED = "counts ~ x + (1 | g)", TABLE, "poisson"


@pytest.fixture(scope="module")
def inflated():
    return smm.mixedglm2(*INFLATED, zero_inflation="~ x").fit()


@pytest.mark.parametrize("kind", ["inflated", "dispersed", "ordered", "zeros"])
def test_samples_of_cases_are_fits_of_tables(kind):
    def model(table):
        if kind == "ordered":
            return smm.mixedordinal2("categories ~ x + (1 | g)", table)
        parts = {
            "inflated": {"zero_inflation": "~ x"},
            "dispersed": {"dispersion": "~ x"},
            "zeros": {"zero_inflation": "~ 1 + (1 | g)"},
        }[kind]
        family = "negative_binomial" if kind == "dispersed" else "poisson"
        return smm.mixedglm2("counts ~ x + (1 | g)", table, family, **parts)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smm.errors.MixedModelWarning)
        fit = model(TABLE).fit()
        replicates = inference.bootstrap(fit, 2, kind="cases", seed=4)
        # The levels that were drawn, by the generator of the samples.
        cases = cases_of(fit.model.kept_design(), "g")
        drawn = cases.draw(stream(read_seed(4), 0), 2)
        for r in range(2):
            parts = [TABLE[TABLE["g"] == level].assign(g=i) for i, level in enumerate(drawn[r])]
            sample = model(pd.concat(parts, ignore_index=True)).fit()
            assert replicates.frame[("objective", "")].iloc[r] == pytest.approx(
                -2 * sample.llf, abs=1e-5
            )
            known = sample.bse.notna()
            gap = (replicates.frame["beta"].iloc[r] - sample.params) / sample.bse
            assert_allclose(gap[known], 0.0, atol=2e-3)
    assert replicates.conf_int(kinds="beta").shape[0] == len(fit.params)


def test_options_of_samples(inflated):
    with pytest.raises(OptionError, match='cannot be used with kind="cases"'):
        inflated.bootstrap(2, kind="cases", beta={"x": 1.0})
    with pytest.raises(OptionError, match="by= is for"):
        inflated.bootstrap(2, by="g")
    with pytest.raises(OptionError, match="no grouping factor"):
        inflated.bootstrap(2, kind="cases", by="h")


def test_power_is_the_share_of_walds_tests_of_refits(inflated):
    contrasts = {"both": np.eye(4)[[1, 3]], "x": np.eye(4)[1]}
    power = inference.power(inflated, 3, beta={"x": 0.1}, hypotheses=contrasts, seed=2)
    drawn = inflated.simulate(3, beta={"x": 0.1}, seed=2)
    for r in range(3):
        fit = inflated.refit(np.asarray(drawn)[:, r])
        for name, rows in contrasts.items():
            some = np.atleast_2d(rows)
            d = some @ fit.params
            wald = d @ np.linalg.solve(some @ np.asarray(fit.cov_params()) @ some.T, d)
            expected = chi2.sf(wald, len(some))
            assert power.pvalues.loc[r, name] == pytest.approx(expected, rel=5e-3, abs=1e-9)
    again = inflated.power(3, beta={"x": 0.1}, hypotheses=contrasts, seed=2, threads=1)
    pd.testing.assert_frame_equal(again.pvalues, power.pvalues)


def test_power_of_coefficients_and_terms():
    fit = smm.mixedordinal2("categories ~ x + (1 | g)", TABLE).fit()
    power = fit.power(3, beta={"x": 3.0}, seed=1)
    assert power.pvalues.columns.tolist() == fit.params.index.tolist()
    assert power.table()["power"]["x"] == 1.0
    assert fit.power(3, hypotheses="terms", seed=1).pvalues.columns.tolist() == ["x"]
    with pytest.raises(OptionError, match="test='score' is not offered"):
        fit.power(3, test="score")
    with pytest.raises(OptionError, match="one for each of the 4 estimable coefficients"):
        fit.power(3, hypotheses={"x": [1.0, 0.0]})


# A family with formulas, and by the name of a hypothesis the formulas for which it holds.
SMALLER = {
    "nbinom2": (
        {"zero_inflation": "~ x", "dispersion": "~ x"},
        {
            "x": {"formula": "counts ~ f + (1 | g)"},
            "f": {"formula": "counts ~ x + (1 | g)"},
            "zi: x": {"zero_inflation": "~ 1"},
            "disp: x": {"dispersion": "~ 1"},
        },
    ),
    "poisson": (
        {"hurdle": "~ f"},
        {
            "hurdle: f": {"hurdle": "~ 1"},
            "x": {"formula": "counts ~ f + (1 | g)"},
        },
    ),
}


@pytest.mark.parametrize("family", SMALLER)
def test_likelihood_ratio_tests_are_those_of_models_without_the_terms(family):
    parts, smaller = SMALLER[family]
    table = TABLE.assign(f=np.resize(list("abc"), len(TABLE)))
    formula = "counts ~ x + f + (1 | g)"
    fit = smm.mixedglm2(formula, table, family, **parts).fit()
    rows = np.eye(len(fit.params))
    names = fit.params.index
    hypotheses = {
        name: rows[names.str.fullmatch(name) | names.str.match(f"{name}\\[")] for name in smaller
    }
    power = fit.power(1, test="lrt", hypotheses=hypotheses, seed=3)
    drawn = table.assign(counts=np.asarray(fit.simulate(1, seed=3)).ravel())
    whole = smm.mixedglm2(formula, drawn, family, **parts).fit()
    for name, options in smaller.items():
        given = {"formula": formula, **parts, **options}
        less = smm.mixedglm2(given.pop("formula"), drawn, family, **given).fit()
        expected = chi2.sf(2 * (whole.llf - less.llf), len(hypotheses[name]))
        assert power.pvalues.loc[0, name] == pytest.approx(expected, rel=1e-4)
    assert power.converged.all()
    with pytest.raises(OptionError, match="has coefficients of several parts"):
        fit.power(1, test="lrt", hypotheses={"all": np.ones(len(names))})


def test_likelihood_ratio_tests_of_ordered_categories():
    fit = smm.mixedordinal2("categories ~ x + (1 | g)", TABLE).fit()
    power = fit.power(2, test="lrt", seed=3)
    assert power.pvalues.columns.tolist() == ["x"]
    drawn = np.asarray(fit.simulate(2, seed=3))
    for r in range(2):
        table = TABLE.assign(categories=drawn[:, r])
        llf = [
            smm.mixedordinal2(f"categories ~ {x} + (1 | g)", table).fit().llf for x in ("x", "1")
        ]
        expected = chi2.sf(2 * (llf[0] - llf[1]), 1)
        assert power.pvalues.loc[r, "x"] == pytest.approx(expected, rel=1e-4)
