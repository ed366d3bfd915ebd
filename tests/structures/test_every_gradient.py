"""The gradient of every kind of structure against differences, away from the maximum.

Alone and in company, among random effects, among residuals and in both places at once, by ML and by
REML, and of Laplace's approximation of a generalized likelihood.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from every_structure import FAMILIES, KINDS, generalized_model, residual_term, table, term
from structured_checks import check_gradient, dense_objective, difference

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.fitting.structured.linear import objective_of
from statsmodels_mixed.structures import make

BESIDE = {
    "alone": "",
    "in company": " + (1 + x | h) + exp(0 + t | h, nugget=True)",
}
RESIDUAL = {
    "alone": "",
    "in company": " + (1 + x | h)",
    "beside": " + {}",  # the same kind among random effects
}
DEFINITE = [kind for kind in KINDS if make(kind).definite]


def few_steps(model: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(max_eval=3, **options)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_of_random_effects(kind: str, beside: str, reml: bool) -> None:
    model = mixedlm2(f"y ~ x + {term(kind)}{BESIDE[beside]}", table(kind, 1))
    design = model.kept_design()
    estimates = few_steps(model, reml=reml).estimates
    objective, z = objective_of(design, estimates), estimates.structured.z
    z = z + 0.1 * np.cos(np.arange(len(z)))
    value, gradient, _ = objective(z)
    assert value == pytest.approx(dense_objective(design, objective, z, reml), rel=1e-10)
    found = difference(lambda at: dense_objective(design, objective, at, reml), z)
    assert gradient == pytest.approx(found, rel=1e-6, abs=1e-6 * np.abs(found).max())


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("beside", RESIDUAL)
@pytest.mark.parametrize("kind", DEFINITE)
def test_of_residuals(kind: str, beside: str, reml: bool) -> None:
    """And the Hessian, of which degrees of freedom are made."""
    other = RESIDUAL[beside].format(term(kind).replace("| g", "| h"))
    data = table(kind, 1)
    problem = mixedlm2(f"y ~ x{other}", data, residual=residual_term(kind)).problem
    likelihood = problem.likelihood(reml)
    x = problem.starts()[0]
    x = x + 0.1 * np.cos(np.arange(len(x)))
    assert likelihood(x)[0] == pytest.approx(dense_value(problem, x, reml), rel=1e-10)
    found = difference(lambda at: dense_value(problem, at, reml), x)
    size = np.abs(found).max()
    assert likelihood(x)[1] == pytest.approx(found, rel=1e-6, abs=1e-6 * size)
    observed = likelihood.information(x).observed
    curved = difference(lambda at: likelihood(at)[1], x)
    assert observed == pytest.approx(curved, rel=1e-6, abs=1e-6 * np.abs(curved).max())


def dense_value(problem: Any, x: np.ndarray, reml: bool) -> float:
    """Return -2 log-likelihood of correlated residuals, by n x n matrices."""
    design, cells, at = problem.design, problem.cells, problem.model.at(x)
    same = cells.subject[:, None] == cells.subject
    V = same * at.sigma[np.ix_(cells.place, cells.place)]
    sizes = [block.z.shape[1] for block in design.blocks]
    for block, S in zip(design.blocks, at.block_sigmas(sizes), strict=True):
        V += (block.refs[:, None] == block.refs) * (block.z @ S @ block.z.T)
    X, y = design.X, design.y
    W = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ W, W.T @ y)
    n = len(y) - X.shape[1] * reml
    value = n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
    return float(value + (np.linalg.slogdet(X.T @ W)[1] if reml else 0.0))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_of_laplace_approximations(kind: str, beside: str, family: str) -> None:
    formula = f"{FAMILIES[family]} ~ x + {term(kind)}{BESIDE[beside]}"
    check_gradient(few_steps(generalized_model(formula, table(kind, 1), family)))
