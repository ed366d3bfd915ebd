"""Coefficients without a finite estimate: nothing that follows the fit speaks of finite numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.optimize import brentq

from statsmodels_mixed import MixedModelWarning, SeparationWarning, inference

B = sm.families.Binomial()


def quiet(model, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(**how)


@pytest.fixture(scope="module")
def arms():
    """Four arms at twelve sites; in arm D everybody responds."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 12), "t": np.tile(list("ABCD"), 36)})
    data["y"] = rng.binomial(1, np.where(data.t == "A", 0.3, 0.5))
    data.loc[data.t == "D", "y"] = 1
    data["c"] = rng.poisson(np.where(data.t == "D", 0, 2.0))
    return data


@pytest.fixture(scope="module")
def separated(arms):
    return quiet(smf.mixedglm2("y ~ t + (1 | g)", arms, family=B))


def test_tests_of_infinite_coefficients_are_nan(separated):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        robust = separated.with_inference(cov_type="cluster", cov_kwds={"groups": "g"})
        for fit in (separated, robust):
            assert np.isnan(fit.bse["t[T.D]"]) and np.isnan(fit.pvalues["t[T.D]"])
            assert np.isnan(fit.conf_int().loc["t[T.D]"]).all()
            assert np.isfinite(fit.bse.drop("t[T.D]")).all()
            assert np.isfinite(fit.pvalues.drop("t[T.D]")).all()
            apart = fit.t_test("t[T.D] - t[T.B] = 0")
            assert np.isnan(apart.pvalue).all()
            assert np.isfinite(fit.t_test("t[T.C] - t[T.B] = 0").pvalue).all()
            assert np.isnan(fit.wald_test("t[T.D] = 0, t[T.B] = 0").pvalue)
    assert "nan" in str(separated.summary())


def test_profile_is_infinite_on_one_side(arms, separated):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        limits = separated.profile("beta").conf_int().loc[("beta", "t[T.D]")]
    assert not [w for w in caught if "bootstrap" in str(w.message)]

    def rise(b):
        data = arms.assign(
            o=np.where(arms.t == "D", b, 0.0), B=(arms.t == "B") * 1.0, C=(arms.t == "C") * 1.0
        )
        fit = quiet(smf.mixedglm2("y ~ B + C + (1 | g)", data, family=B, offset="o"))
        return fit.objective - separated.objective - 3.841458820694124

    np.testing.assert_allclose(limits.lower, brentq(rise, 1, 6), rtol=1e-3)
    assert limits.upper == np.inf


def test_profile_is_infinite_below_where_there_are_no_counts(arms):
    fit = quiet(smf.mixedglm2("c ~ t + (1 | g)", arms, family=sm.families.Poisson()))
    limits = fit.profile("beta").conf_int().loc[("beta", "t[T.D]")]
    assert limits.lower == -np.inf and np.isfinite(limits.upper)
    with pytest.warns(SeparationWarning, match="R2 and ICC are NaN"):
        assert np.isnan(inference.r2(fit)).all()


def test_bootstrap_of_a_separated_fit_has_no_limits(separated):
    boot = separated.bootstrap(20, seed=1)
    assert boot.separated["t[T.D]"] == 20
    for how in ("percentile", "basic", "equal-tail", "shortest"):
        row = boot.conf_int(method=how).loc[("beta", "t[T.D]")]
        assert np.isnan(row.lower) and np.isnan(row.upper)


@pytest.fixture(scope="module")
def rare():
    """8 of 30 events against 2 of 30: a tenth of the replicates separate."""
    g, arm, y = np.repeat(range(10), 6), np.tile([0, 1], 30), np.zeros(60, int)
    rng = np.random.default_rng(20)
    y[rng.choice(np.flatnonzero(arm == 0), 8, replace=False)] = 1
    y[rng.choice(np.flatnonzero(arm == 1), 2, replace=False)] = 1
    return pd.DataFrame({"g": g, "arm": arm, "y": y})


def test_separated_replicates_are_counted_and_infinite(rare):
    fit = quiet(smf.mixedglm2("y ~ arm + (1 | g)", rare, family=B))
    drawn = np.asarray(fit.simulate(200, seed=1))
    none = (drawn[rare.arm == 1] == 0).all(axis=0)
    boot = fit.bootstrap(200, seed=1)
    assert none.sum() > 5
    assert np.array_equal(boot.frame[("beta", "arm")] == -np.inf, none)
    assert np.isnan(boot.frame[("se", "arm")][none]).all()
    assert boot.separated["arm"] == none.sum()
    assert f"{none.sum()} separated" in repr(boot)
    rows = [boot.conf_int(method=how).loc[("beta", "arm")] for how in ("percentile", "basic")]
    assert rows[0].lower == -np.inf and np.isfinite(rows[0].upper)
    assert rows[1].upper == np.inf and np.isfinite(rows[1].lower)
    assert boot.conf_int().loc[("beta", "arm"), "replicates"] == 200


def test_power_has_no_wald_tests_of_separated_replicates(rare):
    """A Wald test of an infinite estimate, p = .9999, is none: that of the fit itself is NaN."""
    fit = quiet(smf.mixedglm2("y ~ arm + (1 | g)", rare, family=B))
    none = (np.asarray(fit.simulate(200, seed=1))[rare.arm == 1] == 0).all(axis=0)
    contrasts = {"arm": [0, 1], "both": np.eye(2), "base": [1, 0]}
    power = fit.power(200, hypotheses=contrasts, seed=1)
    for name in ("arm", "both"):
        assert np.array_equal(power.pvalues[name].isna(), none)
    assert power.pvalues["base"].notna().all()
    assert power.table()["replicates"].tolist() == [200 - none.sum(), 200 - none.sum(), 200]
    assert "those that have are counted" in str(power)
    with pytest.warns(MixedModelWarning, match="no replicate has a test of 'arm', 'both'"):
        never = fit.power(3, beta={"arm": -30.0}, hypotheses=contrasts, seed=1)
    assert never.table()["replicates"].tolist() == [0, 0, 3]


def test_group_without_which_the_rest_separates_has_no_influence_in_numbers(rare):
    data = rare.copy()
    data["y"] = ((data.arm == 1) & (data.g == 3)).astype(int)
    rng = np.random.default_rng(3)
    data.loc[data.arm == 0, "y"] = rng.integers(0, 2, 30)
    fit = quiet(smf.mixedglm2("y ~ arm + (1 | g)", data, family=B))
    assert not fit.separated
    cases = fit.influence(by="g")
    assert np.isnan(cases.params.loc[3, "arm"]) and np.isnan(cases.bse.loc[3, "arm"])
    assert np.isnan(cases.cooks_distance()[3]) and np.isnan(cases.covratio()[3])
    assert np.isfinite(cases.params.drop(3)).all(axis=None)


def test_complete_separation_is_no_convergence():
    r = np.random.default_rng(1)
    data = pd.DataFrame({"x": r.normal(size=60), "g": np.arange(60) % 12})
    data["y"] = (data.x > 0) * 1.0
    model = smf.mixedglm2("y ~ x + (1 | g)", data, family=B)
    for n_agq in (1, 3):
        fit = quiet(model, n_agq=n_agq)
        assert not fit.converged
        assert "separates completely" in fit.report.message
        assert fit.objective < 0.01
        assert set(fit.separated) == {"Intercept", "x"}


def test_joint_tests_of_a_separated_term_are_nan(arms):
    # anova had F = .52 and p = .67 for three contrasts, one of which is infinite.
    data = arms.assign(x=np.random.default_rng(2).normal(size=len(arms)))
    fit = quiet(smf.mixedglm2("y ~ t + x + (1 | g)", data, family=B))
    wald = float(fit.wald_test("x = 0").statistic)
    for typ in (2, 3):
        table = fit.anova(typ=typ)
        assert table.loc["t", ["F", "PR(>F)"]].isna().all()
        np.testing.assert_allclose(table.loc["x", "F"], wald, rtol=1e-9)
    joint = fit.joint_tests().set_index("term")
    assert np.isnan(joint.loc["t", "pvalue"])
    assert np.isfinite(joint.loc["x", "pvalue"])
    for how in ({"dof": "residual"}, {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}):
        table = fit.with_inference(**how).anova(typ=3)
        assert np.isnan(table.loc["t", "PR(>F)"])
        assert np.isfinite(table.loc["x", "PR(>F)"])
    rows = np.eye(len(fit.params))[[list(fit.params.index).index(f"t[T.{one}]") for one in "BCD"]]
    assert np.isfinite(inference.f_test(fit, rows[:2], dof=None).pvalue)
    assert np.isnan(inference.f_test(fit, rows[1:], dof=None).pvalue)
