"""Likelihoods with several maxima: no other start ends lower, or the fit has not converged.

Small random models of the fuzz suite (tests/fuzz), by their seeds.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from fuzz import relations
from fuzz.generalized import brute_force_model, check
from fuzz.generalized_models import draw
from glmm_oracle import Model
from oracle import Term
from scipy.optimize import minimize

from statsmodels_mixed.fitting.search.optimize import FitOptions, FitReport
from statsmodels_mixed.fitting.search.runs import BestOfRuns

FINE = {"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000}


def fitted(seed, **more):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return draw(seed).fit(**more)


# Converged before, above the end from a start that the check tries: by .85, .95, .12, 5.2, 9.3,
# .29, 2.4 and .26.
@pytest.mark.parametrize("seed", [40917, 70216, 40049, 80346, 80782, 81693, 82969, 83186])
def test_no_start_of_the_check_ends_lower(seed):
    assert check(seed).failures == []


# By 1.7 and .006; T had lost rank, and nothing else said that there is another optimum.
@pytest.mark.parametrize("seed", [1001202, 2000226])
def test_no_start_ends_lower_than_a_singular_fit_of_few_rows(seed):
    assert check(seed).failures == []


@pytest.mark.parametrize(
    ("seed", "theta", "beta", "dispersion"),
    [
        (320719, [0.41], [-1.56, 2.9, 2.37, 1.68], 0.273),
        (320818, [0.383], [-1.923, 3.995, 4.213, 4.627, -0.167], 0.1463),
        (320867, [0.16], [2.14, -4.2, -0.07], 1.0),
        (320421, [0.05, -0.47, 0.0], [1.55, -3.32, 2.17, -0.25], 1.12),
    ],
)
def test_no_optimum_with_other_coefficients_is_lower(seed, theta, beta, dispersion):
    """A square may be that of a negative root: fits were 1.55, 2.71, .91 and 1.03 above these."""
    case, fit = draw(seed), fitted(seed)
    there = brute_force_model(case, fit, dispersion).objective(
        np.array(theta),
        np.array(beta),
        observed=case.how.get("hessian") == "observed",
        points=case.how.get("n_agq", 1),
    )
    assert there - 0.02 < fit.objective < there


def test_the_highest_maximum_is_taken_and_others_are_named():
    # From the start given here, the fit ended .85 lower than the usual one.
    seed = 40917
    usual = fitted(seed)
    other = fitted(seed, start=usual.estimates.theta)
    assert usual.converged
    assert usual.objective <= other.objective + 1e-6
    others = usual.report.other_optima
    assert others == tuple(sorted(others))
    assert others[0] > usual.objective
    # One of them is where a fit from T = 1 ends.
    ones = fitted(seed, start=np.ones_like(usual.estimates.theta))
    assert np.min(np.abs(np.array(others) - ones.objective)) < 1e-4
    text = usual.summary().as_text()
    assert "Several maxima: searches from other starts ended at" in " ".join(text.split())
    assert "Other optima at" in str(usual.report)


def test_a_fall_without_end_is_not_converged():
    # The likelihood rises as theta runs to infinity; a local maximum 5.2 above was reported as
    # converged.
    fit = fitted(80346)
    assert not fit.converged
    assert "no maximum" in fit.report.message
    far = fitted(80346, start=10 * np.ones(2))
    assert not far.converged
    assert far.objective == pytest.approx(14.553 - 5.2, abs=0.06)
    # The local maximum is not taken for the end of the fall.
    assert min(fit.report.other_optima, default=np.inf) > far.objective + 1


def test_modes_where_newton_steps_have_no_maximum():
    # Expected weights where observed ones are indefinite make steps too short: PIRLS took 500, and
    # the objective was NaN. h is a sum over levels; each part is maximized from many starts here.
    case = draw(81910)
    model = case.model()
    design, block = model.design, model.design.blocks[0]
    theta, beta = np.array([5.13222, -248.32829, 249.99702]), np.array([1.02637, 212.82955])
    phi = np.exp(0.242294)
    terms = (Term(len(block.levels), block.refs, block.z, block.pattern),)
    kind = case.kind.at(phi)
    oracle = Model(terms, design.X, design.y, weights=design.weights, **kind)
    Z, xb, total = oracle.z_lambda(theta), design.X @ beta, 0.0
    rng = np.random.default_rng(0)
    for level in range(len(block.levels)):
        own, rows = slice(2 * level, 2 * level + 2), block.refs == level
        part = Model((), design.X[rows], design.y[rows], weights=design.weights[rows], **kind)

        def depth(u, part=part, z=Z[rows, own], x=xb[rows]):
            with np.errstate(all="ignore"):
                return 0.5 * u @ u - part.rows(x + z @ u)[0].sum()

        starts = [np.zeros(2), *rng.normal(size=(20, 2))]
        runs = [minimize(depth, u, method="Nelder-Mead", options=FINE) for u in starts]
        best = min(runs, key=lambda run: run.fun)
        expected = part.rows(xb[rows] + Z[rows, own] @ best.x)[2]
        omega = (Z[rows, own].T * expected) @ Z[rows, own] + np.eye(2)
        total += 2 * best.fun + np.linalg.slogdet(omega)[1]
    assert model.objective(theta, beta, phi) == pytest.approx(total, abs=1e-5)


def test_equivalent_inputs_of_a_singular_fit():
    # Coefficients 1.3e-6 standard errors apart: steps beside a zero variance shrink what is left
    # slowly, and both fits ended as soon as that was small.
    assert relations.check(60010).failures == []


def report(objective, *, converged=True, promise=0.0):
    log = np.array([[1.0]])
    return FitReport(
        optimizer=FitOptions().optimizer,
        status="GTOL_REACHED",
        message="The gradient vanished.",
        converged=converged,
        start=log[0],
        end=log[0],
        initial_objective=objective,
        objective=objective,
        evaluations=1,
        gradient=log[0],
        gradient_norm=promise,
        hessian_min_eigenvalue=1.0,
        failed_evaluations=0,
        fitlog_theta=log,
        fitlog_objective=np.array([objective]),
    )


def test_the_best_of_several_runs():
    runs = BestOfRuns(report(10.0), lambda run: run.objective > 0)
    runs.take(report(12.0))  # another optimum
    runs.take(report(12.0 + 1e-9))  # the same
    runs.take(report(9.0))  # better
    runs.take(report(-1.0))  # not reproducible
    runs.take(replace(report(11.0), converged=False))  # no optimum, and higher
    end = runs.end()
    assert (end.objective, end.converged, end.evaluations) == (9.0, True, 6)
    assert end.other_optima == (10.0, 12.0)
    runs.take(report(8.5, converged=False, promise=1e9))
    end = runs.end()
    assert (end.objective, end.converged) == (9.0, False)
    assert "falls by 0.5 more" in end.message
    runs.take(report(8.0))  # a maximum after all
    end = runs.end()
    assert (end.objective, end.converged, end.other_optima) == (8.0, True, (9.0, 10.0, 12.0))
