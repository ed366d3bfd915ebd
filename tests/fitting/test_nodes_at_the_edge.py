"""Quadrature with nodes outside the range of means, where the objective jumps."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from fuzz.generalized_models import draw
from scipy.stats import poisson

from statsmodels_mixed.fitting.generalized.fit import prepare_approximation
from statsmodels_mixed.fitting.search.several_modes import EDGE

THETA, SHIFT = 1.0, 1e-5


def two_points(y, beta):
    """-2 log-likelihood of a level of Poisson counts, identity link and theta = 1, by two nodes.

    The mode solves sum y / mu - n = u with mu = beta + u, a quadratic equation; the expected
    information of a row is 1 / mu; nodes are u + 1 and u - 1 over the root of the curvature, of
    weight 1/2 each.
    """
    n, total = len(y), y.sum()
    u = (-(n + beta) + np.sqrt((n + beta) ** 2 - 4.0 * (n * beta - total))) / 2.0
    mu = beta + u
    spread = 1.0 / np.sqrt(n / mu + 1.0)
    nodes = np.array([u + spread, u - spread])
    with np.errstate(invalid="ignore"):
        rows = np.array([poisson.logpmf(y, beta + node).sum() for node in nodes])
    terms = np.where(beta + nodes > 0, rows, -np.inf) - 0.5 * nodes**2 + 0.5
    return -2.0 * (np.log(spread) + np.log(0.5 * np.exp(terms).sum()))


def poisson_with_identity(y):
    data = pd.DataFrame({"y": y, "g": 0})
    # A second level far from any edge: one alone says nothing about a variance.
    data = pd.concat([data, pd.DataFrame({"y": [30.0], "g": 1})], ignore_index=True)
    family = sm.families.Poisson(sm.families.links.Identity())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedglm2("y ~ 1 + (1 | g)", data, family=family)


def test_the_objective_jumps_where_a_node_comes_in():
    # The mode of three counts of 0 is u = -3; the lower node is at mu = 0 where mu^2 + 3 mu = 1.
    y, edge = np.zeros(3), 3.0 + (np.sqrt(13.0) - 3.0) / 2.0
    inside, lost = two_points(y, edge + SHIFT), two_points(y, edge - SHIFT)
    model = poisson_with_identity(y)
    values, met = [], []
    for beta in (edge + SHIFT, edge - SHIFT):
        far = two_points(np.array([30.0]), beta)
        value = model.objective(np.array([THETA]), np.array([beta]), n_agq=2)
        values.append(value - far)
        problem = prepare_approximation(
            model.design, model.spec, n_agq=2, fast=False, hessian="expected"
        )
        problem.core.value_and_gradient(problem.to_working(np.array([THETA, beta])))
        met.append(problem.core.met_edge)
    assert values == pytest.approx([inside, lost], abs=1e-8)
    assert lost - inside > 0.1
    assert met == [False, True]


def test_an_edge_without_a_jump_is_none():
    # A count of 3 has no likelihood left when its mean comes to 0.
    model = poisson_with_identity(np.array([3.0]))
    problem = prepare_approximation(
        model.design, model.spec, n_agq=25, fast=False, hessian="expected"
    )
    value, _ = problem.core.value_and_gradient(problem.to_working(np.array([THETA, 1.0])))
    assert np.isfinite(value)
    assert not problem.core.met_edge


@pytest.mark.parametrize("seed", [630961, 203747])
def test_a_fit_looks_beyond_jumps(seed):
    # "Converged" .94 and .0017 above the ends of fits that began at the same theta, before: with
    # more than 100 rows no other start was tried.
    case = draw(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = case.fit()
        other = case.fit(start=usual.theta)
    assert not usual.converged or usual.objective <= other.objective + 1e-4
    assert usual.report.message.endswith(EDGE)
