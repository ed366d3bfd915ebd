"""Newton's method in a trust region, on functions whose minima are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from statsmodels_mixed.fitting.search.trust_region import minimize_newton
from statsmodels_mixed.fitting.structured.several_starts import best_minimum


def rosenbrock(x):
    a, b = x
    value = (1 - a) ** 2 + 100 * (b - a * a) ** 2
    gradient = np.array([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)])
    hessian = np.array([[2 - 400 * (b - 3 * a * a), -400 * a], [-400 * a, 200.0]])
    return value, gradient, hessian


def test_rosenbrock():
    run = minimize_newton(rosenbrock, np.array([-1.2, 1.0]))
    assert run.converged
    assert run.end == pytest.approx([1.0, 1.0], abs=1e-6)
    assert run.evaluations < 40


def double_well(x):
    """Minima at -1 and 1, lower at 1; a maximum between."""
    t = x[0]
    value = t**4 - 2 * t**2 - 0.3 * t
    return value, np.array([4 * t**3 - 4 * t - 0.3]), np.array([[12 * t**2 - 4]])


def test_a_saddle_point_is_left():
    def saddle(x):
        a, b = x
        gradient = np.array([4 * a**3 - 2 * a, 2 * b])
        return a**4 - a**2 + b**2, gradient, np.diag([12 * a**2 - 2, 2.0])

    run = minimize_newton(saddle, np.zeros(2))
    assert run.converged
    assert np.abs(run.end) == pytest.approx([np.sqrt(0.5), 0.0], abs=1e-5)


def test_the_least_of_several_minima():
    one = minimize_newton(double_well, np.array([-1.5]))
    assert one.end[0] < 0
    best = best_minimum(double_well, [np.array([-1.5]), np.array([1.5])])
    assert best.end[0] > 0 and best.converged
    assert best.evaluations > one.evaluations


def test_a_run_into_a_known_minimum_is_cut_short():
    starts = [np.array([1.5]), np.array([1.6])]
    both = best_minimum(double_well, starts)
    single = [minimize_newton(double_well, start).evaluations for start in starts]
    assert both.evaluations < sum(single)


def test_an_approximate_hessian_still_converges():
    def doubled(x):
        value, gradient, hessian = rosenbrock(x)
        return value, gradient, 1.5 * hessian

    run = minimize_newton(doubled, np.array([0.5, 0.3]))
    assert run.converged and run.value < 1e-9


def test_failed_evaluations_are_survived():
    def log_barrier(x):
        if x[0] <= 0:
            return np.nan, np.full(1, np.nan), np.full((1, 1), np.nan)
        return x[0] - np.log(x[0]), np.array([1 - 1 / x[0]]), np.array([[1 / x[0] ** 2]])

    run = minimize_newton(log_barrier, np.array([30.0]))
    assert run.converged and run.failures > 0
    assert run.end[0] == pytest.approx(1.0, abs=1e-5)
    assert minimize_newton(log_barrier, np.array([-1.0])).status == "FAILURE"


def test_limits_are_kept_and_said():
    run = minimize_newton(rosenbrock, np.array([-1.2, 1.0]), max_eval=5)
    assert run.status == "MAXEVAL_REACHED" and not run.converged and run.evaluations == 5
    assert run.points.shape == (5, 2) and run.values[-1] >= run.value
    short = minimize_newton(rosenbrock, np.array([-1.2, 1.0]), longest=np.array([0.01, 0.01]))
    assert np.abs(np.diff(short.points, axis=0)).max() <= 0.0100001 * 2
    assert short.converged


def test_a_coordinate_without_effect_does_not_hold_up_the_others():
    def well(x):  # far from it the curvature is negative; exp(b) is zero to rounding
        away, left = x[0] - 100.0, np.exp(x[1])
        square = 2500.0 + away**2
        gradient = np.array([2.0 * away / square, left])
        bent = 2.0 / square - 4.0 * away**2 / square**2
        return np.log(square) + left, gradient, np.diag([bent, left])

    run = minimize_newton(well, np.array([-50.0, -3000.0]), longest=np.array([np.inf, 1.5]))
    assert run.converged and run.evaluations < 15
    assert run.end[0] == pytest.approx(100.0, abs=0.01)


def test_nothing_to_minimize():
    run = minimize_newton(lambda x: (3.0, np.empty(0), np.empty((0, 0))), np.empty(0))
    assert run.converged and run.value == 3.0


@pytest.mark.parametrize("converged, kept", [(True, "later"), (False, "first")])
def test_of_two_as_low_the_one_that_converged_counts(converged, kept):
    least = minimize_newton(lambda x: (float(x @ x), 2 * x, 2 * np.eye(2)), np.ones(2))
    first = replace(least, status="first", converged=False)
    later = replace(least, status="later", value=least.value + 1e-9, converged=converged)
    assert first.or_lower(later).status == kept
    assert first.or_lower(later).evaluations == 2 * least.evaluations
