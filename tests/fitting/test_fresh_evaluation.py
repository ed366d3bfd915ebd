"""What a fit with several modes reached is reached again, by a new model and after the fit."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import statsmodels_mixed  # noqa: F401
from statsmodels_mixed.fitting.generalized.approximation import (
    prepare_approximation,
    prepare_at,
    solve_at,
)
from statsmodels_mixed.fitting.search.fresh_evaluation import checked_afresh

LOGIT = sm.families.Gaussian(link=sm.families.links.Logit(), check_link=False)
SQRT = sm.families.Poisson(link=sm.families.links.Power(0.5), check_link=False)


def shares(seed: int) -> pd.DataFrame:
    """Shares in (0, 1) with large effects of levels, hard for a Gaussian with the logit link."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(10), 5)
    x = rng.normal(size=50)
    eta = 3.0 * rng.normal(size=10)[g] + x
    y = 1.0 / (1.0 + np.exp(-eta)) + 0.05 * rng.normal(size=50)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_agq", [1, 5])
def test_a_new_model_has_the_objective_of_the_fit(seed, n_agq):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedglm2("y ~ x + (1 | g)", shares(seed), family=LOGIT)
        fit = model.fit(n_agq=n_agq)
    est = fit.estimates
    fresh = model.objective(est.theta, est.beta, est.dispersion, n_agq=n_agq)
    if fit.converged:
        assert fresh == pytest.approx(fit.objective, abs=1e-6)


def test_a_fresh_evaluation_that_disagrees_is_in_the_report():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.poisson(np.repeat([1.0, 6.0], 20)), "g": np.arange(40) // 5})
    report = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=sm.families.Poisson()).fit().report
    assert checked_afresh(report, report.objective, report.objective + 5e-7) is report
    for fresh, words in ((report.objective - 2e-6, "at the same parameters"), (np.nan, "cannot")):
        changed = checked_afresh(report, report.objective, fresh)
        assert not changed.converged
        assert words in changed.message


@pytest.mark.parametrize("n_agq", [1, 3])
def test_known_modes_are_found_again(n_agq):
    # Modes given to a new model that finds others by itself: counts generated with a log link have
    # two conditional modes of some levels under the square root.
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 4)
    y = rng.poisson(np.exp(0.3 + 1.2 * rng.normal(size=12)[g]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedglm2("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": g}), family=SQRT)
        fit = model.fit(n_agq=n_agq)
    design, est = fit.kept_design(), fit.estimates
    core = solve_at(prepare_at(design, est, n_agq=n_agq), est)
    u = core.solution().u
    np.testing.assert_allclose(u, est.u[0].ravel(), atol=1e-6)
    # the other side of zero is another mode of a model without levels' rows near it
    problem = prepare_approximation(design, est.spec, n_agq=n_agq, fast=False, hessian=est.hessian)
    problem.core.set_modes([-part for part in est.u], problem.basis.R @ est.beta)
    at = problem.join(est.spec, est.theta, est.beta, est.dispersion)
    assert problem.core.value_and_gradient(at)[0] == pytest.approx(fit.objective, abs=1e-6)
    assert problem.core.fresh_value(at) == pytest.approx(fit.objective, abs=1e-6)
