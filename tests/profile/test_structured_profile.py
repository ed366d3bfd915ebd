"""Profiles of models with covariance structures: at every limit the deviance has risen by 3.84."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed.profile.reported import Reported
from statsmodels_mixed.profile.structured import StructuredGeneralizedModel

RISE = chi2.isf(0.05, 1)
SERIAL = "reaction ~ days + ar1(0 + days | subj)"


@cache
def sleep() -> pd.DataFrame:
    return datasets.load("sleepstudy").reset_index(drop=True)


@cache
def fitted(formula: str = SERIAL, reml: bool = False) -> Any:
    return mixedlm2(formula, sleep()).fit(reml=reml)


def deviance(V: np.ndarray) -> float:
    """Return -2 log-likelihood of subjects with covariance V, maximized over the coefficients."""
    y = sleep()["reaction"].to_numpy().reshape(18, 10)
    X = np.column_stack([np.ones(10), np.arange(10.0)])
    W = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ W, W.T @ y.mean(axis=0))
    return float(18 * np.linalg.slogdet(2.0 * np.pi * V)[1] + np.sum(r.T * np.linalg.solve(V, r.T)))


@pytest.mark.parametrize("reml", [False, True])
def test_limits_of_serial_correlation(reml):
    fit = fitted(reml=reml)
    lag = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))

    def at(log_sd: float, z_rho: float, log_sigma: float) -> float:
        V = np.exp(2.0 * log_sd) * np.tanh(z_rho) ** lag
        return deviance(V + np.exp(2.0 * log_sigma) * np.eye(10))

    free = [np.log(46.0), np.arctanh(0.88), np.log(15.0)]
    best = minimize(lambda z: at(*z), free, method="BFGS").fun
    limits = fit.profile(["sigma", "theta"]).conf_int()
    names = [("theta", "subj.ar1.sd"), ("theta", "subj.ar1.rho"), ("sigma", "")]
    for i, (name, into) in enumerate(zip(names, (np.log, np.arctanh, np.log), strict=True)):
        for end in limits.loc[name, ["lower", "upper"]]:
            held = into(end)
            rest = [value for j, value in enumerate(free) if j != i]
            found = minimize(lambda z, i=i, held=held: at(*np.insert(z, i, held)), rest)
            assert found.fun - best == pytest.approx(RISE, abs=2e-2 if i == 2 else 5e-3)


def test_a_variance_that_may_be_zero_has_zero_as_its_limit():
    fit = fitted("reaction ~ days + (1 | subj) + ar1(0 + days | subj)")
    profile = fit.profile(["theta", "sigma"])
    name = "subj.us.sd[Intercept]"
    assert profile.conf_int().loc[("theta", name), "lower"] == 0.0
    curve = profile["theta", name]
    rise = 2.0 * (fit.llf - fitted(SERIAL).llf)
    assert curve.zeta[0] ** 2 == pytest.approx(rise, rel=1e-4)


@pytest.mark.parametrize("reml", [False, True])
def test_limits_of_a_coefficient(reml):
    fit = fitted(reml=reml)
    limits = fit.conf_int(method="profile").loc["days"]
    for end in limits:
        without = mixedlm2(
            "reaction ~ 1 + ar1(0 + days | subj)", sleep(), offset=end * sleep()["days"]
        ).fit()
        assert 2.0 * (fitted().llf - without.llf) == pytest.approx(RISE, abs=2e-3)


def test_named_kinds_are_those_of_ordinary_terms():
    """`us` and `diag` are the covariances that formulas without a name have."""
    for named, ordinary in (("us", "(1 + days | subj)"), ("diag", "zerocorr(1 + days | subj)")):
        ours = fitted(f"reaction ~ days + {named}(1 + days | subj)").profile().conf_int()
        theirs = fitted(f"reaction ~ days + {ordinary}").profile().conf_int()
        pairs = {f"subj.{named}.sd[{x}]": ("sd", f"subj.{x}") for x in ("Intercept", "days")}
        if named == "us":
            pairs["subj.us.rho[days,Intercept]"] = ("corr", "subj.days.Intercept")
        for name, label in pairs.items():
            found, expected = ours.loc[("theta", name)], theirs.loc[label]
            assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=2e-3, abs=2e-3)
        for label in [("sigma", ""), ("beta", "days")]:
            assert ours.loc[label].to_numpy() == pytest.approx(theirs.loc[label], rel=1e-3)


def test_multiple_membership():
    """A member for each row is an ordinary random intercept."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 12, 150)
    data = pd.DataFrame({"first": first, "second": first, "x": rng.normal(size=150)})
    data["y"] = data.x + 0.7 * rng.normal(size=12)[first] + rng.normal(size=150)
    ours = mixedlm2("y ~ x + (1 | mm(first, second))", data).fit().profile().conf_int()
    theirs = mixedlm2("y ~ x + (1 | first)", data).fit().profile().conf_int()
    name = next(label for label in ours.index if label[0] == "theta")
    assert ours.loc[name].to_numpy() == pytest.approx(
        theirs.loc[("sd", "first.Intercept")], rel=2e-3
    )
    for label in [("sigma", ""), ("beta", "x"), ("beta", "Intercept")]:
        assert ours.loc[label].to_numpy() == pytest.approx(theirs.loc[label], rel=1e-3, abs=1e-3)


@cache
def counts() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.repeat(np.arange(25), 8), "f": np.tile(list("ab"), 100)})
    data["x"] = rng.normal(size=200)
    effects = 0.6 * rng.normal(size=(25, 2)) + 0.4 * rng.normal(size=(25, 1))
    eta = 0.8 + 0.3 * data.x + effects[data.g, (data.f == "b").astype(int)]
    data["y"] = rng.poisson(np.exp(eta))
    return data


def test_generalized_models():
    def limits(term: str) -> pd.DataFrame:
        return mixedglm2(f"y ~ x + {term}", counts(), "poisson").fit().profile().conf_int()

    ours, theirs = limits("diag(0 + f | g)"), limits("zerocorr(0 + f | g)")
    for level in "ab":
        found = ours.loc[("theta", f"g.diag.sd[f[{level}]]")]
        expected = theirs.loc[("sd", f"g.f[{level}]")]
        assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=2e-3)
    assert ours.loc["beta"].to_numpy() == pytest.approx(theirs.loc["beta"].to_numpy(), rel=2e-3)


def least_deviance(formula: str, data: pd.DataFrame, rho: float) -> float:
    """Return that of cs() with a positive correlation: shares of variance of levels and within."""
    nested = mixedglm2(f"{formula} + (1 | g) + (1 | g:f)", data, "poisson")
    order = [block.name for block in nested.kept_design().blocks]

    def at(z: np.ndarray) -> float:
        ends = {"g": np.sqrt(rho) * np.exp(z[0]), "g & f": np.sqrt(1.0 - rho) * np.exp(z[0])}
        return float(nested.objective([ends[name] for name in order], z[1:]))

    start = [np.log(0.7), *mixedglm2(f"{formula} + (1 | g)", data, "poisson").fit().params]
    return float(minimize(at, start, method="BFGS", options={"gtol": 1e-4}).fun)


def test_limits_of_a_generalized_correlation():
    fit = mixedglm2("y ~ x + cs(0 + f | g)", counts(), "poisson").fit()
    rho = float(fit.profile("theta").conf_int().loc[("theta", "g.cs.rho"), "upper"])
    deviance = least_deviance("y ~ x", counts(), rho)
    assert deviance + 2.0 * fit.llf == pytest.approx(RISE, abs=5e-3)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_limits_from_the_end_of_a_range():
    rng = np.random.default_rng(1)
    g, f = (np.repeat(part.ravel(), 2) for part in np.indices((8, 3)))
    effects = rng.normal(size=(8, 3))
    effects -= 0.8 * effects.mean(axis=1, keepdims=True)
    rng.normal(size=48)
    table = pd.DataFrame({"g": g, "f": f.astype(str)})
    table["y"] = rng.poisson(np.exp(0.5 + effects[g, f]))
    fit = mixedglm2("y ~ 1 + cs(0 + f | g)", table, "poisson").fit()
    limits = fit.profile("theta").conf_int().loc[("theta", "g.cs.rho")]
    assert limits[["estimate", "lower"]].to_numpy() == pytest.approx([-0.5, -0.5])
    deviance = least_deviance("y ~ 1", table, limits["upper"])
    assert deviance + 2.0 * fit.llf == pytest.approx(RISE, abs=1e-2)


@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_units_do_not_matter(factor):
    table = sleep().assign(reaction=lambda t: factor * t["reaction"])
    ours, theirs = (each.profile().conf_int() for each in (fitted(), mixedlm2(SERIAL, table).fit()))
    scale = np.where([name == "subj.ar1.rho" for _, name in ours.index], 1.0, factor)
    assert (theirs.T / scale).T.to_numpy() == pytest.approx(ours.to_numpy(), rel=2e-4)


def test_tables_take_profiles():
    fit = fitted(reml=True)
    limits = fit.profile().conf_int()
    table = fit.tidy(conf_method="profile").set_index("term")[["lower", "upper"]]
    for term, label in {
        "days": ("beta", "days"),
        "ar1.rho": ("theta", "subj.ar1.rho"),
        "ar1.sd": ("theta", "subj.ar1.sd"),
        "sd__Observation": ("sigma", ""),
    }.items():
        expected = limits.loc[label, ["lower", "upper"]]
        assert table.loc[term].to_numpy() == pytest.approx(expected.to_numpy(float), rel=1e-9)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_the_curvature_of_a_parameter_is_that_of_its_own_structure(monkeypatch):
    # Coordinates of other structures and coefficients do not move it: they need no differences.
    table = sleep().assign(count=lambda d: (d["reaction"] // 20).astype(int))
    formula = "count ~ days + (1 | subj) + toep(0 + days | subj)"
    fit = mixedglm2(formula, table[table["days"] < 4], "poisson").fit()
    design, estimates = fit.kept_design(), fit.estimates
    model = StructuredGeneralizedModel(design, estimates, np.zeros(2))
    made: list[Reported] = []

    def noted(*args: Any) -> Reported:
        made.append(Reported(*args))
        return made[-1]

    monkeypatch.setattr("statsmodels_mixed.profile.structured.Reported", noted)
    start = model.targets("theta", ("a", "b"))[0].start
    z, c = np.random.default_rng(4).normal(scale=0.3, size=len(start)), made[2]
    gradient, bent = c.derivatives(z)

    def slope(z: np.ndarray) -> np.ndarray:
        steps = 1e-5 * np.eye(len(z))
        return np.array([(c.value(z + h) - c.value(z - h)) / 2e-5 for h in steps])

    assert gradient == pytest.approx(slope(z), abs=1e-8)
    steps = 1e-3 * np.eye(len(z))
    full = np.array([(slope(z + h) - slope(z - h)) / 2e-3 for h in steps])
    assert bent == pytest.approx(full, abs=2e-5)


@pytest.mark.parametrize("kind", ["ou", "exp"])
def test_a_correlation_that_may_be_none_has_no_end(kind):
    """Its deviance is that of least squares, and has not risen by 3.84 there."""
    rng = np.random.default_rng(2)
    g, t = (each.ravel() for each in np.indices((20, 5)))
    y = rng.normal(size=100)
    y[t > 0] += 0.2 * y[np.flatnonzero(t > 0) - 1]
    table = pd.DataFrame({"g": g, "t": t, "y": y})
    fit = mixedlm2("y ~ 1", table, residual=f"{kind}(t | g)").fit()
    assert 0.1 < 100 * np.log(2 * np.pi * y.var()) + 100 + 2.0 * fit.llf < RISE
    limits = fit.profile("theta").conf_int().iloc[-1]
    without = {"ou": limits["upper"], "exp": limits["lower"]}[kind]
    assert without == {"ou": np.inf, "exp": 0.0}[kind]
    assert limits["lower"] < limits["estimate"] < limits["upper"]


def test_points_beyond_all_numbers_are_none() -> None:
    """A search may look at a rate of exp(2318), without a warning."""

    def natural(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.exp(x), np.diag(np.exp(x))

    constraint = Reported(natural, 1, 1.0, np.ones(2), 0.0, np.inf)
    assert np.isnan(constraint.retract(np.array([0.96, 2318.0]), 2.0)).all()
    assert constraint.retract(np.array([0.96, 0.6]), 2.0) == pytest.approx([0.96, np.log(2.0)])
