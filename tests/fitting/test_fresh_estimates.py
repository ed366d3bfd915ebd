"""At the edge of the range of means the result is what its parameters alone give."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from fuzz.generalized_models import draw
from reference.glmm_names import make_design

from statsmodels_mixed import DataError
from statsmodels_mixed.fitting.families.spec import read_family
from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation
from statsmodels_mixed.fitting.search.fresh_evaluation import solved_afresh
from statsmodels_mixed.fitting.search.optimize import FitOptions, minimize


@pytest.mark.parametrize("seed", [50008, 81448])
@pytest.mark.parametrize("optimizer", ["newton", "LN_BOBYQA"])
def test_the_objective_is_that_of_a_new_model(seed, optimizer):
    # Binomial models with the log link, some of whose paths end at other modes than a new model
    # finds; others end where there are none, by the last digits of the basis of X.
    case = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = case.fit(optimizer=optimizer)
        except DataError:
            return
    assert "edge of the range" in fit.report.message
    kept = fit.estimates
    fresh = case.model().objective(kept.theta, kept.beta, kept.dispersion, **case.how)
    assert fit.objective == pytest.approx(fresh, abs=1e-6)


def test_what_a_path_reached_is_replaced():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.poisson(np.repeat([1.0, 6.0], 20)), "g": np.arange(40) // 5})
    spec = read_family(sm.families.Poisson())
    core = prepare_approximation(
        make_design("y ~ 1 + (1 | g)", data), spec, n_agq=1, fast=False, hessian="expected"
    ).core
    report = minimize(core, np.array([0.5, 1.0]), FitOptions())
    fresh = core.fresh_value(report.end)
    assert solved_afresh(core, report, fresh) is None
    again = solved_afresh(core, replace(report, objective=report.objective - 1e-4), fresh)
    assert again.objective == pytest.approx(fresh, abs=1e-9)
