"""What gradients tell of a curvature, and to whom."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedlm2, mixedordinal2
from statsmodels_mixed.profile.constrained_minimum import Surface
from statsmodels_mixed.profile.distributional.row_model import RowModel
from statsmodels_mixed.profile.learned_curvature import LearnedCurvature
from statsmodels_mixed.results.parameters import CovarianceParameters


class Told:
    """A deviance whose gradients and curvatures are given one after the other."""

    saddles = ()

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


def test_no_parameter_learns_from_another():
    """Else a profile of a coefficient began with steps of 1e5, and had one point."""
    ticks = datasets.load("grouseticks")
    ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 99], labels=["no", "few", "many"])
    fit = mixedordinal2("many ~ cheight + year + (1 | brood)", ticks).fit()
    components = CovarianceParameters.of(fit.layout)
    infinite = np.zeros(len(fit.estimates.covariance))
    model = RowModel(fit.kept_design(), fit.estimates, components, fit._order, infinite)
    first, *_, last = model.targets("beta", tuple(fit.params.index))
    before = last.solve(last.center, last.start)
    far = first.solve(first.center, first.start)
    for value in np.linspace(first.center, first.center - 3.0, 7)[1:]:
        far = first.solve(value, far.x)
    after = last.solve(last.center, last.start)
    # Evaluations begin at the modes of the last one, and have rounding errors of their own.
    assert_allclose(after.bend, before.bend, rtol=1e-13)


def test_a_curvature_that_is_known_is_not_corrected_for_its_change():
    # x^2 + x^3, whose second derivative changes along the step by as much as it is.
    places = [np.array([0.5]), np.array([1.1]), np.array([0.2])]
    told = ((2 * x + 3 * x**2, 2 + 6 * x) for x in places)
    landscape = LearnedCurvature(Told(*told))
    for x in places:
        _, curvature = landscape.derivatives(x)
        assert_allclose(curvature, [2 + 6 * x], rtol=1e-12)


def test_a_curvature_of_three_times_that_known_is_learned():
    H = np.array([[6.0, 0.0], [0.0, 2.0]])
    places = np.array([[0.0, 0.0], [1.0, 0.0]])
    landscape = LearnedCurvature(Told(*((H @ x, [2.0, 2.0]) for x in places)))
    for x in places:
        _, curvature = landscape.derivatives(x)
    assert_allclose(curvature, H, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "formula", "most"),
    [
        ("sleepstudy", "reaction ~ days + (days | subj)", 370),
        ("pastes", "strength ~ 1 + (1 | batch) + (1 | batch:cask)", 220),
    ],
)
def test_profiles_learn_what_the_average_information_leaves_out(monkeypatch, name, formula, most):
    """Without that they took 471 and 265 evaluations."""
    fit = mixedlm2(formula, datasets.load(name)).fit(reml=False)
    taken, value = [], Surface.value
    monkeypatch.setattr(Surface, "value", lambda self, x: taken.append(x) or value(self, x))
    fit.profile()
    assert 0 < len(taken) <= most
