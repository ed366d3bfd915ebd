"""What follows a fit with correlated residuals, against dense matrices and fits made by hand."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed
from statsmodels_mixed import OptionError, SingularFitWarning, datasets, inference

BOTH = "distance ~ age * sex + (1 | subject)"


@cache
def growth() -> pd.DataFrame:
    """Return Orthodont without a few rows."""
    table = datasets.load("orthodont")
    lost = (table["age"] > 10) & table["subject"].astype(str).str.endswith("3")
    return table[~lost].reset_index(drop=True)


@cache
def fitted(formula: str = "distance ~ age * sex", reml: bool = False, **options: Any) -> Any:
    options = options or {"residual": "ar1(age | subject)"}
    return smf.mixedlm2(formula, growth(), **options).fit(reml=reml)


def dense(fit: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, R and the covariance G of the random intercepts by subject, by their numbers."""
    table, design = growth(), fit.kept_design()
    natural = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    subject, age = table["subject"].astype(str).to_numpy(), table["age"].to_numpy()
    same = subject[:, None] == subject
    lag = np.abs(age[:, None] - age) / 2.0
    R = np.where(same, natural["Residual.sd"] ** 2 * natural["Residual.rho"] ** lag, 0.0)
    return design.X, R, np.where(same, natural.get("subject.sd[Intercept]", 0.0) ** 2, 0.0)


def test_conditional_variances_by_dense_matrices():
    fit = fitted(BOTH)
    _, R, ZGZ = dense(fit)
    # Z b of a row is the intercept of its subject.
    variance = np.diag(ZGZ - ZGZ @ np.linalg.solve(R + ZGZ, ZGZ))
    first = growth()["subject"].astype(str).drop_duplicates()
    found = fit.ranef(form="long").set_index("level")["std_error"]
    assert found[first].to_numpy() == pytest.approx(np.sqrt(variance[first.index]), rel=1e-9)
    matrices = fit.condvar()["subject"]
    assert matrices.of(first.iloc[3])[0:1].to_numpy() == pytest.approx(
        variance[first.index[3]], rel=1e-9
    )


@pytest.mark.parametrize("formula", ["distance ~ age * sex", BOTH])
@pytest.mark.parametrize("reml", [False, True])
def test_influence_is_that_of_fits_without_the_subject(formula, reml):
    fit = fitted(formula, reml)
    influence = fit.influence("subject")
    assert influence.converged.all()
    for name in influence.params.index[[0, 5]]:
        rest = growth()[growth()["subject"] != name]
        alone = smf.mixedlm2(formula, rest, residual="ar1(age | subject)").fit(reml=reml)
        assert influence.params.loc[name].to_numpy() == pytest.approx(
            alone.params.to_numpy(), rel=1e-6
        )
        assert influence.bse.loc[name].to_numpy() == pytest.approx(alone.bse.to_numpy(), rel=1e-5)
        assert influence.theta.loc[name].to_numpy() == pytest.approx(
            alone.estimates.natural.values, rel=1e-4
        )
        assert influence.objective[name] == pytest.approx(-2.0 * alone.llf, abs=1e-7)
        d = fit.params.to_numpy() - alone.params.to_numpy()
        cook = d @ np.linalg.solve(fit.cov_params(), d) / len(d)
        assert influence.cooks_distance()[name] == pytest.approx(cook, rel=1e-4)


def test_influence_of_rows():
    influence = fitted().influence()
    rest = growth().drop(index=7)
    alone = smf.mixedlm2("distance ~ age * sex", rest, residual="ar1(age | subject)").fit()
    assert influence.params.loc[7].to_numpy() == pytest.approx(alone.params.to_numpy(), rel=1e-6)


def test_a_subject_that_determines_a_coefficient():
    table = growth().assign(only=lambda t: (t["subject"] == t["subject"].iloc[0]).astype(float))
    fit = smf.mixedlm2("distance ~ age + only", table, residual="ar1(age | subject)").fit()
    influence = fit.influence("subject")
    without = influence.params.loc[table["subject"].iloc[0]]
    assert np.isnan(without["only"])
    rest = table[table["only"] == 0.0]
    alone = smf.mixedlm2("distance ~ age", rest, residual="ar1(age | subject)").fit()
    assert without[["Intercept", "age"]].to_numpy() == pytest.approx(
        alone.params.to_numpy(), rel=1e-6
    )


@pytest.mark.parametrize("options", [{}, {"dispersion": "~ sex"}])
def test_replicates_are_fits_to_the_draws(options):
    fit = fitted(BOTH, True, **options) if options else fitted("distance ~ age * sex", True)
    replicates = fit.bootstrap(6, seed=3, threads=2)
    draws = fit.simulate(6, seed=3)
    for r in (0, 5):
        other = fit.refit(draws[:, r])
        row = replicates.frame.iloc[r]
        assert row["beta"].to_numpy() == pytest.approx(other.params.to_numpy(), rel=1e-5)
        assert row["theta"].to_numpy() == pytest.approx(
            other.estimates.natural.values, rel=1e-4, abs=1e-6
        )
        assert row["se"].to_numpy() == pytest.approx(other.bse.to_numpy(), rel=1e-4)
    assert list(replicates.frame["theta"].columns) == list(fit.estimates.natural.names)


def test_draws_have_the_covariance_they_should():
    fit = fitted(BOTH)
    _, R, ZGZ = dense(fit)
    draws = fit.simulate(4000, seed=1)
    assert draws[:, :2] == pytest.approx(fit.simulate(2, seed=1), abs=0.0)
    found = np.cov(draws)[:4, :4]
    assert found == pytest.approx((R + ZGZ)[:4, :4], abs=0.35)
    kept = fit.simulate(4000, seed=1, re="conditional")
    assert kept.mean(axis=1) == pytest.approx(np.asarray(fit.fittedvalues), abs=0.2)
    assert np.cov(kept)[:4, :4] == pytest.approx(R[:4, :4], abs=0.25)
    moved = fit.simulate(1, seed=1, beta={"age": fit.params["age"] + 1.0})
    assert moved[:, 0] - draws[:, 0] == pytest.approx(growth()["age"].to_numpy(), rel=1e-9)


def test_draws_at_the_end_of_a_range():
    """With correlations of -1 / 2 the three residuals of a subject add up to zero."""
    table = growth()[growth()["age"] < 14]
    table = table[table.groupby("subject", observed=True)["age"].transform("size") == 3]
    model = smf.mixedlm2("distance ~ age", table, residual="cs(age | subject)")
    draws = model.fit().simulate(50, seed=1, theta=[2.0, -0.5], beta=[0.0, 0.0])
    sums = pd.DataFrame(draws).groupby(table["subject"].to_numpy()).sum()
    assert np.abs(sums.to_numpy()).max() < 1e-3
    assert draws.std() == pytest.approx(2.0, rel=0.05)


def test_replicates_are_saved_and_resumed(tmp_path):
    fit, path = fitted(BOTH), tmp_path / "replicates.arrow"
    whole = fit.bootstrap(6, seed=2)
    fit.bootstrap(3, seed=2, path=path)
    resumed = fit.bootstrap(6, seed=2, path=path)
    pd.testing.assert_frame_equal(resumed.frame, whole.frame)
    back = inference.Bootstrap.restore(path)
    pd.testing.assert_frame_equal(back.frame, whole.frame)
    ends = whole.conf_int(kinds="theta")
    assert (ends["lower"] <= ends["upper"]).all()
    other = fitted("distance ~ age * sex")
    with pytest.raises(OptionError, match="another model"):
        other.bootstrap(6, seed=2, path=path)


@pytest.mark.parametrize(
    "options",
    [
        {"residual": "us(age | subject)"},
        {"residual": "ar1(age | subject, by=sex)"},
        {"residual": "cs(age | subject)", "dispersion": "power(age)"},
        {"dispersion": "~ sex"},
    ],
)
def test_saved_fits_are_the_same(options, tmp_path):
    formula = BOTH if len(options) == 1 and "dispersion" in options else "distance ~ age * sex"
    fit = fitted(formula, True, **options)
    fit.influence("subject") if "cs" in str(options) else None  # what it computes is not saved
    fit.to_dir(tmp_path / "fit")
    back = statsmodels_mixed.open(tmp_path / "fit")
    assert back.summary().as_text() == fit.summary().as_text()
    pd.testing.assert_series_equal(back.residuals("normalized"), fit.residuals("normalized"))
    assert back.with_inference(dof="kenward-roger").bse.to_numpy() == pytest.approx(
        fit.with_inference(dof="kenward-roger").bse.to_numpy(), rel=1e-12
    )
    assert back.simulate(1, seed=1) == pytest.approx(fit.simulate(1, seed=1), abs=0.0)


def test_drop1_and_ranova_are_fits_of_the_smaller_models():
    fit = fitted(BOTH)
    table = fit.drop1()
    smaller = smf.mixedlm2(
        "distance ~ age + sex + (1 | subject)", growth(), residual="ar1(age | subject)"
    ).fit()
    assert table["llf"].to_numpy() == pytest.approx([fit.llf, smaller.llf], rel=1e-9)
    assert table["pvalue"].iloc[1] == pytest.approx(chi2.sf(2.0 * (fit.llf - smaller.llf), 1))
    reml = fitted(BOTH, True)
    row = reml.ranova().iloc[1]
    without = fitted("distance ~ age * sex", True)
    assert row["llf"] == pytest.approx(without.llf, rel=1e-9)
    statistic = 2.0 * (reml.llf - without.llf)
    assert row["df_diff"] == 1
    assert row["pvalue"] == pytest.approx(chi2.sf(statistic, 1), rel=1e-5)
    # The variance is at the edge of its range: half the mass is at zero.
    assert row["pvalue_boundary"] == pytest.approx(chi2.sf(statistic, 1) / 2.0, rel=1e-5)


def test_rows_beside_the_data():
    fit = fitted(BOTH)
    table = fit.augment()
    assert table[".normalized"].to_numpy() == pytest.approx(
        fit.residuals("normalized").to_numpy(), abs=0.0
    )
    assert table[".fitted"].to_numpy() == pytest.approx(np.asarray(fit.fittedvalues), abs=0.0)
    assert table[".hat"].to_numpy() == pytest.approx(fit.leverage().to_numpy(), abs=0.0)
    assert table[".cooksd"].to_numpy() == pytest.approx(fit.cooks_distance().to_numpy(), abs=0.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: fit.icc(), "no random effects"),
        (lambda fit: fit.simulate(sigma=1.0), "theta= has all covariance parameters"),
        (lambda fit: fit.simulate(theta=[1.0]), "theta= must hold 2 finite numbers"),
    ],
)
def test_what_is_refused_says_why(call, words):
    with pytest.raises(OptionError, match=words):
        call(fitted())


def test_nested_covariances_are_compared():
    cs, us = fitted(residual="cs(age | subject)"), fitted(residual="us(age | subject)")
    row = cs.anova(us).iloc[1]
    statistic = 2.0 * (us.llf - cs.llf)
    assert us.compare_lr_test(cs)[:2] == pytest.approx((statistic, chi2.sf(statistic, 8)))
    # Equal variances and correlations lie inside the range of us(): chi-squared holds.
    assert row["pvalue_boundary"] == row["pvalue"] == pytest.approx(chi2.sf(statistic, 8))
    plain, both = fitted("distance ~ age * sex"), fitted(BOTH)
    row = plain.anova(both).iloc[1]
    statistic = 2.0 * (both.llf - plain.llf)
    # A variance of random effects does not: half of the mass is at zero.
    assert row["pvalue_boundary"] == pytest.approx(chi2.sf(statistic, 1) / 2.0, rel=1e-6)


def test_boundaries_are_said_in_words():
    rng = np.random.default_rng(1)
    y = rng.standard_normal((40, 4))
    table = pd.DataFrame({"s": np.repeat(np.arange(40), 4), "v": np.tile(np.arange(4), 40)})
    table["y"] = (y - y.mean(axis=1, keepdims=True)).ravel()
    with pytest.warns(SingularFitWarning):
        fit = smf.mixedlm2("y ~ C(v) + (1 | s)", table, residual="ar1(v | s)").fit()
    text = fit.summary().as_text()
    assert "At the boundary: sd[Intercept] of s (us)" in text
    assert np.isnan(fit.estimates.structures[-1].errors[0])
    assert "residual= or dispersion= fits the rest" in str(fit.check())


@pytest.mark.parametrize("test", ["wald", "lrt"])
def test_power_is_the_share_of_fits_to_draws(test):
    fit, truth = fitted(), {"age": 0.3, "sex[T.Female]": 0.0}
    power = fit.power(4, beta=truth, seed=5, test=test)
    draws = fit.simulate(4, beta=truth, seed=5)
    for r in range(4):
        other = fit.refit(draws[:, r])
        if test == "wald":
            wanted = float(other.pvalues["age"])
        else:
            table = growth().assign(distance=draws[:, r])
            smaller = smf.mixedlm2(
                "distance ~ sex + I(age * (sex == 'Female'))",
                table.assign(sex=table["sex"].astype(str)),
                residual="ar1(age | subject)",
            ).fit()
            wanted = float(chi2.sf(2.0 * (other.llf - smaller.llf), 1))
        assert power.pvalues["age"].iloc[r] == pytest.approx(wanted, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("formula", "test"),
    [
        ("distance ~ age * sex", "satterthwaite"),
        ("distance ~ age * sex", "kenward-roger"),
        ("distance ~ age * sex", "kenward-roger-mmrm"),
        ("distance ~ age * sex", "between-within"),
        (BOTH, "satterthwaite"),
    ],
)
def test_power_has_the_degrees_of_freedom_of_each_fit(formula, test):
    fit, truth = fitted(formula, True), {"age": 0.3, "sex[T.Female]": 0.0}
    power = fit.power(3, beta=truth, seed=5, test=test)
    terms = fit.power(3, beta=truth, seed=5, test=test, hypotheses="terms")
    draws = fit.simulate(3, beta=truth, seed=5)
    for r in range(3):
        other = fit.refit(draws[:, r]).with_inference(dof=test)
        wanted = other.pvalues
        assert power.pvalues.iloc[r].to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-3)
        joint = other.anova(type=3)["PR(>F)"]
        assert terms.pvalues.iloc[r][joint.index].to_numpy() == pytest.approx(joint, rel=1e-3)
    own = fit.with_inference(dof=test).power(3, beta=truth, seed=5)
    assert own.test == test
    assert own.pvalues.to_numpy() == pytest.approx(power.pvalues.to_numpy(), rel=1e-9)
    expected = {"dof": test, "information": "expected"}
    own = fit.with_inference(**expected).power(1, beta=truth, seed=5)
    wanted = fit.refit(draws[:, 0]).with_inference(**expected).pvalues
    assert own.pvalues.iloc[0].to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-3)


def test_kenward_roger_of_simulated_tests_needs_reml():
    with pytest.raises(OptionError, match="'kenward-roger-mmrm' is for fits by REML"):
        fitted().power(2, test="kenward-roger-mmrm")
    with pytest.raises(OptionError, match=r"test= is one of .*'between-within', not 'score'"):
        fitted().power(2, test="score")


def test_ranks_among_draws():
    fit = fitted(BOTH)
    check = fit.simulated_residuals(60, seed=1)
    assert check.simulated == pytest.approx(fit.simulate(60, seed=1), abs=0.0)
    below = (check.simulated < growth()["distance"].to_numpy()[:, None]).sum(axis=1)
    assert np.floor(check.residuals.to_numpy() * 61.0) == pytest.approx(below)


def test_plots_of_effects_and_influence():
    fit = fitted(BOTH)
    assert fit.plot.caterpillar() is not None
    assert fit.plot.influence("subject").get_xlabel() == "subject"
    assert fit.profile("theta").plot() is not None
    assert fit.bootstrap(4, seed=1).plot() is not None


def test_a_fresh_process_draws_the_same():
    # What draws is found by the kind of estimates, not by what was imported before.
    program = (
        "import statsmodels_mixed as sm, statsmodels.formula.api as smf\n"
        "table = sm.datasets.load('orthodont')\n"
        "fit = smf.mixedlm2('distance ~ age', table, residual='ar1(age | subject)').fit()\n"
        "first = fit.bootstrap(2, seed=1, threads=1).frame['beta']\n"
        "other = fit.refit(fit.simulate(2, seed=1)[:, 0]).params\n"
        "assert abs(first.iloc[0].to_numpy() - other.to_numpy()).max() < 1e-6\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_influence_does_not_depend_on_the_unit_of_the_response() -> None:
    """A standard deviation that is nearly zero without one group: the criterion is level there.

    Searches ended where it promised less than rounding errors of n log(unit) in it.
    """
    rng = np.random.default_rng(4)
    g, t = np.repeat(np.arange(14), 5), np.tile(np.arange(5), 14)
    x, f = rng.normal(size=70), rng.integers(0, 3, 70)
    noise = rng.normal(size=(14, 5))
    for i in range(1, 5):
        noise[:, i] = 0.5 * noise[:, i - 1] + 0.8 * noise[:, i]
    y = 1 + 0.5 * x + 0.6 * (f == 1) + 0.5 * rng.normal(size=14)[g] + noise.ravel()
    frame = pd.DataFrame({"y": y, "x": x, "f": f, "g": g, "t": t}).drop(index=[3, 17, 18, 40, 66])
    unit = 2.0**200
    one, other = (
        smf.mixedlm2("y ~ x + C(f) + (1 | g)", each, residual="ar1(t | g)").fit(reml=True)
        for each in (frame, frame.assign(y=frame["y"] * unit))
    )
    one, other = one.influence("g"), other.influence("g")
    np.testing.assert_allclose(other.params / unit, one.params, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.covratio(), one.covratio(), rtol=1e-6)


def test_errors_of_predictions_with_random_effects_do_not_depend_on_the_origin_of_a_covariate():
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(15), 8)
    data = pd.DataFrame(
        {"g": group, "k": rng.choice(list("uv"), 120), "x": rng.integers(9, size=120) / 8}
    )
    data["y"] = data["x"] + 2 * rng.normal(size=15)[group] + rng.normal(size=120)
    formula = "y ~ x + (1 | g)"
    near = smf.mixedlm2(formula, data, dispersion="~ k").fit(reml=True)
    far = smf.mixedlm2(formula, data.assign(x=data["x"] + 2.0**23), dispersion="~ k").fit(reml=True)
    errors = [fit.get_prediction(re=True).summary_frame()["mean_se"] for fit in (near, far)]
    assert_allclose(errors[1], errors[0], rtol=1e-6)
