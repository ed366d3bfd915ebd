"""Effects that are large beside the residuals and nearly depend on one another."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.many_digits import at_many_digits
from scipy.optimize import minimize_scalar

from statsmodels_mixed import SingularFitWarning
from statsmodels_mixed.fitting.crossprod import form_crossproducts


def lines(share: float, seed: int, groups: int = 10, rows: int = 8) -> pd.DataFrame:
    """Lines that all go through one point, where x is -0.5, and residuals of a deviation."""
    r = np.random.default_rng(seed)
    g = np.tile(np.arange(groups), rows)
    x = r.uniform(0, 5, len(g))
    y = 1 + x + r.normal(size=groups)[g] * (x + 0.5)
    return pd.DataFrame({"g": g, "x": x, "y": y + share * r.normal(size=len(g))})


def fitted(formula: str, data: pd.DataFrame, reml: bool):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return smf.mixedlm2(formula, data).fit(reml=reml)


def through_a_point(data: pd.DataFrame, share: float, reml: bool) -> float:
    """The least criterion of lines through any one point: one variance, and where the point is."""
    run = minimize_scalar(
        lambda c: fitted("y ~ x + (0 + q | g)", data.assign(q=data["x"] + 0.5 + c), reml).objective,
        bounds=(-share, share),
        method="bounded",
        options={"xatol": 1e-6 * share},
    )
    return float(run.fun)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("share", [1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("seed", [1, 4])
def test_lines_through_one_point(seed, share, reml):
    """The criterion was up to 5 too high at 1e-4, and the fit was said not to have converged."""
    data = lines(share, seed)
    result = fitted("y ~ x + (x | g)", data, reml)
    assert result.converged
    assert result.objective < through_a_point(data, share, reml) + 1e-6
    assert result.sigma == pytest.approx(share, rel=0.25)
    # Where x is measured from, and in what, does not matter.
    moved = fitted("y ~ x + (x | g)", data.assign(x=1e4 * (data["x"] + 300)), reml)
    scale = 2 * np.log(1e4) if reml else 0.0
    assert moved.objective == pytest.approx(result.objective + scale, abs=1e-5)


@pytest.mark.parametrize(
    ("share", "seed", "reml"),
    [(1e-4, 10, False), *((1e-6, seed, seed in (5, 7)) for seed in (4, 5, 7, 8, 9, 11))],
)
def test_lines_through_nearly_one_point_converge(share, seed, reml):
    """One effect has a variance 1e12 times the other's; the first was 84 too high."""
    data = lines(share, seed)
    result = fitted("y ~ x + (x | g)", data, reml)
    assert result.converged
    assert result.sigma == pytest.approx(share, rel=0.25)
    if share == 1e-4:
        assert result.objective < through_a_point(data, share, reml) + 1e-6


@pytest.mark.parametrize("reml", [False, True])
def test_derivatives_where_one_effect_is_large(reml):
    """Against differences of a criterion of sixty digits, in the directions of log T."""
    data = lines(1e-6, 4)
    data["q"], data["r"] = data["x"] + 0.5, data["x"] - 2.5
    model = smf.mixedlm2("y ~ x + (0 + q + r | g)", data)
    products = form_crossproducts(model.design)
    workspace, columns = products.workspace, products.basis.columns
    theta = np.array([1.3e6, 0.02, 0.4])

    def exact(t):
        return at_many_digits(model.design, columns, t, reml=reml).value

    products.set_criterion(reml, None)
    workspace.set_precision(True)
    value, gradient = workspace.value_and_gradient(theta)
    assert value + products.constant(reml) == pytest.approx(exact(theta), abs=1e-6)
    steps = np.diag(1e-4 * theta)
    wanted = np.array([(exact(theta + h) - exact(theta - h)) / 2e-4 for h in steps])
    np.testing.assert_allclose(theta * gradient, wanted, rtol=5e-4)


def test_planes_through_one_line():
    """Of many rows, and with another factor; the fit was refused as one without a maximum."""
    share, r = 1e-5, np.random.default_rng(1)
    data = lines(share, 1, groups=12, rows=100)
    data["f"] = r.choice(list("abc"), len(data))
    data["h"] = r.integers(0, 9, len(data))
    level = r.normal(size=12)[data["g"]] * data["f"].map({"a": 1.0, "b": 0.5, "c": -2.0})
    y = 1 + level + r.normal(size=9)[data["h"]] + share * r.normal(size=len(data))
    result = fitted("y ~ f + (f | g) + (1 | h)", data.assign(y=y), True)
    assert result.converged
    assert result.sigma == pytest.approx(share, rel=0.1)
    alone = data.assign(y=y, q=data["f"].map({"a": 1.0, "b": 0.5, "c": -2.0}))
    smaller = fitted("y ~ f + (0 + q | g) + (1 | h)", alone, True)
    assert result.objective < smaller.objective + 1e-6
