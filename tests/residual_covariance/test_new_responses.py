"""New responses of fits with correlated residuals: intervals and draws, against dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import norm, t

from statsmodels_mixed import DataError, OptionError, datasets


def growth() -> pd.DataFrame:
    """Return Orthodont without a few rows, with weights, and with serially correlated residuals."""
    table = datasets.load("orthodont")
    rng = np.random.default_rng(3)
    ages = np.array([8.0, 10.0, 12.0, 14.0])
    serial = np.linalg.cholesky(4.0 * np.exp(-np.abs(ages[:, None] - ages) / 5.0))
    added = (rng.standard_normal((len(table) // 4, 4)) @ serial.T).ravel()
    lost = (table["age"] > 10) & table["subject"].astype(str).str.endswith("3")
    made = table.assign(distance=table["distance"] + added, w=rng.uniform(0.5, 2.0, len(table)))
    return made[~lost].reset_index(drop=True)


NEW = pd.DataFrame(
    {
        "subject": ["M03", "M03", "F03", "new", "new"],
        "age": [12.0, 14.5, 9.0, 8.0, 10.0],
        "sex": ["Male", "Male", "Female", "Female", "Female"],
        "w": [1.0, 2.0, 0.7, 1.5, 1.0],
    }
)


def crossed(fit: Any, one: pd.DataFrame, other: pd.DataFrame, *, effects: bool) -> np.ndarray:
    """Return covariances of the effects, or of the residuals, of two tables of rows."""
    named = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    sd, scale = named["Residual.sd"], named["Residual.range"]
    ratio = named["dispersion.sex[T.Female]"]
    same = one["subject"].astype(str).to_numpy()[:, None] == other["subject"].astype(str).to_numpy()
    here, there = one["age"].to_numpy(dtype=float), other["age"].to_numpy(dtype=float)
    if effects:
        sigma = fit.cov_re.to_numpy()
        Z, W = (np.column_stack([np.ones(len(x)), x]) for x in (here, there))
        return np.asarray(same * (Z @ sigma @ W.T))
    sds = [
        sd * np.where(table["sex"].astype(str) == "Female", ratio, 1.0) / np.sqrt(table["w"])
        for table in (one, other)
    ]
    away = np.exp(-np.abs(here[:, None] - there) / scale)
    return np.asarray(same * np.outer(*sds) * away)


@pytest.fixture(scope="module")
def fit() -> Any:
    model = smf.mixedlm2(
        "distance ~ age + (age | subject)",
        growth(),
        residual="exp(age | subject)",
        dispersion="~ sex",
        weights="w",
    )
    return model.fit(reml=True)


def test_parameters_are_named_as_the_dense_computation_takes_them(fit):
    old = growth()
    V = crossed(fit, old, old, effects=True)
    R = crossed(fit, old, old, effects=False)
    X = np.column_stack([np.ones(len(old)), old["age"]])
    Vi = np.linalg.inv(V + R)
    beta = np.linalg.solve(X.T @ Vi @ X, X.T @ Vi @ old["distance"])
    assert fit.params.to_numpy() == pytest.approx(beta, rel=1e-7)


@pytest.mark.parametrize("re", [False, True, "(0 + age | subject)"])
@pytest.mark.parametrize("which", ["new rows", "rows of the fit"])
def test_errors_of_means_and_of_new_responses(fit, re, which):
    old = growth()
    rows = NEW if which == "new rows" else old
    options = {"new_levels": "population"} if which == "new rows" else {}
    found = fit.get_prediction(NEW if which == "new rows" else None, re=re, **options)
    X, U = (np.column_stack([np.ones(len(each)), each["age"]]) for each in (old, rows))
    V = crossed(fit, old, old, effects=True) + crossed(fit, old, old, effects=False)
    Vi = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ Vi @ X)
    whole = np.diag(crossed(fit, rows, rows, effects=True))
    if re is False:
        C, prior, left_out = np.zeros((len(rows), len(old))), np.zeros(len(rows)), whole
    elif re is True:
        C, prior, left_out = crossed(fit, rows, old, effects=True), whole, np.zeros(len(rows))
    else:  # the covariance of the slope's part with all effects of a row
        subject, ages = rows["subject"].astype(str).to_numpy(), rows["age"].to_numpy()
        sigma = fit.cov_re.to_numpy()
        same = subject[:, None] == old["subject"].astype(str).to_numpy()
        C = same * (ages[:, None] * (sigma[1, 0] + sigma[1, 1] * old["age"].to_numpy()))
        prior = sigma[1, 1] * ages**2
        unseen = ~np.isin(subject, old["subject"].astype(str))
        left_out = sigma[0, 0] + np.where(unseen, 2.0 * sigma[1, 0] * ages, 0.0)
    rest = old["distance"].to_numpy() - X @ fit.params.to_numpy()
    d = U - C @ Vi @ X
    of_mean = np.einsum("ij,jk,ik->i", d, M, d) + prior - np.einsum("ij,jk,ik->i", C, Vi, C)
    of_response = of_mean + left_out + np.diag(crossed(fit, rows, rows, effects=False))
    assert found.predicted_mean == pytest.approx(U @ fit.params + C @ Vi @ rest, rel=1e-8)
    assert found.se_mean == pytest.approx(np.sqrt(of_mean), rel=1e-6)
    assert found.se_obs == pytest.approx(np.sqrt(of_response), rel=1e-7)
    half = norm.ppf(0.975) * np.sqrt(of_response)
    assert np.diff(found.conf_int(obs=True)).ravel() == pytest.approx(2.0 * half, rel=1e-7)


def test_independent_residuals_are_those_of_the_plain_model():
    table = growth()
    plain = smf.mixedlm2("distance ~ age + (age | subject)", table).fit(reml=True)
    formula, one = "distance ~ age + (age | subject)", "homdiag(age | subject)"
    ours = smf.mixedlm2(formula, table, residual=one).fit(reml=True)
    for new in (None, NEW):
        for re in (False, True, "(1 | subject)"):
            options = {} if new is None else {"new_levels": "population"}
            left = plain.get_prediction(new, re=re, **options).summary_frame()
            right = ours.get_prediction(new, re=re, **options).summary_frame()
            assert right.to_numpy() == pytest.approx(left.to_numpy(), rel=1e-5)


def test_a_new_response_has_the_variance_of_its_visit():
    model = smf.mixedlm2("distance ~ C(age)", growth(), residual="us(age | subject)")
    fit = model.fit(reml=True, dof="satterthwaite")
    new = pd.DataFrame({"age": [8.0, 14.0]})  # whose variances need no subjects
    found = fit.get_prediction(new)
    variances = np.diag(fit.residual_covariance.to_numpy())[[0, 3]]
    assert found.se_obs == pytest.approx(np.sqrt(variances + found.se_mean**2), rel=1e-9)
    of_mean = fit.t_test([[1, 0, 0, 0], [1, 0, 0, 1]])
    half = t.ppf(0.975, of_mean.df_denom) * of_mean.sd
    assert np.diff(found.conf_int()).ravel() == pytest.approx(2.0 * half, rel=1e-8)


def test_where_a_new_response_is_has_to_be_known():
    fit = smf.mixedlm2("distance ~ sex", growth(), residual="us(age | subject)").fit()
    without = fit.get_prediction({"sex": ["Male"]})
    assert without.se_mean > 0
    with pytest.raises(OptionError, match=r"'age', which says where a row is in [a-z ]*\.$"):
        without.conf_int(obs=True)
    with pytest.raises(OptionError, match=r"has no age 11"):
        fit.get_prediction({"sex": ["Male"], "age": [11.0]}).conf_int(obs=True)
    matrix = fit.get_prediction(np.array([[1.0, 0.0]]), transform=False)
    with pytest.raises(OptionError, match=r"which a matrix does not say\.$"):
        matrix.conf_int(obs=True)
    partly = fit.get_prediction({"sex": ["Male", "Male"], "age": [8.0, np.nan]})
    assert np.isnan(partly.conf_int(obs=True)).all(axis=1).tolist() == [False, True]


def spread_of(covariance: np.ndarray, n: int) -> np.ndarray:
    """Return the standard errors of the elements of a covariance matrix of n normal draws."""
    variances = np.diag(covariance)
    return np.asarray(np.sqrt((np.outer(variances, variances) + covariance**2) / n))


@pytest.mark.parametrize("re", ["new", "conditional"])
def test_draws_for_new_rows_have_the_covariance_of_the_model(fit, re):
    n = 20_000
    drawn = fit.simulate(n, seed=4, exog=NEW, re=re)
    covariance = crossed(fit, NEW, NEW, effects=False)
    effects = crossed(fit, NEW, NEW, effects=True)
    unseen = (NEW["subject"] == "new").to_numpy()
    covariance += effects if re == "new" else np.where(np.outer(unseen, unseen), effects, 0.0)
    distance = (np.cov(drawn) - covariance) / spread_of(covariance, n)
    assert np.abs(distance).max() < 4.5
    options = {"re": True, "new_levels": "population"} if re == "conditional" else {}
    away = (drawn.mean(axis=1) - fit.predict(NEW, **options)) / np.sqrt(np.diag(covariance) / n)
    assert np.abs(away).max() < 4.5
    assert np.array_equal(fit.simulate(3, seed=4, exog=NEW, re=re), drawn[:, :3])


def test_draws_take_hypothesized_parameters(fit):
    theta = fit.theta.copy()
    theta[0] *= 1e-3  # the standard deviation of the residuals
    beta = {"Intercept": 100.0, "age": 0.0}
    drawn = fit.simulate(4000, seed=5, exog=NEW.iloc[3:], theta=theta, beta=beta)
    covariance = crossed(fit, NEW.iloc[3:], NEW.iloc[3:], effects=True)
    assert np.abs((np.cov(drawn) - covariance) / spread_of(covariance, 4000)).max() < 4.5
    assert drawn.mean(axis=1) == pytest.approx([100.0, 100.0], abs=0.3)


def test_new_rows_without_places_are_exchangeable():
    fit = smf.mixedlm2("distance ~ age", growth(), residual="cs(1 | subject)").fit()
    sd, rho = fit.estimates.natural.values
    same = np.equal.outer(NEW["subject"].to_numpy(), NEW["subject"].to_numpy())
    covariance = sd**2 * np.where(same, rho, 0.0) + sd**2 * (1.0 - rho) * np.eye(len(NEW))
    drawn = fit.simulate(20_000, seed=6, exog=NEW)
    assert np.abs((np.cov(drawn) - covariance) / spread_of(covariance, 20_000)).max() < 4.5


def test_new_rows_that_cannot_be_drawn_are_refused(fit):
    with pytest.raises(DataError, match=r"a subject has 2 rows at age 8\.0"):
        fit.simulate(exog=NEW.assign(age=[8.0, 9.0, 8.0, 8.0, 8.0]))
    with pytest.raises(DataError, match="no column 'sex'"):
        fit.simulate(exog=NEW.drop(columns="sex"))
    missing = fit.simulate(exog=NEW.assign(age=[np.nan, *NEW["age"].iloc[1:]]), seed=1)
    assert np.isnan(missing).ravel().tolist() == [True, False, False, False, False]


def test_two_rows_at_one_place_are_named_for_every_structure():
    twice = pd.concat([growth(), growth().iloc[:1]], ignore_index=True)
    for residual in ("ar1", "exp", "homdiag", "us"):
        with pytest.raises(DataError, match="2 rows at age 8"):
            smf.mixedlm2("distance ~ sex", twice, residual=f"{residual}(age | subject)")
    with pytest.raises(DataError, match="2 rows at age 8"):
        smf.mixedlm2("distance ~ sex", twice, residual="exp(age | subject, nugget=True)")
    with pytest.raises(DataError, match=r"or write cs\(1 \| subject\)"):
        smf.mixedlm2("distance ~ sex", twice, residual="cs(age | subject)")
