"""Large counts with an effect of every row: log|Omega| has its digits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed.fitting.generalized.fit import prepare_approximation


def counts(mean, sd):
    rng = np.random.default_rng(12)
    g, x = np.repeat(np.arange(3), 8), rng.normal(size=24)
    slopes = rng.normal(size=(3, 2)) * [0.3, 0.2]
    eta = np.log(mean) + slopes[g, 0] + slopes[g, 1] * x + sd * rng.normal(size=24)
    return pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g, "row": np.arange(24)})


def with_many_digits(design, factors, weights):
    """log|Lambda'Z'WZ Lambda + I| by Gaussian elimination with 60 digits."""
    columns = []
    for block in design.blocks:
        zT = block.z @ factors[block.z.shape[1]]
        for level in range(len(block.levels)):
            columns += list(np.where(block.refs[:, None] == level, zT, 0.0).T)
    with localcontext() as context:
        context.prec = 60
        W = [Decimal(float(w)) for w in weights]
        Z = [[Decimal(float(z)) for z in column] for column in columns]
        A = [[sum(w * a * b for w, a, b in zip(W, u, v, strict=True)) for v in Z] for u in Z]
        total = Decimal(0)
        for k in range(len(A)):
            A[k][k] += 1
        for k in range(len(A)):
            total += A[k][k].ln()
            for i in range(k + 1, len(A)):
                share = A[i][k] / A[k][k]
                if share:
                    A[i] = [a - share * b for a, b in zip(A[i], A[k], strict=True)]
        return float(total)


@pytest.mark.parametrize("mean", [1e3, 1e9, 1e12])
def test_log_determinant(mean):
    # The factors alone had errors of 1e-6 at 1e9, and were not positive definite at 1e12.
    data = counts(mean, 1.0)  # the term with more effects comes first, that of rows
    model = smf.mixedglm2("y ~ x + (x | g) + (1 | row)", data, "poisson")
    problem = prepare_approximation(
        model.design, model.spec, n_agq=1, fast=False, hessian="expected"
    )
    core, theta = problem.core, np.array([0.8, 0.9, 0.1, 0.3])
    at = problem.to_working(np.r_[theta, np.log(mean), 0.1])
    values = []
    for _ in range(3):  # from modes found before as well
        values.append(core.value_and_gradient(at)[0])
        solution = core.solution()
        core.value_and_gradient(at * (1 + 1e-7))
    factors = {2: np.array([[0.9, 0.0], [0.1, 0.3]]), 1: np.array([[0.8]])}
    exact = with_many_digits(model.design, factors, np.exp(solution.eta))
    assert solution.logdet_omega == pytest.approx(exact, abs=1e-9)
    assert np.ptp(values) < 1e-9


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize("seed", range(3))
def test_fits_converge(seed):
    # "Not converged": the objective was another one by 2e-6 for a new model.
    rng = np.random.default_rng(seed + 10)
    g, x = np.repeat(np.arange(6), 10), rng.normal(size=60)
    eta = np.log(1e9) + 0.3 * rng.normal(size=6)[g] + (0.1 + 0.2 * rng.normal(size=6))[g] * x
    y = rng.poisson(np.exp(eta + rng.normal(size=60)))
    data = pd.DataFrame({"y": y, "x": x, "g": g, "row": np.arange(60)})
    fit = smf.mixedglm2("y ~ x + (x | g) + (1 | row)", data, "poisson").fit()
    assert fit.converged
    est = fit.estimates
    again = fit.model.objective(est.theta, est.beta, est.dispersion)
    assert again == pytest.approx(fit.objective, abs=1e-9)
