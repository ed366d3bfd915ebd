"""Fits end at the optimum, from anywhere, in few evaluations, and say how they ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import simulated
import statsmodels.formula.api as smf
import tolerances as tol
from numpy.testing import assert_allclose
from patsy import Treatment
from reference import load
from small_models import MODELS, fit, fit_shipped

from statsmodels_mixed import (
    ConvergenceWarning,
    IdentificationWarning,
    SingularFitWarning,
    datasets,
)

ML_OR_REML = pytest.mark.parametrize("reml", [False, True], ids=["ML", "REML"])
each_small_model = pytest.mark.parametrize("name", MODELS)


def days_as_levels(**how: Any) -> Any:
    """Fit sleepstudy with a random effect for every day: 55 covariance parameters."""
    with pytest.warns(IdentificationWarning, match="residual variance"):
        return fit(
            MODELS["sleepstudy"],
            datasets.load("sleepstudy"),
            {"contrasts": {"days": Treatment()}},
            **how,
        )


def assert_same_optimum(result: Any, objective: float) -> None:
    assert result.converged
    assert abs(result.objective - objective) <= tol.OBJECTIVE_ABOVE


# Few evaluations.


@ML_OR_REML
@pytest.mark.parametrize("name, most", [("sleepstudy", 25), ("penicillin", 20), ("machines", 60)])
def test_evaluations(name, most, reml):
    result = fit_shipped(name, reml=reml)
    assert result.converged
    assert result.report.evaluations <= most


@ML_OR_REML
def test_evaluations_where_the_mean_is_badly_wrong(reml):
    # Without an intercept the random ones take over the mean: the average information is many
    # times the Hessian there.
    model = smf.mixedlm2("reaction ~ 0 + days + (1 + days | subj)", datasets.load("sleepstudy"))
    result = model.fit(reml=reml)
    assert result.report.evaluations <= 40
    other = model.fit(reml=reml, optimizer="LD_LBFGS", ftol_rel=1e-14)
    assert_same_optimum(result, other.objective)


def test_changes_of_the_gradient_correct_slow_steps():
    """The average information of many small groups gains one digit a step: 10 evaluations."""
    result = smf.mixedlm2(
        "score ~ 1 + gcsecnt + (1 | school) + (1 | lea)", datasets.load("chem97")
    ).fit(reml=False)
    record = next(r for r in load("lmm") if (r["id"], r["method"]) == ("chem97", "ML"))
    assert abs(result.objective - record["objective"]) <= tol.OBJECTIVE_ABOVE
    assert_allclose(result.theta, record["theta"], rtol=1e-5)
    assert result.report.evaluations <= 8


def test_random_models_without_an_intercept_converge():
    rng = np.random.default_rng(3)
    evaluations = []
    for _ in range(60):
        n = int(rng.integers(40, 200))
        frame = pd.DataFrame({"g": rng.integers(0, 12, n), "h": rng.integers(0, 8, n)})
        x = rng.normal(size=n) * 10 ** rng.uniform(-1, 1) + 3 * rng.normal()
        y = 10 * rng.normal() + x * rng.normal(size=12)[frame["g"]]
        y += rng.normal(size=12)[frame["g"]] + rng.normal(size=8)[frame["h"]]
        frame = frame.assign(x=x, y=y + rng.normal(size=n))
        result = fit("y ~ 0 + x + (1 + x | g) + (1 | h)", frame)
        assert result.converged
        evaluations.append(result.report.evaluations)
    assert np.median(evaluations) <= 30


@ML_OR_REML
def test_days_as_levels_reach_the_closed_form(reml):
    """With as many random effects as rows the covariance S of a subject's ten values is free.

    The mean of each day is free as well, so the optimum is that of a sample of 18 normal
    vectors: S is their sample covariance, with divisor 18, or 17 under REML.
    """
    table = datasets.load("sleepstudy").pivot(index="subj", columns="days", values="reaction")
    values = table.to_numpy()
    m, d = values.shape
    divisor = m - 1 if reml else m
    S = np.cov(values, rowvar=False, ddof=m - divisor)
    logdet = np.linalg.slogdet(S)[1]
    optimum = divisor * (logdet + d * (1 + np.log(2 * np.pi)))
    # X'V^-1 X = m C'S^-1 C with |C| = 1 for treatment contrasts: its log determinant is
    # d log m - log|S|, which leaves m - 1 of the m terms log|S| of log|V|.
    optimum += d * np.log(m) if reml else 0.0

    result = days_as_levels(reml=reml)
    assert result.converged
    assert result.report.evaluations < 200
    assert result.objective <= (1559.93009 if reml else 1610.79823)
    assert abs(result.objective - optimum) <= tol.OBJECTIVE_ABOVE
    # Days less the first, the base.
    C_inverse = np.eye(d)
    C_inverse[1:, 0] = -1
    standard_errors = np.sqrt(np.diag(C_inverse @ S @ C_inverse.T) / m)
    assert_allclose(result.params, C_inverse @ values.mean(axis=0), rtol=tol.BETA)
    assert_allclose(result.bse, standard_errors, rtol=tol.STANDARD_ERROR)


# What a fit reports.


@each_small_model
def test_report_of_a_fit(name):
    result = fit_shipped(name)
    report = result.report
    assert report.fitlog_theta.shape == (report.evaluations, len(result.theta))
    assert_allclose(report.fitlog_theta[0], report.start)
    assert report.fitlog_objective[0] == report.initial_objective
    assert_allclose(report.fitlog_objective.min(), result.objective, rtol=1e-14)
    assert_allclose(report.end, result.theta)
    assert report.failed_evaluations == 0
    assert 0 <= report.gradient_norm < 1e-8
    assert report.hessian_min_eigenvalue > 0
    # A step of theta by its standard error costs 1; this one is far smaller.
    assert_allclose(result.model.gradient(result.theta), report.gradient, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["newton", "LD_LBFGS", "LN_BOBYQA"])
def test_limit_of_evaluations_is_reported(optimizer):
    model = smf.mixedlm2(MODELS["sleepstudy"], datasets.load("sleepstudy"))
    with pytest.warns(ConvergenceWarning):
        result = model.fit(optimizer=optimizer, max_eval=2)
    assert result.report.status == "MAXEVAL_REACHED"
    assert not result.converged
    # NLopt looks at its limit between line searches, and the last evaluation returns to the
    # best theta found.
    assert result.report.evaluations <= (2 if optimizer == "newton" else 2 + 2)
    assert result.objective <= result.report.initial_objective
    assert_allclose(result.objective, model.objective(result.theta), rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["newton", "LD_LBFGS"])
def test_limit_of_time_is_reported(optimizer):
    model = smf.mixedlm2(MODELS["sleepstudy"], datasets.load("sleepstudy"))
    with pytest.warns(ConvergenceWarning):
        result = model.fit(optimizer=optimizer, max_time=1e-9)
    assert result.report.status == "MAXTIME_REACHED"
    assert not result.converged


# Singular optima.


def singular_data() -> dict[str, tuple[str, pd.DataFrame]]:
    """Return models with a zero variance and with a correlation of one."""
    stream = simulated.Stream(1007)
    g, x = np.repeat(np.arange(20), 6), np.tile(np.arange(6.0), 20)
    y = 1 + x + stream.normal(20)[g] * (1 + x) + stream.normal(120)
    return {
        "zero variance": (MODELS["dyestuff"], datasets.load("dyestuff2")),
        "correlation of one": ("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": g})),
    }


@pytest.mark.parametrize("name", singular_data())
@pytest.mark.parametrize("optimizer", ["newton", "LD_LBFGS"])
def test_singular_fit_is_flagged(name, optimizer):
    formula, data = singular_data()[name]
    with pytest.warns(SingularFitWarning):
        result = smf.mixedlm2(formula, data).fit(optimizer=optimizer)
    assert result.issingular()
    assert result.converged


@ML_OR_REML
def test_zero_variance_is_exactly_zero(reml):
    result = fit(MODELS["dyestuff"], datasets.load("dyestuff2"), reml=reml)
    assert result.theta[0] == 0
    assert result.cov_re.iloc[0, 0] == 0
    # The model is then that of independent rows.
    y = datasets.load("dyestuff2")["yield"]
    assert_allclose(result.params, y.mean())
    assert_allclose(result.scale, y.var(ddof=int(reml)))


@each_small_model
def test_regular_fits_are_not_flagged(name):
    assert not fit_shipped(name).issingular()


@pytest.mark.parametrize("factor", [1e-8, 1e8])
@pytest.mark.parametrize("name", singular_data())
def test_singularity_does_not_depend_on_units(name, factor):
    formula, data = singular_data()[name]
    for column in data.columns.intersection(["y", "x", "yield"]):
        result = fit(formula, data.assign(**{column: factor * data[column]}))
        assert result.issingular()
        assert result.converged


# From anywhere, by any algorithm.


@pytest.mark.parametrize(
    "name, start",
    [
        ("dyestuff", [0.0]),
        ("dyestuff", [1e-8]),
        ("dyestuff", [1e4]),
        ("dyestuff", [-0.7]),
        ("sleepstudy", [0.0, 0.0, 0.0]),
        ("sleepstudy", [0.0, 0.0, 1.0]),
        ("sleepstudy", [1.0, 0.0, 0.0]),
        ("sleepstudy", [-1.0, 5.0, -1.0]),
        ("sleepstudy", [1e3, 0.0, 1e3]),
        ("penicillin", [0.0, 0.0]),
        ("penicillin", [0.0, 1.0]),
        ("penicillin", [1.0, 0.0]),
        ("pastes", [0.0, 0.0]),
        ("machines", [0.0] * 6),
    ],
)
def test_starting_point_does_not_matter(name, start):
    # The objective is even in each column of T, so it is stationary where one is zero.
    result, usual = fit_shipped(name, start=start), fit_shipped(name)
    assert_same_optimum(result, usual.objective)
    assert_allclose(result.theta, usual.theta, rtol=tol.THETA)
    assert_allclose(result.report.start, start)


def test_fit_from_the_optimum_stays_there():
    usual = fit_shipped("sleepstudy")
    again = fit_shipped("sleepstudy", start=usual.theta)
    assert again.report.evaluations <= 2
    assert_allclose(again.theta, usual.theta, rtol=1e-8)


@pytest.mark.parametrize("optimizer", ["LD_LBFGS", "LD_SLSQP", "LN_BOBYQA", "LN_NELDERMEAD"])
@each_small_model
def test_algorithms_reach_the_same_optimum(name, optimizer):
    result = fit_shipped(name, optimizer=optimizer)
    assert result.report.optimizer == optimizer
    assert_same_optimum(result, fit_shipped(name).objective)
