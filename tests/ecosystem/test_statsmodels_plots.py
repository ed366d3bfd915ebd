"""Plots of statsmodels that take a result: they work, or say why not."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import t
from statsmodels.graphics import regressionplots

from statsmodels_mixed import datasets, mixedglm2, mixedlm2

plt = pytest.importorskip("matplotlib.pyplot")


@cache
def sleep(reml: bool = False) -> Any:
    return mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit(reml=reml)


@cache
def ticks() -> Any:
    data = datasets.load("grouseticks")
    data = data.assign(high=(data["height"] - data["height"].mean()) / 100)
    return mixedglm2("ticks ~ high + (1 | brood)", data, sm.families.Poisson()).fit()


def test_measures_of_rows_without_random_effects_are_those_of_least_squares():
    # Noise whose means by group are zero: the variance of the groups is estimated as zero.
    data = datasets.load("sleepstudy")
    noise = np.random.default_rng(5).normal(size=180)
    noise -= pd.Series(noise).groupby(data["subj"].to_numpy()).transform("mean").to_numpy()
    data = data.assign(reaction=200.0 + 10.0 * data["days"] + 20.0 * noise)
    with pytest.warns(UserWarning, match="singular"):
        fit = mixedlm2("reaction ~ days + (1 | subj)", data).fit(reml=True)
    exact = smf.ols("reaction ~ days", data).fit().get_influence()
    ours = fit.get_influence()
    for name in ("hat_matrix_diag", "resid_studentized", "resid_studentized_external"):
        assert_allclose(getattr(ours, name), getattr(exact, name), rtol=1e-6)
    assert_allclose(ours.cooks_distance[0], exact.cooks_distance[0], rtol=1e-6)
    assert_allclose(ours.dffits[0], exact.dffits[0], rtol=1e-6)
    assert_allclose(ours.dffits[1], exact.dffits[1])


@pytest.mark.parametrize("reml", [False, True])
def test_external_residuals_are_those_of_fits_without_the_row(reml):
    # Given theta, which a fit without one of 180 rows hardly moves.
    data = datasets.load("sleepstudy")
    fit, row = sleep(reml), 56
    without = mixedlm2("reaction ~ days + (days | subj)", data.drop(index=row))
    factors, theta = without.kept_design(), fit.theta
    Z = np.hstack([_columns(factors, fit, theta)])
    y, X, p = factors.y, factors.X, 2
    V = np.eye(179) + Z @ Z.T
    solved = np.linalg.solve(V, np.column_stack([X, y]))
    beta = np.linalg.solve(X.T @ solved[:, :p], X.T @ solved[:, p])
    e = y - X @ beta
    sigma = np.sqrt(e @ np.linalg.solve(V, e) / (179 - p * reml))
    h, r = fit.leverage().iloc[row], np.asarray(fit.resid)[row]
    expected = r / (sigma * np.sqrt(1 - h))
    assert_allclose(fit.get_influence().resid_studentized_external[row], expected, rtol=1e-6)


def _columns(design: Any, fit: Any, theta: np.ndarray) -> np.ndarray:
    """Z times the relative covariance factor, shape (n, q)."""
    block = design.blocks[0]
    T = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    z = block.z @ T
    wide = np.zeros((len(z), 2 * len(block.levels)))
    for i, level in enumerate(block.refs):
        wide[i, 2 * level : 2 * level + 2] = z[i]
    return wide


def test_measures_of_a_generalized_fit():
    rows = ticks().get_influence()
    assert_allclose(rows.hat_matrix_diag, ticks().leverage())
    likelihood = ticks().residuals("likelihood", scaled=True)
    assert_allclose(rows.resid_studentized_external, likelihood)
    assert_allclose(rows.cooks_distance[0], ticks().cooks_distance())


def test_the_frame_has_the_columns_of_statsmodels():
    data = datasets.load("sleepstudy")
    ols = smf.ols("reaction ~ days", data).fit().get_influence().summary_frame()
    fit = mixedlm2("reaction ~ days + (1 | subj)", data).fit()
    ours = fit.get_influence().summary_frame()
    assert set(ours) <= set(ols)
    assert list(ours.index) == list(data.index)
    assert_allclose(ours["dfb_days"], fit.influence().dfbetas()["days"])


@pytest.mark.parametrize("fit", [sleep, ticks])
def test_plots_of_statsmodels_draw_the_measures(fit):
    ax = sm.graphics.influence_plot(fit()).axes[0]
    points = ax.collections[0].get_offsets()
    assert_allclose(points[:, 0], fit().leverage())
    ax = sm.graphics.plot_leverage_resid2(fit()).axes[0]
    assert_allclose(ax.lines[0].get_ydata(), fit().leverage())
    name = fit().fixefnames[1]
    ax = sm.graphics.plot_ccpr(fit(), name).axes[0]
    assert ax.get_xlabel() == name


def test_plot_fit_has_bars_for_linear_models_only():
    fit = sleep()
    ax = sm.graphics.plot_fit(fit, "days").axes[0]
    half = np.sort([np.ptp(each[:, 1]) / 2 for each in ax.collections[0].get_segments()])
    X, cov = fit.model.exog, np.asarray(fit.cov_params())
    spread = np.sqrt(fit.sigma**2 + np.einsum("ij,jk,ik->i", X, cov, X))
    assert_allclose(half, np.sort(spread * t.isf(0.025, fit.df_resid)))
    assert len(sm.graphics.plot_regress_exog(fit, "days").axes) == 4
    with pytest.raises(
        AttributeError, match=r"vlines=False\) of statsmodels and plot.fitted_lines"
    ):
        sm.graphics.plot_fit(ticks(), "high")
    assert len(sm.graphics.plot_fit(ticks(), "high", vlines=False).axes) == 1
    assert not hasattr(ticks(), "mse_resid")


def test_what_is_for_other_models_says_so():
    for plot in ("plot_added_variable", "plot_partial_residuals", "plot_ceres_residuals"):
        with pytest.raises(ValueError, match="LinearMixedModel"):
            getattr(regressionplots, plot)(sleep(), "days")


def test_weights_of_ones_are_still_none_for_new_data():
    fit = sleep()
    assert fit.model.weights == 1.0
    assert not fit.model.sources.weights.needed
    assert len(fit.get_prediction(datasets.load("sleepstudy").head(2)).summary_frame()) == 2
