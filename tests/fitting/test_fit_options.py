"""Every option of a fit acts on the default minimizer, and its log is whole."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from small_models import fit_shipped

from statsmodels_mixed import ConvergenceWarning, datasets
from statsmodels_mixed._core import CoreWorkspace, FitOptions
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.fitting.crossprod import form_crossproducts


def evaluations(**how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit_shipped("machines", **how).report


@pytest.mark.parametrize(
    "how, status",
    [
        ({"ftol_rel": 1e-2}, ("GTOL_REACHED", "FTOL_REACHED")),
        ({"ftol_abs": 1.0}, ("GTOL_REACHED", "FTOL_REACHED")),
        ({"xtol_rel": 0.3}, ("XTOL_REACHED",)),
        ({"xtol_abs": 0.3}, ("XTOL_REACHED",)),
    ],
)
def test_each_tolerance_can_be_loosened(how, status):
    usual, loose = evaluations(), evaluations(**how)
    assert loose.evaluations < usual.evaluations
    assert loose.status in status


@pytest.mark.parametrize("optimizer", ["newton", "LN_BOBYQA"])
def test_a_fit_stopped_by_a_limit_has_not_converged(optimizer):
    best = fit_shipped("sleepstudy")
    with pytest.warns(ConvergenceWarning):
        result = fit_shipped("sleepstudy", start=best.theta, optimizer=optimizer, max_eval=1)
    assert result.report.status == "MAXEVAL_REACHED"
    assert not result.converged


def test_log_of_a_long_run():
    rng = np.random.default_rng(1)
    columns = {f"x{i}": rng.standard_normal(120) for i in range(4)}
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(20), 6), "y": rng.standard_normal(120), **columns}
    )
    model = smf.mixedlm2("y ~ 1 + (x0 + x1 + x2 + x3 | g)", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = model.fit(optimizer="LN_NELDERMEAD", max_eval=1300).report
    assert report.evaluations > 1024
    assert len(report.fitlog_theta) == len(report.fitlog_objective) == report.evaluations
    assert np.all(np.isfinite(report.fitlog_theta))


def test_log_that_is_cut_is_not_longer_than_asked():
    model = smf.mixedlm2(
        "y ~ 1 + (1 | g)",
        pd.DataFrame({"y": np.arange(12.0) ** 2, "g": np.repeat(np.arange(4), 3)}),
    )
    workspace = form_crossproducts(model.design).workspace
    assert isinstance(workspace, CoreWorkspace)
    run = workspace.minimize(workspace.identity(), FitOptions(), log_capacity=2)
    assert run.evaluations > 2 == len(run.log_value) == len(run.log_theta)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"optimizer": "LN_BOBYQA"}, "optimizer='LN_BOBYQA' is not possible"),
        ({"max_time": 1.0}, "max_time=1.0 is not possible"),
        ({"ftol_rel": 1e-3}, "ftol_rel=0.001 is not possible"),
        ({"max_eval": -1}, "give a number >= 0"),
    ],
)
def test_options_that_a_search_of_its_own_does_not_take(how, said):
    # They were accepted and ignored.
    sleep = datasets.load("sleepstudy")
    ticks = datasets.load("grouseticks")
    crossed = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    models = {
        "structures": smf.mixedlm2("reaction ~ days + cs(1 + days | subj)", sleep),
        "covariance structures": smf.mixedglm2("ticks ~ 1 + diag(1 | brood)", ticks, "poisson"),
    }
    for name, model in models.items():
        with pytest.raises(OptionError, match=said):
            model.fit(**how)
        if "max_eval" not in how:
            with pytest.raises(OptionError, match=name):
                model.fit(**how)
    with pytest.raises(OptionError, match=said):
        smf.mixedlm2(crossed, datasets.load("penicillin")).fit(solver="iterative", **how)
