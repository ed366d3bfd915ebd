"""Cook's distances and tests for panels with correlated residuals, by fits made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from statsmodels_mixed import OptionError, inference, mixedlm2

Array = NDArray[np.float64]


def panel() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.repeat(np.arange(30), 5), "t": np.tile(range(5), 30)})
    level = rng.normal(size=30)
    data["x"] = 0.8 * level[data.g] + rng.normal(size=150)
    data["v"] = rng.normal(size=30)[data.g]
    data["w"] = rng.uniform(0.5, 2.0, 150)
    serial = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(range(5), range(5))))
    noise = (serial @ rng.normal(size=(5, 30))).T.ravel()
    data["y"] = 1.0 + 0.5 * data.x + data.v + level[data.g] + noise
    return data.sample(frac=0.9, random_state=2).reset_index(drop=True)


DATA = panel()


@pytest.fixture(scope="module")
def fit() -> Any:
    model = mixedlm2("y ~ x + v + (1 | g)", DATA, residual="ar1(t | g)", weights="w")
    return model.fit(reml=True)


def covariance(fit: Any) -> Array:
    natural = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    same = DATA.g.to_numpy()[:, None] == DATA.g.to_numpy()
    lag = np.abs(np.subtract.outer(DATA.t.to_numpy(), DATA.t.to_numpy()))
    R = natural["Residual.sd"] ** 2 * natural["Residual.rho"] ** lag
    R = R / np.sqrt(np.outer(DATA.w, DATA.w))
    return np.where(same, R + natural["g.sd[Intercept]"] ** 2, 0.0)


def test_cooks_distances_are_those_of_fits_without_the_row(fit: Any) -> None:
    V, found = covariance(fit), fit.cooks_distance()
    X = sm.add_constant(DATA[["x", "v"]]).to_numpy()
    whole = sm.GLS(DATA.y, X, sigma=V).fit()
    precision = X.T @ np.linalg.inv(V) @ X
    for i in (0, 7, 100):
        keep = np.arange(len(DATA)) != i
        without = sm.GLS(DATA.y[keep], X[keep], sigma=V[np.ix_(keep, keep)]).fit()
        change = whole.params.to_numpy() - without.params.to_numpy()
        assert found.iloc[i] == pytest.approx(change @ precision @ change / 3.0, rel=1e-9)


def test_standardized_residuals_have_variance_one(fit: Any) -> None:
    """Var(e) = R P R given the random effects, V - X M X' of y - X beta."""
    V, X = covariance(fit), sm.add_constant(DATA[["x", "v"]]).to_numpy()
    same = DATA.g.to_numpy()[:, None] == DATA.g.to_numpy()
    natural = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    R = V - np.where(same, natural["g.sd[Intercept]"] ** 2, 0.0)
    inverse = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ inverse @ X)
    P = inverse - inverse @ X @ M @ X.T @ inverse
    for kind, variance in (("pearson", R @ P @ R), ("marginal", V - X @ M @ X.T)):
        raw = fit.residuals("response" if kind == "pearson" else "marginal")
        expected = raw / np.sqrt(np.diag(variance))
        found = fit.residuals(kind, standardized=True)
        assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-8)
    with pytest.raises(OptionError, match="does not go with kind='normalized'"):
        fit.residuals("normalized", standardized=True)


def test_standardized_residuals_of_least_squares_are_studentized() -> None:
    fit = mixedlm2("y ~ x + v", DATA, residual="homdiag(t | g)").fit(reml=True)
    ols = sm.OLS(DATA.y, sm.add_constant(DATA[["x", "v"]])).fit()
    studentized = ols.get_influence().resid_studentized_internal
    found = fit.residuals("pearson", standardized=True)
    assert found.to_numpy() == pytest.approx(studentized, rel=1e-6)


def test_cooks_distances_of_independent_residuals_are_those_of_least_squares() -> None:
    model = mixedlm2("y ~ x + v", DATA, residual="homdiag(t | g)")
    ols = sm.OLS(DATA.y, sm.add_constant(DATA[["x", "v"]])).fit()
    expected = ols.get_influence().cooks_distance[0]
    assert model.fit(reml=True).cooks_distance().to_numpy() == pytest.approx(expected, rel=1e-8)


def test_hausman_compares_with_fixed_effects_of_groups(fit: Any) -> None:
    dummies = pd.get_dummies(DATA.g, dtype=float).to_numpy()
    columns = np.column_stack([DATA.x, dummies])
    gls = sm.GLS(DATA.y, columns, sigma=covariance(fit)).fit()
    table = inference.hausman_test(fit).table.loc["x"]
    assert table["fixed"] == pytest.approx(gls.params.iloc[0], rel=1e-9)
    variance = float(gls.normalized_cov_params.iloc[0, 0]) - float(fit.bse["x"]) ** 2
    assert table["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-7)
    assert table["pvalue"] < 0.01  # x depends on the levels of the groups


def test_mundlak_adds_means_of_groups(fit: Any) -> None:
    weighted = (DATA.w * DATA.x).groupby(DATA.g).sum() / DATA.w.groupby(DATA.g).sum()
    wider = DATA.assign(m=DATA.g.map(weighted))
    other = mixedlm2("y ~ x + v + m + (1 | g)", wider, residual="ar1(t | g)", weights="w")
    direct = other.fit(reml=True)
    test = inference.mundlak_test(fit)
    assert test.table.loc["x", "difference"] == pytest.approx(direct.params["m"], rel=1e-5)
    assert test.statistic == pytest.approx(direct.tvalues["m"] ** 2, rel=1e-5)


def test_the_subjects_of_residuals_are_groups_too() -> None:
    residual = "ar1(t | g)"
    alone = mixedlm2("y ~ x + v", DATA, residual=residual, weights="w").fit(reml=True)
    weighted = (DATA.w * DATA.x).groupby(DATA.g).sum() / DATA.w.groupby(DATA.g).sum()
    wider = DATA.assign(m=DATA.g.map(weighted))
    direct = mixedlm2("y ~ x + v + m", wider, residual=residual, weights="w").fit(reml=True)
    test = inference.mundlak_test(alone)
    assert test.group == "g"
    assert test.table.loc["x", "difference"] == pytest.approx(direct.params["m"], rel=1e-5)
    serial = alone.residual_covariance.to_numpy()[np.ix_(DATA.t, DATA.t)]
    V = np.where(np.equal.outer(DATA.g.to_numpy(), DATA.g.to_numpy()), serial, 0.0)
    V = V / np.sqrt(np.outer(DATA.w, DATA.w))
    columns = np.column_stack([DATA.x, pd.get_dummies(DATA.g, dtype=float)])
    fixed = sm.GLS(DATA.y, columns, sigma=V).fit().params.iloc[0]
    found = inference.hausman_test(alone, by="g").table.loc["x", "fixed"]
    assert found == pytest.approx(fixed, rel=1e-9)
    with pytest.raises(OptionError, match=r"by='t' is no grouping factor of the model \(g\)"):
        inference.mundlak_test(alone, by="t")
    rows = mixedlm2("y ~ x", DATA, dispersion="~ v").fit()
    with pytest.raises(OptionError, match="no grouping factor whose levels could differ"):
        inference.hausman_test(rows)


def test_rows_left_out_are_those_of_dense_matrices(fit: Any) -> None:
    V, X = covariance(fit), sm.add_constant(DATA[["x", "v"]]).to_numpy()
    y, n = DATA.y.to_numpy(), len(DATA)
    rows = fit.get_influence()
    external, dffits = rows.resid_studentized_external, rows.dffits[0]
    count = n - X.shape[1] if fit.estimates.reml else n
    for i in (0, 7, n - 1):
        keep = np.arange(n) != i
        inverse = np.linalg.inv(V[np.ix_(keep, keep)])
        M = np.linalg.inv(X[keep].T @ inverse @ X[keep])
        beta = M @ X[keep].T @ inverse @ y[keep]
        residual = y[keep] - X[keep] @ beta
        scale = residual @ inverse @ residual / (count - 1)  # that of V, without the row
        weights = V[i, keep] @ inverse
        row = X[i] - weights @ X[keep]
        variance = V[i, i] - weights @ V[keep, i] + row @ M @ row
        difference = y[i] - X[i] @ beta - weights @ residual
        assert external[i] == pytest.approx(difference / np.sqrt(scale * variance), rel=1e-6)
        change = fit.params.to_numpy() - beta
        size = np.sqrt(change @ X.T @ np.linalg.inv(V) @ X @ change / scale)
        assert dffits[i] == pytest.approx(np.copysign(size, difference), rel=1e-6)


def test_influence_of_rows_of_least_squares_is_that_of_statsmodels() -> None:
    fit = mixedlm2("y ~ x + v", DATA, residual="homdiag(t | g)").fit(reml=True)
    ols = sm.OLS(DATA.y, sm.add_constant(DATA[["x", "v"]])).fit()
    ours, theirs = fit.get_influence().summary_frame(), ols.get_influence().summary_frame()
    names = ["cooks_d", "standard_resid", "hat_diag", "dffits", "student_resid"]
    np.testing.assert_allclose(ours[names], theirs[names], rtol=1e-6)
