"""Standard deviations and angles as functions of theta, against imaginary steps."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed.profile.constraints import Angle, Length

X = np.array([0.3, 1.2, -0.4, 0.7, 0.9, -0.2, 0.5])
# Rows of a triangle in other coordinates: the elements of x are mixed.
FIRST = np.array([[0.8, 0.1, 0.0], [0.0, 0.0, 0.0]])
SECOND = np.array([[0.2, 0.9, 0.1], [0.0, 0.3, 1.1]])
AT = (1, 4, 2)


def length(x, matrix=SECOND):
    row = matrix @ x[list(AT)]
    return np.sqrt(row @ row)


def angle(x):
    product = (FIRST @ x[list(AT)]) @ (SECOND @ x[list(AT)])
    return np.arccos(product / (length(x, FIRST) * length(x)))


def gradient_of(function, x):
    """Return the gradient by imaginary steps, which lose no digits."""
    return np.array([function(x + 1e-100j * unit).imag for unit in np.eye(len(x))]) * 1e100


def hessian_of(function, x):
    """Return the Hessian by differences of that, of fourth order."""
    h = 1e-3
    return np.array(
        [
            (
                8.0 * (gradient_of(function, x + h * unit) - gradient_of(function, x - h * unit))
                - gradient_of(function, x + 2.0 * h * unit)
                + gradient_of(function, x - 2.0 * h * unit)
            )
            / (12.0 * h)
            for unit in np.eye(len(x))
        ]
    )


CASES = {
    "a standard deviation": (Length(AT, SECOND, None), lambda x: np.exp(x[-1]) * length(x)),
    "one where sigma is known": (Length(AT, SECOND, 1.7), lambda x: 1.7 * length(x)),
    "an angle": (Angle(AT, FIRST, SECOND), angle),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    constraint, function = CASES[name]
    assert_allclose(constraint.value(X), function(X), rtol=1e-14)
    gradient, hessian = constraint.derivatives(X)
    assert_allclose(gradient, gradient_of(function, X), rtol=1e-13, atol=1e-14)
    assert_allclose(hessian, hessian_of(function, X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_retraction_reaches_the_value(name):
    constraint, _ = CASES[name]
    for value in (0.1, 0.9, 2.5):
        moved = constraint.retract(X, value)
        assert_allclose(constraint.value(moved), value, rtol=1e-13)
        free = [i for i in range(len(X)) if i not in AT]
        assert (moved[free] == X[free]).all()


@pytest.mark.parametrize("far", [1e-9, math.pi - 1e-9])
def test_angles_near_none_and_a_half_turn_have_all_digits(far):
    # The first row is along one axis, the second all of x.
    x = np.array([math.cos(far), math.sin(far)]) * 3.0
    first = np.array([[1.0 / x[0], 0.0], [0.0, 0.0]])
    assert_allclose(Angle((0, 1), first, np.eye(2)).value(x), math.atan2(x[1], x[0]), rtol=1e-15)
