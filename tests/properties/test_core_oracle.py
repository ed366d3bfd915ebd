"""The C core against the dense oracle, at random theta, for every shape a model can have."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from core_cases import CASES, Case, one_factor
from oracle import Solution, Term

from statsmodels_mixed._core import CoreWorkspace
from statsmodels_mixed.errors import CoreError

VALUE = 1e-10  # relative, of the objective
EXACT = 1e-8  # relative to the largest element, of all that is compared with dense formulas
DIFFERENCE = 1e-6  # the same, compared with central differences

CRITERIA = {
    "ML": {},
    "REML": {"reml": True},
    "ML, fixed sigma": {"sigma": 1.7},
    "REML, fixed sigma": {"reml": True, "sigma": 0.6},
}


@cache
def made(name: str) -> Case:
    return CASES[name]()


@cache
def expected(name: str, criterion: str) -> Solution:
    one = made(name)
    return one.oracle(**CRITERIA[criterion])


def close(actual: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Compare relative to the largest element wanted."""
    assert actual.shape == wanted.shape
    scale = float(np.max(np.abs(wanted), initial=0.0)) or 1.0
    np.testing.assert_allclose(actual / scale, wanted / scale, rtol=0, atol=tolerance)


@pytest.fixture(params=CASES)
def name(request) -> str:
    return request.param


@pytest.fixture(params=CRITERIA)
def criterion(request) -> str:
    return request.param


def test_value_gradient_and_curvature(name, criterion):
    one, want = made(name), expected(name, criterion)
    ws = one.workspace(**CRITERIA[criterion])
    value, gradient = ws.value_and_gradient(one.theta)
    assert value == pytest.approx(want.value + one.log_weights, rel=VALUE)
    close(gradient, want.gradient, EXACT)
    close(ws.curvature(), want.curvature, EXACT)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("levels", [12, 90])
@pytest.mark.parametrize(
    ("p", "k"), [(0, 1), (2, 1), (3, 1), (6, 1), (7, 1), (1, 2), (4, 3), (3, 5)]
)
def test_products_of_a_level(p, k, levels, weighted):
    """Numbers of a row fill one vector or two, or are too many; rows of a level are many or few."""
    one = one_factor(k, levels, 300, p=p, weighted=weighted)
    want, ws = one.oracle(), one.workspace()
    assert ws.value(one.theta) == pytest.approx(want.value + one.log_weights, rel=VALUE)
    ws.value_and_gradient(one.theta)
    close(ws.solution().beta, want.beta, EXACT)
    close(ws.solution().b, want.b, EXACT)


def test_gradient_by_differences(name):
    one = made(name)
    ws = one.workspace(reml=True)
    gradient = ws.value_and_gradient(one.theta)[1]
    # every theta of the small models, a few of the large ones
    some = np.unique(np.linspace(0, len(gradient) - 1, 12).astype(int))
    step = 1e-4
    for i in some:
        move = np.zeros_like(one.theta)
        move[i] = step
        f = [ws.value(one.theta + h * move) for h in (-2, -1, 1, 2)]
        slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)
        assert slope == pytest.approx(gradient[i], abs=DIFFERENCE * np.max(np.abs(gradient)))


def test_solution(name, criterion):
    one, want = made(name), expected(name, criterion)
    ws = one.workspace(**CRITERIA[criterion])
    ws.value_and_gradient(one.theta)
    got = ws.solution()
    close(got.beta, want.beta, EXACT)
    close(got.u, want.u, EXACT)
    close(got.b, want.b, EXACT)
    close(got.xvx_inverse, want.xvx_inverse, EXACT)
    assert got.pwrss == pytest.approx(want.r2, rel=VALUE)
    assert got.logdet_omega == pytest.approx(want.logdet_v + one.log_weights, rel=EXACT)
    assert got.logdet_xvx == pytest.approx(want.logdet_xvx, rel=EXACT, abs=EXACT)
    assert got.dof == want.dof


def test_conditional_variances_and_leverage(name):
    one, want = made(name), expected(name, "REML")
    ws = one.workspace(reml=True)
    ws.value_and_gradient(one.theta)
    for got, wanted in zip(ws.condvar(), want.condvar, strict=True):
        close(got, wanted, EXACT)
    close(ws.leverage(), want.leverage, EXACT)
    close(ws.curvature(), want.curvature, EXACT)  # shares memory with the leverage


def test_the_cases_reach_every_kind_of_elimination():
    sizes = {name: made(name).design().sizes for name in CASES}
    levels = {name: made(name).terms[0].levels for name in CASES}
    for sparse in ("sparse", "sparse vectors", "sparse, three factors"):
        assert sizes[sparse]["head_nodes"] > levels[sparse]
        assert sizes[sparse]["tail_size"] > 1
        # the factor holds more than Z'Z has there: the head has filled in
        Z = np.hstack([term.matrix() != 0 for term in made(sparse).terms]).astype(float)
        filled = sizes[sparse]["head_values"] + sizes[sparse]["tail_size"] ** 2
        assert filled > 1.1 * np.count_nonzero(np.tril(Z.T @ Z))
    for grouped in ("large tail, grouped", "large tail, two groups"):
        assert sizes[grouped]["head_nodes"] == levels[grouped]
        assert sizes[grouped]["tail_size"] > 24
    assert sizes["nested three"]["tail_size"] <= 5  # no fill: all but the last few are head


def test_zero_theta_is_least_squares():
    one = made("three factors")
    for reml in (False, True):
        value, gradient = one.workspace(reml).value_and_gradient(0.0 * one.theta)
        n, p = one.X.shape
        rss, dof = np.linalg.lstsq(one.X, one.y)[1][0], n - p if reml else n
        determinant = np.linalg.slogdet(one.X.T @ one.X)[1] if reml else 0.0
        least_squares = dof * (1 + np.log(2 * np.pi * rss / dof)) + determinant
        assert value == pytest.approx(least_squares, rel=VALUE)
        np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("shape", ["vector 3", "crossed 2 and 3", "sparse vectors"])
@pytest.mark.parametrize("reml", [False, True])
def test_singular_theta(shape, reml):
    """A zero diagonal, then a zero column: value and gradient stay exact."""
    one = made(shape)
    k = one.terms[0].z.shape[1]
    ws = one.workspace(reml)
    theta = one.theta.copy()
    for zero in ([0], list(range(k))):
        theta[zero] = 0.0
        want = one.oracle(theta, reml=reml)
        value, gradient = ws.value_and_gradient(theta)
        assert value == pytest.approx(want.value, rel=VALUE)
        close(gradient, want.gradient, EXACT)
        close(ws.solution().b, want.b, EXACT)
        for got, wanted in zip(ws.condvar(), want.condvar, strict=True):
            close(got, wanted, EXACT)
        close(ws.leverage(), want.leverage, EXACT)
        with pytest.raises(CoreError, match="positive definite"):
            ws.curvature()


def test_large_and_small_theta():
    """Ten orders of magnitude in theta cost digits, not correctness."""
    one = made("crossed 2 and 3")
    ws = one.workspace(reml=True)
    for scale in (1e-6, 1e-3, 1e3):
        want = one.oracle(scale * one.theta, reml=True)
        value, gradient = ws.value_and_gradient(scale * one.theta)
        assert value == pytest.approx(want.value, rel=1e-8)
        close(gradient, want.gradient, 1e-5)


def test_new_response_is_a_new_workspace():
    for one in (made("weights"), made("no fixed effects")):
        y = one.y[::-1] + 1.0
        reused = one.workspace(reml=True)
        reused.value_and_gradient(one.theta)
        reused.set_response(y)
        fresh = CoreWorkspace(one.design(), y, one.weights)
        fresh.set_criterion(True)
        got, want = (ws.value_and_gradient(one.theta) for ws in (reused, fresh))
        assert got[0] == pytest.approx(want[0], rel=VALUE)
        close(got[1], want[1], EXACT)


def test_rows_of_weight_zero_do_not_count():
    one = made("partially crossed, vectors")
    kept = np.arange(len(one.y)) % 5 != 0
    terms = tuple(Term(t.levels, t.refs[kept], t.z[kept], t.pattern) for t in one.terms)
    less = Case(terms, one.X[kept], one.y[kept], one.theta)
    more = Case(one.terms, one.X, one.y, one.theta, kept.astype(float))
    for how in ({"sigma": 1.0}, {"reml": False}, {"reml": True}):
        got, want = more.workspace(**how), less.workspace(**how)
        value, gradient = got.value_and_gradient(one.theta)
        wanted, slope = want.value_and_gradient(one.theta)
        assert value == pytest.approx(wanted, rel=VALUE)
        close(gradient, slope, EXACT)
        close(got.solution().b, want.solution().b, EXACT)
        assert got.solution().dof == want.solution().dof
        np.testing.assert_array_equal(got.leverage()[~kept], 0.0)


def test_other_weights_make_a_new_workspace():
    one = made("partially crossed, vectors")
    weights = 1.0 + np.arange(len(one.y)) % 3 * (np.arange(len(one.y)) % 5 > 0)
    weights[::7] = 0.0
    reused = one.workspace(reml=True)
    reused.value_and_gradient(one.theta)
    reused.reweight(one.y[::-1], weights)
    fresh = CoreWorkspace(one.design(), one.y[::-1], weights)
    fresh.set_criterion(True)
    got, want = (ws.value_and_gradient(one.theta) for ws in (reused, fresh))
    assert got[0] == want[0]
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_array_equal(reused.leverage(), fresh.leverage())


def test_theta_scale():
    one = made("weights")
    scale, at = one.workspace().theta_scale(), 0
    for term in one.terms:
        length = np.sqrt(np.einsum("i,ij->j", one.weights, term.z**2) / len(one.y))
        rows = np.nonzero(term.pattern.T)[1]
        np.testing.assert_allclose(scale[at : at + len(rows)], 1 / length[rows], rtol=1e-12)
        at += len(rows)


def test_the_order_of_terms_does_not_matter():
    one = made("three factors, vectors")
    cuts = np.cumsum([np.count_nonzero(t.pattern) for t in one.terms])
    parts = np.split(one.theta, cuts[:-1])
    want = one.workspace(reml=True).value_and_gradient(one.theta)
    for order in ((1, 0, 2), (2, 1, 0)):
        terms = tuple(one.terms[i] for i in order)
        other = Case(terms, one.X, one.y, np.concatenate([parts[i] for i in order]))
        value, gradient = other.workspace(reml=True).value_and_gradient(other.theta)
        assert value == pytest.approx(want[0], rel=VALUE)
        wanted = np.split(want[1], cuts[:-1])
        close(gradient, np.concatenate([wanted[i] for i in order]), EXACT)
