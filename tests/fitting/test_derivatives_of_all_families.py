"""Derivatives of the log-likelihoods of rows against differences: every family, link and part."""

from __future__ import annotations

import numpy as np
import pytest
from family_cases import FORMULAS, Case, accepted, pairs, responses, spec_of, table
from numpy.testing import assert_allclose

from statsmodels_mixed._core import row_derivatives

STEP = 1e-3
DATA = table(60, 6, 1)
ZEROS = {"zero_inflation": "inflation", "hurdle": "hurdle"}


def zeros_of(family: str, link: str) -> list[str]:
    """Return the parts of zeros that models of a family have, the names of the density's."""
    spec = spec_of(family, link)
    assert spec is not None
    cases = {part: Case(family, spec.support, {part: FORMULAS[part]}) for part in ZEROS}
    if family == "ordered":
        return [""]
    if spec.support in ("positive", "shares", "positive counts"):
        return ["", "hurdle"]
    return ["", *(ZEROS[part] for part, case in cases.items() if accepted(case, DATA))]


def slope(f) -> np.ndarray:
    return (f(-2 * STEP) - 8 * f(-STEP) + 8 * f(STEP) - f(2 * STEP)) / (12 * STEP)


@pytest.mark.parametrize(
    ("family", "link", "zeros"), [(*pair, zeros) for pair in pairs() for zeros in zeros_of(*pair)]
)
def test_derivatives_are_those_of_differences(family: str, link: str, zeros: str) -> None:
    rng = np.random.default_rng(7)
    spec, n = spec_of(family, link), 40
    assert spec is not None
    made = responses(np.full(n, 0.7), rng)
    y = np.asarray(made[spec.support.replace(" ", "_")], float)
    weights = np.asarray(made["trials_of_row"], float) if spec.support == "trials" else None
    name = family
    if zeros:
        y = np.where(rng.random(n) < 0.4, 0, y)
        if zeros == "hurdle" and spec.support == "counts":
            name = f"truncated_{family}"
    # Powers need a positive predictor, means below 1 a negative one of the logarithm; a
    # generalized Poisson needs phi > 1 to be smooth everywhere.
    eta = rng.normal(0, 0.5, n)
    if spec.link in ("power", "identity"):
        eta = rng.normal(1.5, 0.1, n) if spec.support != "trials" else rng.uniform(0.2, 0.8, n)
    elif link == "log" and spec.support == "trials":
        eta = -np.abs(eta) - 0.1
    outer = rng.normal(0.6, 0.1, (n, 4))
    if family == "ordered":
        outer[:, 1] = outer[:, 0] - rng.uniform(0.2, 2, n)
        outer[y == 3, 0] = np.inf

    def evaluate(by_eta=0.0, by_outer=0.0, j=0):
        moved = outer.copy()
        moved[:, j] += by_outer
        return row_derivatives(
            name, spec.link, y, eta + by_eta, moved, weights=weights, power=spec.power, zeros=zeros
        )

    in_eta, in_others = evaluate()
    assert np.isfinite(in_eta).all()
    with np.errstate(invalid="ignore"):
        wanted = slope(lambda by: evaluate(by_eta=by)[0])
        assert_allclose(in_eta[:, 1:], wanted[:, :3], rtol=1e-7, atol=1e-7)
        for j in range(4):
            wanted = slope(lambda by, j=j: evaluate(by_outer=by, j=j)[0])
            reached = np.isfinite(outer[:, j])
            assert_allclose(in_others[reached, :, j], wanted[reached, :3], rtol=1e-7, atol=1e-7)
