"""Joint modes from where means are so small that a coefficient has no information left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from reference.glmm_names import make_design

from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation


def data(n: int, family: str) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"x": rng.normal(size=n), "f": np.resize(list("aabc"), n)})
    table["g"] = np.resize(np.arange(3), n)
    eta = 0.4 * table.x + (table.f == "b")
    if family == "poisson":
        table["y"] = rng.poisson(np.exp(eta))
    else:
        table["y"] = 1.0 * (rng.random(n) < 1 / (1 + np.exp(-eta)))
        for label in "abc":  # both answers
            table.loc[np.flatnonzero(table.f == label)[:2], "y"] = [0.0, 1.0]
    return table


@pytest.mark.parametrize("family", ["poisson", "binomial"])
@pytest.mark.parametrize("n", [24, 2000])
@pytest.mark.parametrize("far", [-30.0, -34.0])
def test_a_score_without_information_is_followed(family, n, far):
    # Without random effects the joint mode is the estimate of a generalized linear model.
    table = data(n, family)
    design = make_design("y ~ x + f + (1 | g)", table)
    link, of = (
        ("log", sm.families.Poisson) if family == "poisson" else ("logit", sm.families.Binomial)
    )
    spec = FamilySpec(family, link)
    problem = prepare_approximation(design, spec, n_agq=1, fast=True, hessian="expected")
    glm = sm.GLM(design.y, design.X, of()).fit(tol=1e-14)
    away = glm.params.copy()
    away[design.x_names.index("f[T.b]")] += far  # rows with responses, and means of 1e-13
    none = [np.zeros((3, 1))]
    problem.core.set_modes(none, problem.basis.R @ away[problem.basis.columns])
    value, _ = problem.core.value_and_gradient(np.zeros(1))
    assert_allclose(value, -2.0 * glm.llf, rtol=1e-10)
    beta = problem.basis.coefficients(problem.core.solution().beta)
    assert_allclose(beta, glm.params, rtol=1e-6, atol=1e-8)


def test_a_coefficient_that_the_response_separates_stays_where_it_is():
    # Its score is as small as its information: no mode is further on.
    table = data(24, "poisson")
    table.loc[table.f == "b", "y"] = 0
    design = make_design("y ~ x + f + (1 | g)", table)
    spec = FamilySpec("poisson", "log")
    problem = prepare_approximation(design, spec, n_agq=1, fast=True, hessian="expected")
    glm = sm.GLM(design.y, design.X, sm.families.Poisson()).fit()
    start = glm.params.copy()
    start[design.x_names.index("f[T.b]")] = -31.0
    problem.core.set_modes([np.zeros((3, 1))], problem.basis.R @ start)
    value, _ = problem.core.value_and_gradient(np.zeros(1))
    rest = table.f != "b"
    without = sm.GLM(design.y[rest], np.delete(design.X[rest], design.x_names.index("f[T.b]"), 1),
                     sm.families.Poisson()).fit(tol=1e-14)  # fmt: skip
    assert_allclose(value, -2.0 * without.llf, rtol=1e-10)
    steps = problem.core.solution().pirls_steps
    assert steps < 10
