"""Responses of known subjects, given those observed: dense matrices, and limits known in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import DataError, OptionError, datasets


def growth() -> pd.DataFrame:
    """Return Orthodont without a few rows, with weights."""
    table = datasets.load("orthodont")
    lost = (table["age"] > 10) & table["subject"].astype(str).str.endswith("3")
    rng = np.random.default_rng(3)
    return table[~lost].reset_index(drop=True).assign(w=lambda t: rng.uniform(0.5, 2.0, len(t)))


def dense(fit: Any, rho: Any, new: pd.DataFrame, **about: Any) -> tuple[np.ndarray, ...]:
    """Return prediction, variance of the mean and conditional variance of each new row."""
    old = growth()
    both = pd.concat([old, new], ignore_index=True)
    subject, age = both["subject"].astype(str).to_numpy(), both["age"].to_numpy(dtype=float)
    same = subject[:, None] == subject
    sd = about["sd"](both) / np.sqrt(both["w"].to_numpy() if about.get("weighted") else 1.0)
    V = np.where(same, np.outer(sd, sd) * rho(np.abs(age[:, None] - age)), 0.0)
    V += np.where(same, about.get("between", 0.0), 0.0)
    n = len(old)
    X = np.column_stack([np.ones(len(both)), age])
    Vi = np.linalg.inv(V[:n, :n])
    M = np.linalg.inv(X[:n].T @ Vi @ X[:n])
    beta = M @ X[:n].T @ Vi @ old["distance"].to_numpy()
    assert fit.params.to_numpy() == pytest.approx(beta, rel=1e-6)
    C = V[n:, :n]
    mean = X[n:] @ beta + C @ Vi @ (old["distance"].to_numpy() - X[:n] @ beta)
    d = X[n:] - C @ Vi @ X[:n]
    return (
        mean,
        np.einsum("ij,jk,ik->i", d, M, d),
        np.diag(V[n:, n:]) - np.einsum("ij,jk,ik->i", C, Vi, C),
    )


NEW = pd.DataFrame(
    {
        "subject": ["M03", "M03", "F03", "M01", "new"],
        "age": [12.0, 14.0, 12.0, 16.0, 10.0],
        "sex": ["Male", "Male", "Female", "Male", "Male"],
        "w": [1.0, 2.0, 0.7, 1.5, 1.0],
    }
)


@pytest.mark.parametrize("reml", [False, True])
def test_ar1_beside_a_random_intercept(reml):
    model = smf.mixedlm2("distance ~ age + (1 | subject)", growth(), residual="ar1(age | subject)")
    fit = model.fit(reml=reml)
    sd, rho, between = fit.estimates.natural.values
    found = fit.get_prediction(NEW, conditional=True)
    mean, of_mean, rest = dense(
        fit, lambda d: rho ** (d / 2.0), NEW, sd=lambda t: np.full(len(t), sd), between=between**2
    )
    assert found.predicted_mean == pytest.approx(mean, rel=1e-9)
    assert found.se_mean == pytest.approx(np.sqrt(of_mean), rel=1e-6)
    assert found.se_obs == pytest.approx(np.sqrt(of_mean + rest), rel=1e-8)
    # Of a new subject nothing is known but the fixed part.
    assert found.predicted_mean[4] == pytest.approx(fit.predict(NEW).iloc[4], rel=1e-12)
    assert rest[4] == pytest.approx(sd**2 + between**2)
    series = fit.predict(NEW, conditional=True)
    assert series.to_numpy() == pytest.approx(mean, rel=1e-9)


def test_times_between_those_of_the_data_weights_and_dispersion():
    fit = smf.mixedlm2(
        "distance ~ age",
        growth(),
        residual="exp(age | subject)",
        dispersion="~ sex",
        weights="w",
    ).fit(reml=True)
    sd, scale, ratio = fit.estimates.natural.values
    new = NEW.assign(age=[11.0, 14.5, 9.25, 13.0, 10.0])
    mean, of_mean, rest = dense(
        fit,
        lambda d: np.exp(-d / scale),
        new,
        sd=lambda t: sd * np.where(t["sex"].astype(str) == "Female", ratio, 1.0),
        weighted=True,
    )
    found = fit.get_prediction(new, conditional=True)
    assert found.predicted_mean == pytest.approx(mean, rel=1e-9)
    assert found.se_mean == pytest.approx(np.sqrt(of_mean), rel=1e-6)
    assert found.se_obs == pytest.approx(np.sqrt(of_mean + rest), rel=1e-8)


@pytest.mark.parametrize("residual", ["us(age | subject)", "toep(age | subject)"])
def test_what_was_observed_is_predicted_exactly(residual):
    table = growth()
    fit = smf.mixedlm2("distance ~ age * sex", table, residual=residual).fit()
    found = fit.get_prediction(table, conditional=True)
    assert found.predicted_mean == pytest.approx(table["distance"].to_numpy(), rel=1e-9)
    assert found.se_obs == pytest.approx(np.zeros(len(table)), abs=1e-5)


def test_a_missing_visit_is_a_regression_on_the_others():
    table = growth()
    fit = smf.mixedlm2("distance ~ C(age)", table, residual="us(age | subject)").fit()
    S = fit.residual_covariance.to_numpy()
    means = fit.predict(pd.DataFrame({"age": [8.0, 10.0, 12.0, 14.0]})).to_numpy()
    own = table[table["subject"] == "M03"]["distance"].to_numpy()  # at 8 and 10
    wanted = means[2] + S[2, :2] @ np.linalg.solve(S[:2, :2], own - means[:2])
    found = fit.predict({"subject": ["M03"], "age": [12.0]}, conditional=True)
    assert np.asarray(found) == pytest.approx([wanted], rel=1e-9)


def test_rows_without_places_are_exchangeable():
    table = growth()
    fit = smf.mixedlm2("distance ~ age", table, residual="cs(1 | subject)").fit()
    intercepts = smf.mixedlm2("distance ~ age + (1 | subject)", table).fit()
    assert np.asarray(fit.predict(NEW, conditional=True)) == pytest.approx(
        np.asarray(intercepts.predict(NEW, re=True, new_levels="population")), rel=1e-5
    )


def test_rows_of_unequal_variances_name_their_places():
    with pytest.raises(OptionError, match="name the visits or times"):
        smf.mixedlm2("distance ~ age", growth(), residual="cs(1 | subject, hom=False)")
    twice = pd.concat([growth(), growth().iloc[:1]])
    with pytest.raises(DataError, match="2 rows at age 8"):
        smf.mixedlm2("distance ~ age", twice, residual="cs(age | subject, hom=False)")


def test_missing_values_have_no_prediction():
    fit = smf.mixedlm2("distance ~ age", growth(), residual="ar1(age | subject)").fit()
    new = NEW.assign(age=[np.nan, *NEW["age"].iloc[1:]])
    found = fit.predict(new, conditional=True)
    assert np.isnan(found.iloc[0])
    assert found.iloc[1:].notna().all()


def test_what_cannot_be_predicted_is_refused():
    table = growth()
    fit = smf.mixedlm2("distance ~ age", table, residual="us(age | subject)").fit()
    with pytest.raises(DataError, match=r"no age 11.0 in the data of the model"):
        fit.predict(NEW.assign(age=11.0), conditional=True)
    with pytest.raises(DataError, match=r"no column 'subject'"):
        fit.predict({"age": [8.0]}, conditional=True)
    with pytest.raises(OptionError, match="rows of new data"):
        fit.predict(conditional=True)
    by_sex = smf.mixedlm2("distance ~ age", table, dispersion="~ sex").fit()
    with pytest.raises(DataError, match=r"dispersion= .*has the level 'other', not among"):
        by_sex.predict(NEW.assign(sex="other"), conditional=True)
    with pytest.raises(OptionError, match="leave re= out"):
        fit.predict(NEW, conditional=True, re=True)
