"""Each family with one grouping: Laplace and quadrature against dense computations, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

import statsmodels_mixed as smm
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.fitting.approximation import generalized_structure
from statsmodels_mixed.fitting.distributional import model_of_rows

COUNTS = ("poisson", "nbinom2", "nbinom1", "genpois", "compois")
CASES: list[tuple[str, str, dict[str, str]]] = [
    *((family, "count", {"zero_inflation": "~ x"}) for family in COUNTS),
    *((family, "count", {"hurdle": "~ x"}) for family in COUNTS[:3]),
    *((family, "count", {"dispersion": "~ x"}) for family in COUNTS[1:]),
    ("truncated_poisson", "some", {}),
    ("truncated_nbinom2", "some", {"dispersion": "~ x"}),
    ("truncated_nbinom1", "some", {}),
    ("beta", "inside", {"dispersion": "~ x"}),
    ("beta", "ends", {"zero_inflation": "~ 1"}),
    ("ordered_beta", "both", {}),
    ("t", "number", {"dispersion": "~ x"}),
    ("lognormal", "positive", {"dispersion": "~ x"}),
    ("gamma", "positive", {"dispersion": "~ x"}),
    ("gaussian", "number", {"dispersion": "~ x"}),
    ("tweedie", "sum", {"dispersion": "~ x"}),
    ("binomial", "binary", {"zero_inflation": "~ 1"}),
]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n, groups = 48, 6
    g = np.repeat(np.arange(groups), n // groups)
    x = rng.normal(size=n)
    mu = np.exp(0.6 + 0.3 * x + 0.5 * rng.normal(size=groups)[g])
    count = rng.poisson(rng.gamma(2.0, mu / 2.0)).astype(float)
    inside = rng.beta(2.0, 3.0, size=n)
    both = inside.copy()
    both[:5], both[5:9] = 0.0, 1.0
    return pd.DataFrame(
        {
            "g": g,
            "x": x,
            "count": count,
            "some": count + 1.0,
            "inside": inside,
            "ends": np.where(both == 1, 0.5, both),
            "both": both,
            "number": np.log(mu) + rng.normal(size=n),
            "positive": rng.gamma(2.0, mu / 2.0),
            "sum": np.where(count > 0, rng.gamma(2.0, mu), 0.0),
            "binary": (count > 1).astype(float),
        }
    )


def prepared(data: pd.DataFrame, case: tuple[str, str, dict[str, str]]) -> tuple[Any, ...]:
    family, response, parts = case
    options: dict[str, Any] = {"link": "log"} if family == "gamma" else {}
    model: Any = smm.mixedglm2(f"{response} ~ x + (1 | g)", data, family, **options, **parts)
    design = model.kept_design()
    structure, rows = generalized_structure(design), model._rows(design)
    sd = 0.4
    gamma = structure.basis.R @ [0.3, 0.2]
    at = np.concatenate([[sd], gamma, rows.start + 0.1])

    def core(n_agq: int) -> Any:
        return model_of_rows(structure.core, design, model.spec, rows, n_agq)

    def by_row(u: float, group: int) -> Any:
        here = np.flatnonzero(design.blocks[0].refs == group)
        eta = design.X[here] @ [0.3, 0.2] + sd * u
        spec = model.spec
        values, _ = row_derivatives(
            spec.family, spec.link, design.y[here], eta, rows.values(rows.start + 0.1)[here],
            power=spec.power, zeros=rows.zeros,
        )  # fmt: skip
        return values

    return core, at, by_row, sd


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case[0], *case[2]]))
def test_laplace_and_quadrature_are_those_of_each_group_by_itself(data, case):
    core, at, by_row, sd = prepared(data, case)
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
