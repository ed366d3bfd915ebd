"""Multiple membership, (1 | mm(a, b)), against the n x n covariance of the response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import minimize

import statsmodels_mixed
from statsmodels_mixed.errors import DataError, FormulaError
from statsmodels_mixed.plots.modes import modes_of

MEMBERS = [f"t{i:02d}" for i in range(25)]


def pupils(n: int = 200) -> tuple[pd.DataFrame, np.ndarray]:
    """Pupils of one to three teachers, with shares of time; and Z."""
    rng = np.random.default_rng(11)
    Z = np.zeros((n, len(MEMBERS)))
    columns: dict[str, list] = {name: [] for name in ("a", "b", "c", "u", "v", "w")}
    for i in range(n):
        count = rng.integers(1, 4)
        who = rng.choice(len(MEMBERS), count, replace=False)
        share = rng.dirichlet(np.ones(count))
        Z[i, who] = share
        for name, weight, place in zip("abc", "uvw", range(3), strict=True):
            columns[name].append(MEMBERS[who[place]] if place < count else None)
            columns[weight].append(share[place] if place < count else 0.0)
    data = pd.DataFrame(columns)
    data["x"] = rng.normal(size=n)
    data["school"] = rng.integers(8, size=n)
    data["y"] = 1 + data.x + 1.4 * Z @ rng.normal(size=25) + rng.normal(size=n)
    data["y"] += rng.normal(size=8)[data.school]
    return data, Z


def loglike(data: pd.DataFrame, Zs: list[np.ndarray], ratios: np.ndarray, reml: bool) -> float:
    X = np.column_stack([np.ones(len(data)), data.x])
    V = np.eye(len(data)) + sum(r * Z @ Z.T for r, Z in zip(ratios, Zs, strict=True))
    VX, y = np.linalg.solve(V, X), data["y"].to_numpy()
    r = y - X @ np.linalg.solve(X.T @ VX, VX.T @ y)
    dof = len(y) - 2 * reml
    value = dof * (1 + np.log(2 * np.pi * (r @ np.linalg.solve(V, r)) / dof))
    value += np.linalg.slogdet(V)[1] + (np.linalg.slogdet(X.T @ VX)[1] if reml else 0.0)
    return float(-value / 2)


@pytest.mark.parametrize("reml", [False, True])
def test_against_dense(reml: bool) -> None:
    data, Z = pupils()
    school = np.eye(8)[data.school]
    formula = "y ~ x + (1 | mm(a, b, c, weights=c(u, v, w))) + (1 | school)"
    fit = smf.mixedlm2(formula, data).fit(reml=reml)
    best = minimize(
        lambda z: -loglike(data, [Z, school], np.exp(z), reml),
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-11},
    )
    assert fit.llf == pytest.approx(-best.fun, rel=1e-10)
    frame = fit.varcorr.to_frame()
    ratio = np.exp(best.x)
    name = "mm(a, b, c, weights=c(u, v, w))"
    modes = fit.ranef()
    assert modes[name].index.to_list() == MEMBERS
    # Modes and their variances from the same matrices.
    ratios = [float(fit.varcorr[g].covariance[0, 0]) / fit.sigma**2 for g in (name, "school")]
    assert ratios == pytest.approx(ratio, rel=1e-4)
    assert len(frame) == 3
    V = np.eye(len(data)) + ratios[0] * Z @ Z.T + ratios[1] * school @ school.T
    rest = data["y"] - fit.predict(data, re=False)
    expected = ratios[0] * Z.T @ np.linalg.solve(V, rest)
    assert modes[name].to_numpy().ravel() == pytest.approx(expected, abs=1e-7)
    inverse = np.linalg.inv(
        np.block(
            [
                [Z.T @ Z + np.eye(25) / ratios[0], Z.T @ school],
                [school.T @ Z, school.T @ school + np.eye(8) / ratios[1]],
            ]
        )
    )
    assert fit.condvar()[name].ravel() == pytest.approx(
        fit.sigma**2 * np.diag(inverse)[:25], rel=1e-6
    )
    assert "25" in str(fit.summary()).split("weights=c(u, v, w)):")[1].splitlines()[0]


def test_equal_shares() -> None:
    data, Z = pupils()
    fit = smf.mixedlm2("y ~ x + (1 | mm(a, b, c))", data).fit(reml=True)
    equal = (Z > 0) / (Z > 0).sum(axis=1, keepdims=True)
    ratio = float(fit.theta[0]) ** 2
    assert fit.llf == pytest.approx(loglike(data, [equal], np.array([ratio]), True), rel=1e-9)
    for other in (0.99, 1.01):
        assert loglike(data, [equal], np.array([ratio * other]), True) < fit.llf


def test_afterwards(tmp_path) -> None:
    data, _ = pupils()
    fit = smf.mixedlm2("y ~ x + (1 | mm(a, b, c)) + (1 | school)", data).fit(reml=True)
    assert str(fit.model.formula_full) == "y ~ 1 + x + (1 | mm(a, b, c)) + (1 | school)"
    assert fit.predict(data, re=True).to_numpy() == pytest.approx(np.asarray(fit.fittedvalues))
    new = pd.DataFrame({"x": [0.0], "a": ["t03"], "b": [None], "c": [None], "school": [1]})
    modes = fit.ranef()
    expected = fit.params["Intercept"] + modes["mm(a, b, c)"].loc["t03", "Intercept"]
    expected += modes["school"].loc[1, "Intercept"]
    assert float(fit.predict(new, re=True).iloc[0]) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(DataError, match="has the member 't99'"):
        fit.predict(new.assign(a="t99"), re=True)
    fit.to_dir(tmp_path / "fit")
    again = statsmodels_mixed.open(tmp_path / "fit")
    assert str(again.summary()) == str(fit.summary())
    updated = fit.model.update("~ . - x").fit()
    assert "mm(a, b, c)" in updated.ranef()
    assert np.asarray(fit.simulate(3, seed=1)).shape[-1] in (3, 200)


def refuse(kind: type[Exception], match: str, term: str, data: pd.DataFrame) -> None:
    with pytest.raises(kind, match=match):
        smf.mixedlm2(f"y ~ x + {term}", data)


def test_refusals() -> None:
    data, _ = pupils()
    refuse(FormulaError, "two columns of members", "(1 | mm(a))", data)
    refuse(FormulaError, "twice", "(1 | mm(a, a))", data)
    refuse(FormulaError, "3 members and 2 weights", "(1 | mm(a, b, c, weights=c(u, v)))", data)
    refuse(FormulaError, "are columns", "(1 | mm(a, b, weights=u))", data)
    refuse(FormulaError, "option weights=", "(1 | mm(a, b, by=u))", data)
    refuse(FormulaError, "names of columns", "(1 | mm(a, b + c))", data)
    refuse(FormulaError, "random intercept alone", "(x | mm(a, b))", data)
    refuse(DataError, "no column|columns? .*'d'|'d'", "(1 | mm(a, d))", data)
    refuse(DataError, "do not go together", "(1 | mm(a, b, weights=c(u, w)))", data.assign(w=1.0))
    refuse(DataError, "text in one column", "(1 | mm(a, school))", data)


def test_plots_have_a_row_for_each_member() -> None:
    data, _ = pupils()
    fit = smf.mixedlm2("y ~ x + (1 | mm(a, b, c)) + (1 | school)", data).fit(reml=True)
    (found,) = modes_of(fit, groups="mm(a, b, c)")
    assert list(found.levels) == MEMBERS
