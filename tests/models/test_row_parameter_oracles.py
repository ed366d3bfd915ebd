"""Each family with one grouping: Laplace and quadrature against dense computations, gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from family_cases import Case, cases, spec_of, table
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import MixedModelWarning
from statsmodels_mixed.fitting.distributional.likelihood import model_of_rows
from statsmodels_mixed.fitting.generalized.approximation import generalized_structure

DATA = table(48, 6, 5)
# Families with a dispersion, and no formula: the same model with the formula "~ 1".
ALL = cases(DATA)
CASES = [case for case in ALL if case.parts or spec_of(case.family).parted]
CONSTANT = [Case(case.family, case.support, {}) for case in ALL if "dispersion" in case.parts]


def prepared(case: Case) -> tuple[Any, ...]:
    model = case.model(case.rows(DATA))
    design = model.kept_design()
    structure, rows = generalized_structure(design), model._rows(design)
    sd = 0.4
    beta = np.array([-0.3, 0.2][-design.X.shape[1] :])
    gamma = structure.basis.R @ beta
    at = np.concatenate([[sd], gamma, rows.start + 0.1])

    def core(n_agq: int) -> Any:
        return model_of_rows(structure.core, design, model.spec, rows, n_agq)

    def by_row(u: float, group: int) -> Any:
        here = np.flatnonzero(design.blocks[0].refs == group)
        eta = design.X[here] @ beta + sd * u
        spec = model.spec
        values, _ = row_derivatives(
            spec.family, spec.link, design.y[here], eta, rows.values(rows.start + 0.1)[here],
            weights=None if design.weights is None else design.weights[here],
            power=spec.power, zeros=rows.zeros,
        )  # fmt: skip
        return values

    return core, at, by_row, sd


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_laplace_and_quadrature_are_those_of_each_group_by_itself(case):
    core, at, by_row, sd = prepared(case)
    nodes = np.linspace(-9.0, 9.0, 721)  # the trapezoidal rule, which is exact to rounding here
    laplace = exact = 0.0
    for group in range(6):
        heights = np.array([by_row(u, group)[:, 0].sum() - u**2 / 2 for u in nodes])
        top = heights.max()
        inner = np.exp(heights - top).sum() * (nodes[1] - nodes[0])
        exact += top + np.log(inner) - 0.5 * np.log(2 * np.pi)
        best = nodes[heights.argmax()]
        mode = minimize_scalar(
            lambda u, group=group: u**2 / 2 - by_row(u, group)[:, 0].sum(),
            bracket=(best - 0.1, best + 0.1),
            options={"xtol": 1e-11},
        )
        weight = -by_row(mode.x, group)[:, 2].sum()
        laplace += -mode.fun - 0.5 * np.log1p(sd**2 * weight)
    value, gradient = core(1).value_and_gradient(at)
    assert value == pytest.approx(-2 * laplace, abs=1e-7)
    fine, _ = core(25).value_and_gradient(at)
    assert fine == pytest.approx(-2 * exact, abs=1e-6)
    for n_agq in (1, 5):
        model = core(n_agq)
        gradient = model.value_and_gradient(at)[1]
        steps = 1e-4 * np.eye(len(at))
        values = [[model.value_and_gradient(at + k * s)[0] for k in (-2, -1, 1, 2)] for s in steps]
        wanted = np.array(values) @ [1, -8, 8, -1] / 12e-4
        assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", CONSTANT, ids=lambda case: case.id)
def test_a_dispersion_without_formula_is_one_with_a_constant(case):
    """Two ways of computing the same likelihood, with the observed information."""
    model = case.model(DATA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        plain = model.fit() if model.spec.parted else model.fit(hessian="observed")
        constant = case._replace(parts={"dispersion": "~ 1"}).model(DATA).fit()
    assert constant.llf == pytest.approx(plain.llf, abs=1e-6)
