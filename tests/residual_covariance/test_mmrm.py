"""Tests of models for repeated measures: small samples, empirical covariances, marginal means."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import OptionError, datasets, inference
from statsmodels_mixed.standard_errors.reference import RESIDUAL_DOF_METHODS

INFORMATION = ("observed", "expected")


@cache
def growth() -> pd.DataFrame:
    """Return Orthodont without a few rows."""
    table = datasets.load("orthodont")
    return table[~((table["age"] > 10) & table["subject"].astype(str).str.endswith("3"))]


@cache
def fitted(residual: str = "ar1(age | subject)", **options: Any) -> Any:
    model = smf.mixedlm2("distance ~ sex * age", growth(), residual=residual, **options)
    return model.fit(reml=True)


class Dense:
    """REML of y = X beta + e with V = s R(rho), R of first order, by dense matrices."""

    def __init__(self) -> None:
        design = fitted().kept_design()
        self.X, self.y = design.X, design.y
        subject, age = growth()["subject"].astype(str).to_numpy(), growth()["age"].to_numpy()
        self.same = subject[:, None] == subject
        self.lag = np.where(self.same, np.abs(age[:, None] - age) / 2.0, 0.0)
        self.subject = subject

    def V(self, eta: np.ndarray) -> np.ndarray:
        return np.where(self.same, eta[0] * eta[1] ** self.lag, 0.0)

    def first(self, eta: np.ndarray) -> list[np.ndarray]:
        s, rho = eta
        by_rho = s * self.lag * rho ** np.maximum(self.lag - 1.0, 0.0)
        return [np.where(self.same, rho**self.lag, 0.0), by_rho]

    def second(self, eta: np.ndarray) -> list[list[np.ndarray]]:
        s, rho = eta
        mixed = self.lag * rho ** np.maximum(self.lag - 1.0, 0.0)
        twice = s * self.lag * (self.lag - 1.0) * rho ** np.maximum(self.lag - 2.0, 0.0)
        return [[np.zeros_like(mixed), mixed], [mixed, twice]]

    def objective(self, eta: np.ndarray) -> float:
        V = self.V(eta)
        W = np.linalg.solve(V, self.X)
        r = self.y - self.X @ np.linalg.solve(self.X.T @ W, W.T @ self.y)
        logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(self.X.T @ W)[1]
        return float(logs + r @ np.linalg.solve(V, r))

    def covariance(self, eta: np.ndarray, information: str) -> np.ndarray:
        """Return the asymptotic covariance of (s, rho)."""
        if information == "expected":
            V = self.V(eta)
            W = np.linalg.solve(V, self.X)
            P = np.linalg.inv(V) - W @ np.linalg.solve(self.X.T @ W, W.T)
            PV = [P @ one for one in self.first(eta)]
            return 2.0 * np.linalg.inv([[np.trace(a @ b) for b in PV] for a in PV])
        h = np.diag(1e-3 * np.abs(eta))
        H = [
            [
                (
                    self.objective(eta + a + b)
                    - self.objective(eta + a - b)
                    - self.objective(eta - a + b)
                    + self.objective(eta - a - b)
                )
                / (4.0 * a.max() * b.max())
                for b in h
            ]
            for a in h
        ]
        return 2.0 * np.linalg.inv(np.array(H))


def natural(fit: Any) -> np.ndarray:
    sd, rho = fit.residual_parameters["estimate"]
    return np.array([sd**2, rho])


@pytest.mark.parametrize("information", INFORMATION)
def test_satterthwaite_is_the_delta_method(information):
    dense, eta = Dense(), natural(fitted())
    W = dense.covariance(eta, information)
    Vi = np.linalg.inv(dense.V(eta))
    M = np.linalg.inv(dense.X.T @ Vi @ dense.X)
    slopes = [M @ dense.X.T @ Vi @ one @ Vi @ dense.X @ M for one in dense.first(eta)]
    grad = np.array([np.diag(one) for one in slopes])
    df = 2.0 * np.diag(M) ** 2 / np.einsum("ik,ij,jk->k", grad, W, grad)
    fit = fitted().with_inference(dof="satterthwaite", information=information)
    assert fit.df_coef.to_numpy() == pytest.approx(df, rel=2e-5)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("information", INFORMATION)
def test_kenward_roger_by_dense_matrices(information, linear):
    dense, eta = Dense(), natural(fitted())
    W = dense.covariance(eta, information)
    X, Vi = dense.X, np.linalg.inv(dense.V(eta))
    M = np.linalg.inv(X.T @ Vi @ X)
    first, second = dense.first(eta), dense.second(eta)
    P = [X.T @ Vi @ one @ Vi @ X for one in first]
    inner = np.zeros_like(M)
    for i in range(2):
        for j in range(2):
            Q = X.T @ Vi @ first[i] @ Vi @ first[j] @ Vi @ X
            R = 0.0 if linear else X.T @ Vi @ second[i][j] @ Vi @ X
            inner += W[i, j] * (Q - P[i] @ M @ P[j] - R / 4.0)
    adjusted = M + 2.0 * M @ inner @ M
    dof = "kenward-roger-linear" if linear else "kenward-roger"
    fit = fitted().with_inference(dof=dof, information=information)
    assert fit.bse.to_numpy() == pytest.approx(np.sqrt(np.diag(adjusted)), rel=1e-6)
    assert fit.f_test(np.eye(4)[2:]).df_denom > 2


def test_kenward_roger_of_us_has_no_second_order_term():
    fit = fitted("us(age | subject)")
    full, linear = (
        fit.with_inference(dof=dof) for dof in ("kenward-roger", "kenward-roger-linear")
    )
    assert full.bse.to_numpy() == pytest.approx(linear.bse.to_numpy(), rel=1e-10)
    assert (full.bse > fit.bse).all()


def test_expected_information_is_that_of_a_random_intercept():
    # cs is the covariance of a random intercept, whose Kenward-Roger is that of pbkrtest.
    intercept = smf.mixedlm2("distance ~ sex * age + (1 | subject)", growth()).fit(reml=True)
    other = intercept.with_inference(dof="kenward-roger")
    fit = fitted("cs(age | subject)").with_inference(dof="kenward-roger", information="expected")
    assert fit.bse.to_numpy() == pytest.approx(other.bse.to_numpy(), rel=1e-6)
    assert fit.df_coef.to_numpy() == pytest.approx(other.df_coef.to_numpy(), rel=1e-5)
    first, second = (
        inference.f_test(one, np.eye(4)[1:], dof="kenward-roger") for one in (fit, other)
    )
    assert first.statistic == pytest.approx(second.statistic, rel=1e-6)
    assert first.df_denom == pytest.approx(second.df_denom, rel=1e-5)


def test_cluster_robust_is_that_of_a_random_intercept():
    intercept = smf.mixedlm2("distance ~ sex * age + (1 | subject)", growth()).fit(reml=True)
    for kind in ("CR0", "CR1", "CR1S"):
        kwds = {"groups": "subject", "kind": kind}
        options: Any = {"cov_type": "cluster", "cov_kwds": kwds, "dof": "satterthwaite"}
        fit, other = (
            one.with_inference(**options) for one in (fitted("cs(age | subject)"), intercept)
        )
        assert fit.bse.to_numpy() == pytest.approx(other.bse.to_numpy(), rel=1e-6)
        assert fit.df_coef.to_numpy() == pytest.approx(other.df_coef.to_numpy(), rel=1e-5)


def test_bias_reduced():
    # As mmrm has it: the root is taken in the metric of the lower Cholesky factor.
    dense, eta = Dense(), natural(fitted())
    V = dense.V(eta)
    Vi = np.linalg.inv(V)
    M = np.linalg.inv(dense.X.T @ Vi @ dense.X)
    e = dense.y - dense.X @ (M @ dense.X.T @ Vi @ dense.y)
    meat = np.zeros_like(M)
    for subject in np.unique(dense.subject):
        at = np.flatnonzero(dense.subject == subject)
        at = at[np.argsort(growth()["age"].to_numpy()[at])]
        L = np.linalg.cholesky(V[np.ix_(at, at)])
        X, r = np.linalg.solve(L, dense.X[at]), np.linalg.solve(L, e[at])
        values, vectors = np.linalg.eigh(np.eye(len(at)) - X @ M @ X.T)
        score = X.T @ (vectors / np.sqrt(values)) @ (vectors.T @ r)
        meat += np.outer(score, score)
    errors = np.sqrt(np.diag(M @ meat @ M))
    fit = fitted().with_inference(cov_type="cluster", cov_kwds={"kind": "CR2"})
    assert fit.bse.to_numpy() == pytest.approx(errors, rel=1e-8)


def test_jackknife():
    dense, eta = Dense(), natural(fitted())
    X, V = dense.X, dense.V(eta)
    Vi = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ Vi @ X)
    beta = M @ X.T @ Vi @ dense.y
    moved = []
    for subject in np.unique(dense.subject):
        kept = np.flatnonzero(dense.subject != subject)
        part = np.linalg.inv(V[np.ix_(kept, kept)])
        A = X[kept].T @ part
        moved.append(np.linalg.solve(A @ X[kept], A @ dense.y[kept]) - beta)
    errors = np.sqrt(np.sum(np.square(moved), axis=0))
    fit = fitted().with_inference(cov_type="cluster", cov_kwds={"kind": "CR3"})
    assert fit.bse.to_numpy() == pytest.approx(errors, rel=1e-8)


def test_between_within():
    fit = fitted().with_inference(dof="between-within")
    n, subjects = len(growth()), growth()["subject"].nunique()
    within = n - subjects - 2  # age, and age by sex
    assert fit.df_coef.tolist() == [within, subjects - 2, within, within]
    assert fit.f_test(np.eye(4)[1:3]).df_denom == subjects - 2


def test_marginal_means_take_the_degrees_of_freedom_of_the_fit():
    table = growth().assign(visit=lambda d: "v" + d["age"].astype(str).str.zfill(2))
    model = smf.mixedlm2("distance ~ sex * visit", table, residual="us(visit | subject)")
    fit = model.fit(reml=True, dof="kenward-roger")
    means = fit.emmeans(["sex", "visit"]).to_frame()
    assert len(means) == 8
    design = fit.kept_design()
    rows, first = np.unique(design.X, axis=0), None
    tests = fit.reference.tests
    for _, mean in means.iterrows():
        at = np.flatnonzero((table["sex"] == mean["sex"]) & (table["visit"] == mean["visit"]))
        first = design.X[at[0]]
        assert mean["estimate"] == pytest.approx(first @ fit.params.to_numpy(), rel=1e-10)
        assert mean["std_error"] == pytest.approx(tests.errors(first)[0], rel=1e-10)
        assert mean["df"] == pytest.approx(tests.df(first)[0], rel=1e-8)
    assert len(rows) == 8


@pytest.mark.parametrize("dof", [d for d in RESIDUAL_DOF_METHODS if d])
def test_marginal_means_name_all_degrees_of_freedom(dof):
    fit = smf.mixedlm2("distance ~ sex", growth(), residual="ar1(age | subject)").fit(
        reml=True, dof=dof
    )
    means = fit.emmeans("sex")
    row = means.contrasts("pairwise").to_frame().iloc[0]
    # One contrast of two means is the coefficient, but for its sign.
    assert abs(row["estimate"]) == pytest.approx(abs(fit.params.iloc[1]), rel=1e-10)
    assert row["std_error"] == pytest.approx(fit.bse.iloc[1], rel=1e-10)
    assert row["df"] == pytest.approx(fit.df_coef.iloc[1], rel=1e-8)
    assert RESIDUAL_DOF_METHODS[dof] in str(means)


def test_fits_with_other_covariances_are_compared():
    fits = [
        smf.mixedlm2("distance ~ sex * age", growth(), residual=residual).fit()
        for residual in ("cs(age | subject)", "toep(age | subject)", "us(age | subject)")
    ]
    table = fits[0].anova(*fits[1:])
    assert table["df_diff"].tolist()[1:] == [2, 6]
    statistic = fits[1].objective - fits[2].objective
    assert table["statistic"].iloc[2] == pytest.approx(statistic)
    plain = smf.mixedlm2("distance ~ sex * age + (1 | subject)", growth()).fit()
    test = fits[2].compare_lr_test(plain)
    assert test.df_diff == 8
    assert test.statistic == pytest.approx(plain.objective - fits[2].objective)


def test_tidy_glance_update():
    fit = fitted()
    rows = fit.tidy()
    assert rows.loc[rows["term"] == "rho", "estimate"].tolist() == pytest.approx([natural(fit)[1]])
    row = fit.glance().iloc[0]
    assert row["groups"] == growth()["subject"].nunique()
    assert row["sigma"] == pytest.approx(np.sqrt(natural(fit)[0]))
    assert "ar1(age | subject)" in repr(fit.model.update("~ . - sex:age"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dof": "kenward"}, "dof must be one of"),
        ({"information": "average"}, "information= is"),
        ({"cov_type": "robust"}, "cov_type must be"),
        ({"cov_kwds": {"kind": "CR2"}}, "goes with cov_type"),
        ({"cov_type": "cluster", "cov_kwds": {"kind": "CR9"}}, "CR9"),
        ({"cov_type": "cluster", "dof": "kenward-roger"}, "model-based"),
        ({"cov_type": "cluster", "cov_kwds": {"groups": "age"}}, "several clusters"),
    ],
)
def test_mistakes_are_named(options, words):
    with pytest.raises(OptionError, match=words):
        fitted().with_inference(**options)


def test_kenward_roger_needs_reml():
    model = smf.mixedlm2("distance ~ sex * age", growth(), residual="cs(age | subject)")
    with pytest.raises(OptionError, match="REML"):
        model.fit(dof="kenward-roger")


def test_structures_of_random_effects_beside_residuals():
    # A structured random effect in each row's place is a covariance of residuals with a nugget.
    table = growth().assign(step=lambda d: d["age"] / 2)
    one = smf.mixedlm2("distance ~ sex", table, residual="ar1(step | subject, nugget=True)")
    two = smf.mixedlm2("distance ~ sex + ar1(0 + step | subject)", table, dispersion="~ sex")
    three = smf.mixedlm2(
        "distance ~ sex", table, residual="ar1(step | subject, nugget=True)", dispersion="exp(age)"
    )
    plain = smf.mixedlm2("distance ~ sex + ar1(0 + step | subject)", table).fit()
    assert one.fit().llf == pytest.approx(plain.llf, rel=1e-8)
    assert two.fit().llf >= plain.llf
    assert three.fit().converged


def test_multiple_membership_beside_residuals():
    table = growth().reset_index(drop=True)
    table["a"], table["b"] = np.arange(len(table)) % 5, (np.arange(len(table)) * 3 + 1) % 5
    effects = np.array([3.0, -2.0, 1.0, 2.0, -4.0])
    table["distance"] += effects[table["a"]] + effects[table["b"]]
    formula = "distance ~ sex + (1 | mm(a, b))"
    plain = smf.mixedlm2(formula, table).fit(reml=True)
    fit = smf.mixedlm2(formula, table, residual="homdiag(age | subject)").fit(reml=True)
    assert fit.llf == pytest.approx(plain.llf, rel=1e-9)
    assert fit.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-4)
