"""Where large models begin: moments of the levels' effects, and what they save."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.linear.optimum import MANY_EFFECTS


def moments(model):
    products = form_crossproducts(model.design, None)
    products.set_criterion(False, None)
    return products.workspace.moments()


def balanced(rng, levels, rows):
    g = np.repeat(np.arange(levels), rows)
    y = 3 + 2 * rng.normal(size=levels)[g] + rng.normal(size=levels * rows)
    return pd.DataFrame({"y": y, "g": g})


def test_one_balanced_factor_has_the_variance_of_its_means():
    rng = np.random.default_rng(4)
    levels, rows = 30, 7
    data = balanced(rng, levels, rows)
    means = data.groupby("g")["y"].transform("mean")
    # The degrees of freedom count the mean and every level: rows of X and Z, not their rank.
    variance = ((data["y"] - means) ** 2).sum() / (levels * rows - 1 - levels)
    between = np.mean((means - data["y"].mean()) ** 2) - variance / rows
    theta = moments(mixedlm2("y ~ 1 + (1 | g)", data))
    assert_allclose(theta, [np.sqrt(between / variance)], rtol=1e-10)


def test_two_balanced_crossed_factors_do_not_take_from_each_other():
    rng = np.random.default_rng(5)
    a, b = (ravel.ravel() for ravel in np.mgrid[:30, :20])
    y = 2 * rng.normal(size=30)[a] + rng.normal(size=20)[b] + rng.normal(size=600)
    data = pd.DataFrame({"y": y, "a": a, "b": b})
    centred = data["y"] - data["y"].mean()
    effects = [centred.groupby(data[name]).mean() for name in "ab"]
    rest = centred - effects[0].loc[a].to_numpy() - effects[1].loc[b].to_numpy()
    variance = (rest**2).sum() / (600 - 1 - 50)
    want = [
        np.sqrt(np.mean(m**2) / variance - 1 / n) for m, n in zip(effects, (20, 30), strict=True)
    ]
    assert_allclose(moments(mixedlm2("y ~ 1 + (1 | a) + (1 | b)", data)), want, rtol=1e-10)


def test_vector_effects_have_the_scatter_of_the_coefficients_of_their_levels():
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(40), 10)
    x = np.tile(np.linspace(-1, 1, 10), 40)
    b = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 0.5]], size=40)
    y = b[g, 0] + b[g, 1] * x + 0.5 * rng.normal(size=400)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    Z = np.column_stack([np.ones(10), x[:10]])
    lines = np.array([np.linalg.lstsq(Z, y[g == level], rcond=None)[0] for level in range(40)])
    residual = y - (lines[g, 0] + lines[g, 1] * x)
    variance = residual @ residual / (400 - 2 - 80)
    spread = lines - lines.mean(axis=0)
    want = spread.T @ spread / 40 - variance * np.linalg.inv(Z.T @ Z)
    T = np.zeros((2, 2))
    T[np.tril_indices(2)] = moments(mixedlm2("y ~ x + (x | g)", data))[[0, 1, 2]]
    assert_allclose(T @ T.T, want / variance, rtol=1e-9)


def test_effects_without_variance_or_information_have_a_start_within_limits():
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"y": rng.normal(size=60), "g": np.arange(60) % 30, "h": np.arange(60)})
    # One row a level says nothing, and two say too little.
    assert_allclose(moments(mixedlm2("y ~ 1 + (1 | h)", data)), [1.0])
    data["g"] %= 10
    data["y"] -= data.groupby("g")["y"].transform("mean")
    theta = moments(mixedlm2("y ~ 1 + (1 | g)", data))
    assert 0 < theta[0] < 0.1


@pytest.mark.parametrize("reml", [False, True])
def test_large_models_need_fewer_evaluations_and_end_at_the_same_optimum(reml):
    rng = np.random.default_rng(8)
    n, levels = 20_000, (MANY_EFFECTS, 60)
    a, b = (rng.integers(0, count, n) for count in levels)
    x = rng.normal(size=n)
    y = 0.5 * x + rng.normal(size=n)
    for refs, count in ((a, levels[0]), (b, levels[1])):
        y += 0.6 * rng.normal(size=count)[refs] + 0.3 * rng.normal(size=count)[refs] * x
    data = pd.DataFrame({"y": y, "x": x, "a": a, "b": b})
    model = mixedlm2("y ~ x + (x | a) + (x | b)", data)
    fit = model.fit(reml=reml)
    identity = model.fit(reml=reml, start=[1.0, 0, 1, 1, 0, 1])
    assert_allclose(fit.objective, identity.objective, rtol=1e-12)
    assert_allclose(fit.theta, identity.theta, atol=1e-7)
    assert fit.report.evaluations <= 4 < identity.report.evaluations
