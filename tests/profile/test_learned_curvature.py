"""What gradients tell of a curvature, and when it is not believed any more."""

import numpy as np
from numpy.testing import assert_allclose

from statsmodels_mixed.profile.learned_curvature import LearnedCurvature


class Told:
    """A deviance whose gradients and curvatures are given one after the other."""

    def __init__(self, *told):
        self.told = list(told)

    def keep_off_zero(self, x):
        return x

    def value(self, x):
        return 0.0

    def derivatives(self, x):
        gradient, curvature = self.told.pop(0)
        return np.array(gradient), np.diag(curvature)


def test_a_quadratic_form_is_learned_from_one_step():
    # Half x'Hx with H = [[2, 1], [1, 2]], of which only the diagonal is known.
    H = np.array([[2.0, 1.0], [1.0, 2.0]])
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    landscape = LearnedCurvature(Told(*((H @ x, [2.0, 2.0]) for x in places)))
    for x in places:
        _, curvature = landscape.derivatives(x)
    step = places[1] - places[0]
    assert_allclose(curvature @ step, H @ step, rtol=1e-14)


def test_what_makes_a_definite_curvature_indefinite_is_forgotten():
    """Else a profile of coefficients began with steps of 1e5, and had one point."""
    # A gradient grows by 1 where its curvature is said to be 10; of 1 this would leave -8.
    told = ([0.0, 0.0], [10.0, 10.0]), ([1.0, 0.0], [10.0, 10.0]), ([0.0, 0.0], [1.0, 1.0])
    landscape = LearnedCurvature(Told(*told))
    landscape.derivatives(np.array([0.0, 0.0]))
    _, learned = landscape.derivatives(np.array([1.0, 0.0]))
    assert_allclose(learned, np.diag([1.0, 10.0]), rtol=1e-14)
    _, elsewhere = landscape.derivatives(np.array([1.0, 0.0]))
    assert_allclose(elsewhere, np.eye(2), rtol=1e-14)
