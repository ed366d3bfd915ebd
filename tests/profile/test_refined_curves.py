"""Curves between their points, against a deviance in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from statsmodels_mixed.profile.constrained_minimum import ConstrainedMinimum
from statsmodels_mixed.profile.optima import Optima
from statsmodels_mixed.profile.path import trace
from statsmodels_mixed.profile.targets import Target, linear

END = 2.01


class Levelling:
    """zeta(v) = END tanh(3 (v - 1)^3 + v - 1), which bends twice before it levels off."""

    deviance, n_theta = 0.0, 1

    def parameters(self, states):
        values = np.array([[value] for _, value, _ in states])
        return Optima(values[:, 0], values, values)

    def targets(self, kind, fixed_names):
        def solve(value, start):
            away = value - 1.0
            inner, slope, bend = 3.0 * away**3 + away, 9.0 * away**2 + 1.0, 18.0 * away
            t = math.tanh(inner)
            zeta, first = END * t, END * (1.0 - t**2) * slope
            second = END * (1.0 - t**2) * (bend - 2.0 * t * slope**2)
            return ConstrainedMinimum(
                np.array([value]),
                zeta**2,
                2 * zeta * first,
                2 * (first**2 + zeta * second),
                np.ones(1),
            )

        def state(x, value):
            return x, value, x

        return [
            Target("theta", "v", 1.0, -math.inf, math.inf, np.ones(1), solve, linear(1.0), state)
        ]


@pytest.mark.parametrize("zeta", [-1.959964, -1.644854, 0.674490, 1.959964])
def test_limits_are_those_of_the_deviance(zeta: float) -> None:
    model = Levelling()
    curve, _ = trace(model, model.targets("theta", ())[0], 1.97)
    away = curve.value_at(zeta) - 1.0
    assert END * math.tanh(3.0 * away**3 + away) == pytest.approx(zeta, abs=5e-4)
