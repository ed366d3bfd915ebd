"""Kenward and Roger's adjustment in the parameters of mmrm, by dense matrices and differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import OptionError

Array = NDArray[np.float64]

TABLE = datasets.load("orthodont")
TABLE = TABLE[~((TABLE["age"] > 10) & TABLE["subject"].astype(str).str.endswith("3"))]
LAG = np.abs(np.subtract.outer(range(4), range(4)))


def rho(z: Array | float) -> Array:
    return np.asarray(z / np.sqrt(1.0 + np.square(z)))


def logistic(z: float) -> float:
    return float(1.0 / (1.0 + np.exp(-z)))


def unstructured(eta: Array) -> Array:
    L = np.eye(4)
    L[np.tril_indices(4, -1)] = eta[4:]
    L = np.exp(eta[:4])[:, None] * L
    return np.asarray(L @ L.T)


def compound_symmetry(eta: Array) -> Array:
    r = logistic(eta[1]) * (1.0 + 1.0 / 3.0) - 1.0 / 3.0
    return np.asarray(np.exp(2.0 * eta[0]) * ((1.0 - r) * np.eye(4) + r))


def antedependence(eta: Array) -> Array:
    steps = rho(eta[4:])
    R = np.eye(4)
    for i in range(4):
        for j in range(i):
            R[i, j] = R[j, i] = np.prod(steps[j:i])
    return np.asarray(R * np.exp(np.add.outer(eta[:4], eta[:4])))


# The functions of the documentation of mmrm 0.3.18, "Covariance structures".
SIGMA: dict[str, Callable[[Array], Array]] = {
    "us": unstructured,
    "ar1": lambda eta: np.exp(2.0 * eta[0]) * rho(eta[1]) ** LAG,
    "cs": compound_symmetry,
    "had": antedependence,
    "exp": lambda eta: np.exp(eta[0]) * logistic(eta[1]) ** (2.0 * LAG),
}


def parameters(kind: str, sigma: Array) -> Array:
    """Return the parameters of a covariance matrix."""
    sds = np.sqrt(np.diag(sigma))
    r = sigma / np.outer(sds, sds)
    if kind == "us":
        L = np.linalg.cholesky(sigma)
        ratios = L / np.diag(L)[:, None]
        return np.concatenate([np.log(np.diag(L)), ratios[np.tril_indices(4, -1)]])
    if kind == "had":
        next_to = np.diag(r, 1)
        return np.concatenate([np.log(sds), next_to / np.sqrt(1.0 - next_to**2)])
    if kind == "cs":
        share = (r[0, 1] + 1.0 / 3.0) * 0.75
        return np.array([np.log(sds[0]), np.log(share / (1.0 - share))])
    if kind == "ar1":
        return np.array([np.log(sds[0]), r[0, 1] / np.sqrt(1.0 - r[0, 1] ** 2)])
    root = np.sqrt(r[0, 1])
    return np.array([2.0 * np.log(sds[0]), np.log(root / (1.0 - root))])


def second_differences(function: Callable[[Array], Array], at: Array, h: float) -> Array:
    steps = h * np.eye(len(at))
    rows = []
    for a in steps:
        row = []
        for b in steps:
            total = function(at + a + b) - function(at + a - b)
            row.append((total - function(at - a + b) + function(at - a - b)) / (4.0 * h * h))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("kind", list(SIGMA))
def test_adjusted_errors_by_dense_matrices(kind: str) -> None:
    fit = mixedlm2("distance ~ sex * age", TABLE, residual=f"{kind}(age | subject)").fit(reml=True)
    design = fit.kept_design()
    X, y = design.X, design.y
    subject = TABLE["subject"].astype(str).to_numpy()
    visit = ((TABLE["age"].to_numpy() - 8) / 2).astype(int)
    same = subject[:, None] == subject

    def V(eta: Array) -> Array:
        return np.where(same, SIGMA[kind](eta)[np.ix_(visit, visit)], 0.0)

    def objective(eta: Array) -> Array:
        inverse = np.linalg.inv(V(eta))
        A = X.T @ inverse @ X
        r = y - X @ np.linalg.solve(A, X.T @ inverse @ y)
        logs = np.linalg.slogdet(A)[1] - np.linalg.slogdet(inverse)[1]
        return np.asarray(logs + r @ inverse @ r)

    eta = parameters(kind, fit.estimates.residuals[0].matrix)
    assert SIGMA[kind](eta) == pytest.approx(fit.estimates.residuals[0].matrix, rel=1e-9)
    W = 2.0 * np.linalg.inv(second_differences(objective, eta, 1e-3))
    steps = 1e-4 * np.eye(len(eta))
    first = [(V(eta + step) - V(eta - step)) / 2e-4 for step in steps]
    second = second_differences(V, eta, 1e-3)
    inverse = np.linalg.inv(V(eta))
    U = inverse @ X
    M = np.linalg.inv(X.T @ U)
    inner = np.zeros_like(M)
    for i, one in enumerate(first):
        for j, other in enumerate(first):
            Q = U.T @ one @ inverse @ other @ U
            inner += W[i, j] * (Q - U.T @ one @ U @ M @ U.T @ other @ U)
            inner -= W[i, j] * U.T @ second[i, j] @ U / 4.0
    expected = np.sqrt(np.diag(M + 2.0 * M @ inner @ M))
    adjusted = fit.with_inference(dof="kenward-roger-mmrm")
    assert adjusted.bse.to_numpy() == pytest.approx(expected, rel=2e-6)
    by_sas = fit.with_inference(dof="kenward-roger")
    assert adjusted.df_coef.to_numpy() == pytest.approx(by_sas.df_coef.to_numpy(), rel=1e-9)
    assert np.abs(adjusted.bse / by_sas.bse - 1.0).max() > 1e-4
    assert "Kenward-Roger (mmrm)" in adjusted.summary().as_text()


@pytest.mark.parametrize(
    ("formula", "options", "what"),
    [
        ("distance ~ age + (1 | subject)", {"residual": "ar1(age | subject)"}, "random effects"),
        ("distance ~ age", {"residual": "ou(age | subject)"}, r"ou\(\)"),
        ("distance ~ age", {"residual": "exp(age | subject, nugget=True)"}, "a nugget"),
        ("distance ~ age", {"residual": "cs(age | subject)", "dispersion": "~ sex"}, "dispersion="),
    ],
)
def test_models_that_mmrm_does_not_have(formula: str, options: dict[str, str], what: str) -> None:
    model = mixedlm2(formula, TABLE, **options)
    with pytest.raises(OptionError, match=f"which has no {what}"):
        model.fit(reml=True, dof="kenward-roger-mmrm")
    with pytest.raises(OptionError, match="needs a fit by REML"):
        model.fit(dof="kenward-roger-mmrm")


def test_two_ways_of_writing_a_model_have_the_same_expected_information():
    # A process with a nugget as covariance of the residuals, or as random effects beside them. The
    # second derivatives of Kenward and Roger depend on the parameters, all else does not.
    rng = np.random.default_rng(1)
    subject, t = np.repeat(np.arange(20), 5), np.tile([0.0, 1.0, 2.5, 3.0, 6.0], 20)
    u = rng.multivariate_normal(np.zeros(5), 2.0 * np.exp(-0.5 * np.abs(t[:5, None] - t[:5])), 20)
    table = pd.DataFrame({"subject": subject, "t": t, "x": rng.normal(size=100)})
    table["y"] = 1.0 + 0.5 * table["x"] + u.ravel() + rng.normal(size=100)
    one = mixedlm2("y ~ x", table, residual="ou(t | subject, nugget=True)").fit(reml=True)
    two = mixedlm2("y ~ x + ou(0 + t | subject)", table).fit(reml=True)
    assert one.llf == pytest.approx(two.llf, rel=1e-10)
    one = one.with_inference(dof="kenward-roger-linear", information="expected")
    two = two.with_inference(dof="kenward-roger-linear")
    assert one.bse.to_numpy() == pytest.approx(two.bse.to_numpy(), rel=1e-6)
    assert one.df_coef.to_numpy() == pytest.approx(two.df_coef.to_numpy(), rel=1e-5)
