"""Fits whose steps shrink slowly, or whose gradients have few digits, end at the same estimates
in any order of rows, with other labels and in other units.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.dense import criterion_of
from fuzz.linear import check as check_linear
from fuzz.linear_models import draw
from fuzz.many_digits import gradient_at_many_digits
from fuzz.relations import check

from statsmodels_mixed.errors import DataError
from statsmodels_mixed.fitting.covariance import factors_of
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.search.last_steps import last_steps
from statsmodels_mixed.fitting.search.steps_of_covariances import CovarianceSteps

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_mixed.SingularFitWarning",
    "ignore::statsmodels_mixed.MixedModelWarning",
)


@pytest.mark.parametrize(
    "seed",
    [80115, 80291, 80307, 81117, 110055, 110701, 110949, 111395, 112025, 130507, 1102845, 1106045],
)
def test_equivalent_inputs_have_the_same_estimates(seed):
    """1e-6 to 4e-5 standard errors apart without the last steps, or with doubles only."""
    assert not check(seed).failures


def test_steps_in_a_valley_of_large_effects_are_along_its_axes():
    """T of 5e5 and rank one: estimates in other units of x were 9.5e-5 standard errors apart.

    Differences of gradients in the elements of T as they are step out of the valley.
    """
    assert not check(1109931).failures


@pytest.mark.parametrize("seed", [1510923, 1513547, 1513559])
def test_gradients_of_few_rows_have_all_digits(seed):
    """From rounded factors they were off by up to 5e-2, and estimates by up to 4e-4."""
    case = draw(seed)
    fitted, reml = case.fit(), case.how["reml"]
    design = fitted.model.design
    products = form_crossproducts(design)
    products.set_criterion(reml, None)
    products.workspace.set_precision(True)
    gradient = products.workspace.value_and_gradient(fitted.theta)[1]
    wanted = gradient_at_many_digits(design, fitted.estimates.columns, fitted.theta, reml=reml)
    np.testing.assert_allclose((gradient - wanted) * fitted.theta, 0, atol=1e-12)
    assert not check(seed).failures


@pytest.mark.parametrize("seed", [1105724, 1106639, 1107759])
def test_steps_along_directions_that_are_not_determined_are_not_taken(seed):
    """theta went to 4e14 and more, where objectives lack digits; the report said converged."""
    assert not check_linear(seed).failures


def test_an_end_that_is_kept_has_the_objective_and_the_promise_of_its_fit():
    """A promise of .5 that no step keeps was reported; doubles are 1e-6 off in the objective."""
    case = draw(133168)
    fitted = case.fit()
    criterion = criterion_of(fitted.model.design, fitted.estimates.columns, **case.how)
    assert fitted.objective == pytest.approx(criterion.at(fitted.theta).value, abs=1e-9)
    assert fitted.converged
    assert fitted.report.gradient_norm < 1e-6


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("zero", [None, 1, 3])
def test_steps_change_covariances_in_proportion(zero, kept):
    """By differences, of two terms, one with correlations; with a zero in T steps are plain.

    The zero may be one that a step led to, among elements that go on.
    """
    patterns = [np.tri(3, dtype=bool), np.ones((1, 1), dtype=bool)]
    x = np.array([0.3, -2.0, 1.5, -0.7, 0.4, 1.1, 2.5])
    free, rng = np.arange(len(x)), np.random.default_rng(1)
    if zero is not None:
        x[zero] = 0.0
    if not kept:
        free = np.flatnonzero(x)
    steps = CovarianceSteps(x, patterns, free if kept else None)
    full = x.copy()

    def sigma(s):
        full[free] = steps.at(s)
        return [T @ T.T for T in factors_of(full, patterns)]

    s = 0.05 * rng.normal(size=len(free))
    some, twice, none = sigma(s)[0], sigma(2 * s)[0], sigma(0 * s)[0]
    off = np.abs(twice - none - 2 * (some - none)).max() / np.abs(twice - none).max()
    assert (off < 1e-12) if zero is None else (off > 1e-3)
    slope, h = rng.normal(size=len(free)), 1e-4
    steps_of = h * np.eye(len(free))
    slopes = [(steps.at(e) - steps.at(-e)) / (2 * h) for e in steps_of]
    np.testing.assert_allclose(steps.jacobian, np.array(slopes).T, atol=1e-7)
    bend = [
        [
            slope @ (steps.at(e + f) - steps.at(e - f) - steps.at(f - e) + steps.at(-e - f))
            for f in steps_of
        ]
        for e in steps_of
    ]
    np.testing.assert_allclose(steps.bend(slope), np.array(bend) / (4 * h * h), atol=1e-6)
    assert (steps.at(np.full(len(free), -1.5)) is None) == (zero is None)
    sizes = np.where(np.arange(len(x)) < 6, 1.0, 2.5) if zero is None else np.abs(x)
    np.testing.assert_array_equal(steps.sizes, sizes[free])


def test_what_does_not_change_the_objective_hides_no_step():
    """Curvatures of 1e-31 were scaled like the others, and steps were of rounding errors.

    With the rows in another order coefficients were 1.3e-6 standard errors apart.
    """
    assert not check(2017141).failures


def test_elements_of_nearly_no_rows_may_become_zero_on_the_way():
    """Six rows, four effects, and others that are independent: shapes of steps differed."""
    data = pd.DataFrame({
        "g": ["g1", "g0", "g0", "g1", "g1", "g0"],
        "f": ["b", "c", "b", "c", "c", "b"],
        "x": [10.036203513720883, 11.140474418003587, 10.227222760945029, 7.843961986952111,
              10.454440813120742, 9.197838271953145],
        "y": [-19.605630074805678, -6.657654436217883, -8.364994851081008, -15.705657292185833,
              -21.701137589879252, -4.6886824819287805],
    })  # fmt: skip
    with pytest.raises(DataError, match="the likelihood has no maximum"):
        smf.mixedlm2("y ~ 0 + f + x:f + (x + f || g)", data).fit()


@pytest.mark.parametrize("seed", [90155, 94129])
def test_what_the_data_do_not_determine_has_no_standard_error(seed):
    """Its estimates are arbitrary, the same for the rest."""
    assert not check(seed).failures


@pytest.mark.parametrize("seed", [110701, 110949])
def test_last_steps_come_back(seed):
    """From beside the minimum of the dense criterion, where its gradient vanishes."""
    case = draw(seed)
    fitted = case.fit()
    criterion = criterion_of(fitted.model.design, fitted.estimates.columns, **case.how)
    products = form_crossproducts(fitted.model.design)
    products.set_criterion(case.how["reml"], case.how.get("sigma"))
    products.workspace.set_precision(True)
    constant = products.constant(case.how["reml"])
    for away in (1e-5, 1e-4):
        theta = fitted.theta * (1 + away * np.cos(np.arange(len(fitted.theta))))
        report = fitted.report
        beside = type(report)(**{**vars(report), "end": theta})
        back = last_steps(products.workspace, beside, constant)
        np.testing.assert_allclose(back.end, fitted.theta, rtol=1e-7)
        assert back.objective == pytest.approx(criterion.at(back.end).value, abs=1e-9)
        free = back.end != 0
        slopes = (criterion.at(back.end).gradient * back.end)[free]
        assert np.abs(slopes).max() < 1e-5
        assert back.evaluations > report.evaluations


def test_an_end_that_rounding_made_too_low_is_gone_on_from():
    """A run of doubles is 1.8e-6 lower than sixty digits are there; so other units converged."""
    assert not check(622159).failures
