"""Columns of `dispersion=` far from zero, in large units, or coded from another level.

None of this changes the model: log(sd) = log(s) + u'gamma takes shifts up in s and units in gamma.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import minimize

import statsmodels_mixed  # noqa: F401 - registers mixedlm2
from statsmodels_mixed.errors import IdentificationWarning, OptionError


def panel(seed: int = 1) -> pd.DataFrame:
    """Twenty subjects in six years; x has few digits, so that shifts and units keep all."""
    rng = np.random.default_rng(seed)
    subject, year = (each.ravel() for each in np.indices((20, 6)))
    x = np.round(rng.normal(size=120) * 2.0**10) / 2.0**10
    sd = np.exp(-0.3 + 0.4 * x)
    y = 0.3 + 0.5 * x + 0.7 * rng.normal(size=20)[subject] + sd * rng.normal(size=120)
    return pd.DataFrame(
        {"subject": subject, "year": year, "x": x, "y": y, "arm": np.where(subject % 2, "p", "q")}
    )


MODELS = {
    "random": ("y ~ x + (1 | subject)", {}),
    "correlated": ("y ~ x", {"residual": "ar1(year | subject)"}),
    "us": ("y ~ x", {"residual": "us(year | subject)"}),
}
CHANGES = {
    "years": (2000.0, 1.0),
    "dates": (738_000.0, 1.0),
    "far": (2.0**23, 1.0),
    "large": (0.0, 2.0**40),
    "small": (0.0, 2.0**-40),
    "far and large": (2.0**20, 2.0**30),
}


def fitted(model: str, data: pd.DataFrame, dispersion: str = "~ u", **options):
    formula, more = MODELS[model]
    return smf.mixedlm2(formula, data, dispersion=dispersion, **more).fit(**options)


@pytest.mark.parametrize("dispersion", ["~ u", "exp(u)"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("model", MODELS)
def test_shifts_and_units_of_a_column_do_not_matter(model, change, dispersion):
    shift, unit = CHANGES[change]
    data = panel()
    plain = fitted(model, data.assign(u=data.x), dispersion)
    fit = fitted(model, data.assign(u=unit * (data.x + shift)), dispersion)
    assert fit.converged
    assert fit.llf == pytest.approx(plain.llf, rel=1e-9)
    assert fit.params.to_numpy() == pytest.approx(plain.params.to_numpy(), rel=1e-6)
    assert fit.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-6)
    assert fit.fittedvalues.to_numpy() == pytest.approx(plain.fittedvalues.to_numpy(), rel=1e-6)
    assert fit.report.evaluations <= plain.report.evaluations + 2


def test_the_likelihood_of_years_is_the_dense_one():
    data = panel(2)
    data["u"] = 2000.0 + data.year
    fit = smf.mixedlm2("y ~ x", data, dispersion="~ u").fit()
    X, y, u = np.column_stack([np.ones(120), data.x]), data.y.to_numpy(), data.year - 2.5

    def deviance(p):
        sd = np.exp(p[0] + p[1] * u.to_numpy())
        b = np.linalg.lstsq(X / sd[:, None], y / sd, rcond=None)[0]
        return 120 * np.log(2 * np.pi) + 2 * np.log(sd).sum() + (((y - X @ b) / sd) ** 2).sum()

    best = minimize(deviance, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    assert -2 * fit.llf == pytest.approx(best.fun, rel=1e-10)
    ratio = fit.residual_parameters.estimate["u"]
    assert np.log(ratio) == pytest.approx(best.x[1], rel=1e-5)
    # s is the standard deviation in the year zero.
    log_sd = np.log(fit.residual_parameters.estimate["sd"]) + np.log(ratio) * 2002.5
    assert log_sd == pytest.approx(best.x[0], abs=1e-6)
    assert fit.model.objective(fit.theta) == pytest.approx(best.fun, rel=1e-9)
    slopes = fit.model.gradient(1.001 * fit.theta)
    steps = 1e-6 * np.diag(fit.theta)
    ends = [[fit.model.objective(1.001 * fit.theta + s * step) for s in (1, -1)] for step in steps]
    wanted = [(up - down) / (2 * step.sum()) for (up, down), step in zip(ends, steps, strict=True)]
    assert slopes == pytest.approx(np.array(wanted), rel=1e-4)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("model", ["random", "correlated"])
def test_degrees_of_freedom_do_not_depend_on_where_a_covariate_is_zero(model, dof):
    data = panel()
    plain = fitted(model, data.assign(u=data.x), reml=True, dof=dof)
    fit = fitted(model, data.assign(u=data.x + 2.0**15), reml=True, dof=dof)
    assert fit.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-6)
    assert fit.df_coef.to_numpy() == pytest.approx(plain.df_coef.to_numpy(), rel=1e-5)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom_do_not_depend_on_the_reference_level(dof):
    first, second = (
        fitted("random", panel(), f"~ C(arm, Treatment('{level}'))", reml=True, dof=dof)
        for level in "pq"
    )
    assert first.bse.to_numpy() == pytest.approx(second.bse.to_numpy(), rel=1e-6)
    assert first.df_coef.to_numpy() == pytest.approx(second.df_coef.to_numpy(), rel=1e-5)


def test_what_follows_a_fit_whose_deviation_at_zero_is_beyond_the_range_of_numbers():
    data = panel()
    plain = fitted("random", data.assign(u=data.x))
    far = data.assign(u=data.x + 2.0**23)
    fit = fitted("random", far)
    shown = fit.residual_parameters
    assert not 1e-300 < shown.estimate["sd"] < 1e300
    assert np.isnan(shown.std_error["sd"])
    assert shown.estimate["u"] == pytest.approx(plain.residual_parameters.estimate["u"], rel=1e-7)
    assert "Dispersion" in fit.summary().as_text()
    new = far.iloc[:5]
    errors = [
        each.get_prediction(rows).se_obs
        for each, rows in ((fit, new), (plain, new.assign(u=new.x)))
    ]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    draws = [each.simulate(3, seed=1) for each in (fit, plain)]
    assert np.asarray(draws[0]) == pytest.approx(np.asarray(draws[1]), rel=1e-5)
    refits = [each.bootstrap(3, seed=1).frame["beta"] for each in (fit, plain)]
    assert np.asarray(refits[0]) == pytest.approx(np.asarray(refits[1]), rel=1e-5)
    limits = [each.profile("beta").conf_int().to_numpy() for each in (fit, plain)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-5)
    limits = [each.profile("theta").conf_int().iloc[1:].to_numpy() for each in (fit, plain)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-5)
    with pytest.raises(OptionError, match="subtract these from them"):
        fit.model.objective([1.0, 1.0, 2.0])


def test_columns_that_depend_on_one_another_are_named():
    data = panel().assign(u=lambda d: d.x + 2000.0)
    with pytest.warns(IdentificationWarning, match=r"dispersion.u, dispersion.I\(2 \* u\)"):
        fit = fitted("random", data, "~ u + I(2 * u)")
    plain = fitted("random", data)
    assert fit.llf == pytest.approx(plain.llf, rel=1e-9)
    assert fit.residual_parameters.std_error[-2:].isna().all()
