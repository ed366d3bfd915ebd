"""Kenward and Roger's method where V is not linear in its parameters, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed import datasets, mixedlm2

MACHINES = datasets.load("machines")


class Serial:
    """REML of sleepstudy with ar1 effects, in (s^2, rho, sigma^2), by matrices of one subject."""

    def __init__(self) -> None:
        frame = datasets.load("sleepstudy")
        self.y = frame["reaction"].to_numpy().reshape(18, 10)
        self.X = np.column_stack([np.ones(10), np.arange(10.0)])
        self.lag = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))

    def pieces(self, eta):
        """V with first and second derivatives."""
        s, rho, _ = eta
        lag = self.lag
        by_rho = s * lag * rho ** np.maximum(lag - 1.0, 0.0)
        mixed = lag * rho ** np.maximum(lag - 1.0, 0.0)
        twice = s * lag * (lag - 1.0) * rho ** np.maximum(lag - 2.0, 0.0)
        zero = np.zeros((10, 10))
        first = [rho**lag, by_rho, np.eye(10)]
        second = [[zero, mixed, zero], [mixed, twice, zero], [zero] * 3]
        return s * rho**lag + eta[2] * np.eye(10), first, second

    def adjusted(self, eta, linear):
        """Kenward and Roger's covariance, all subjects having the same X."""
        V, first, second = self.pieces(eta)
        n, W = 18, np.linalg.inv(V)
        X = self.X
        M = np.linalg.inv(n * X.T @ W @ X)
        P = [n * X.T @ W @ D @ W @ X for D in first]
        Q = [[n * X.T @ W @ A @ W @ B @ W @ X for B in first] for A in first]
        R = [[n * X.T @ W @ D @ W @ X for D in row] for row in second]
        info = np.array(
            [
                [
                    n * np.trace(W @ A @ W @ B)
                    - 2.0 * np.trace(M @ Q[i][j])
                    + np.trace(M @ P[i] @ M @ P[j])
                    for j, B in enumerate(first)
                ]
                for i, A in enumerate(first)
            ]
        )
        cov = 2.0 * np.linalg.inv(info)
        inner = sum(
            cov[i, j] * (Q[i][j] - P[i] @ M @ P[j] - (0.0 if linear else R[i][j] / 4.0))
            for i in range(3)
            for j in range(3)
        )
        return M + M @ (inner + inner.T) @ M


def test_kenward_roger_has_second_derivatives():
    fit = mixedlm2("reaction ~ days + ar1(0 + days | subj)", datasets.load("sleepstudy")).fit(
        reml=True
    )
    sd, rho = fit.covariance_structures["estimate"]
    eta, dense = np.array([sd**2, rho, fit.sigma**2]), Serial()
    full, linear = (
        fit.with_inference(dof=dof) for dof in ("kenward-roger", "kenward-roger-linear")
    )
    for found, first_order in ((full, False), (linear, True)):
        expected = dense.adjusted(eta, first_order)
        assert found.cov_params().to_numpy() == pytest.approx(expected, rel=1e-5)
    assert full.bse["days"] != pytest.approx(linear.bse["days"], rel=1e-3)
    assert full.df_coef.to_numpy() == pytest.approx(linear.df_coef.to_numpy(), rel=1e-9)


@pytest.mark.parametrize("kind", ["cs", "toep", "us"])
def test_kenward_roger_of_linear_kinds_has_one_form(kind):
    fit = mixedlm2(f"score ~ machine + {kind}(0 + machine | worker)", MACHINES).fit(reml=True)
    full, linear = (
        fit.with_inference(dof=dof) for dof in ("kenward-roger", "kenward-roger-linear")
    )
    assert full.bse.to_numpy() == pytest.approx(linear.bse.to_numpy(), rel=1e-10)


@pytest.mark.parametrize(("option", "kind"), [("cs", "hcs"), ("toep", "htoep")])
def test_a_kind_by_option_is_that_of_its_own_name(option, kind):
    """cs(hom=False) is hcs(): its covariances are not linear in their parameters either."""
    growth = datasets.load("orthodont")
    errors = []
    for name, more in ((option, ", hom=False"), (kind, "")):
        effects = mixedlm2(f"score ~ machine + {name}(0 + machine | worker{more})", MACHINES)
        residuals = mixedlm2("distance ~ age", growth, residual=f"{name}(age | subject{more})")
        fits = [each.fit(reml=True, dof="kenward-roger") for each in (effects, residuals)]
        errors.append(np.concatenate([fit.bse.to_numpy() for fit in fits]))
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
