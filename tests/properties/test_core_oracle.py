"""The C core against the dense oracle, at random theta, for every shape a model can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from oracle import Solution, Term, solve

from statsmodels_mixed._core import CoreDesign, CoreWorkspace, TermArrays
from statsmodels_mixed.errors import CoreError

VALUE = 1e-10  # relative, of the objective
EXACT = 1e-8  # relative to the largest element, of all that is compared with dense formulas
DIFFERENCE = 1e-6  # the same, compared with central differences


@dataclass(frozen=True)
class Case:
    """A model, data and a theta."""

    terms: tuple[Term, ...]
    X: np.ndarray
    y: np.ndarray
    theta: np.ndarray
    weights: np.ndarray | None = None

    def oracle(self, theta: np.ndarray | None = None, **criterion) -> Solution:
        theta = self.theta if theta is None else theta
        return solve(self.terms, self.X, self.y, theta, weights=self.weights, **criterion)

    def design(self) -> CoreDesign:
        arrays = [TermArrays(t.levels, t.refs, t.z, t.pattern) for t in self.terms]
        return CoreDesign(arrays, self.X)

    def workspace(self, reml: bool = False, sigma: float | None = None) -> CoreWorkspace:
        ws = CoreWorkspace(self.design(), self.y, self.weights)
        ws.set_criterion(reml, sigma or 0.0)
        return ws

    @property
    def log_weights(self) -> float:
        """What the core leaves out of the objective."""
        return 0.0 if self.weights is None else float(np.log(self.weights).sum())


def full(k: int) -> np.ndarray:
    return np.tril(np.ones((k, k), bool))


def case(
    refs: list[np.ndarray],
    ks: list[int],
    *,
    seed: int,
    p: int = 2,
    patterns: list[np.ndarray] | None = None,
    levels: list[int] | None = None,
    weighted: bool = False,
) -> Case:
    """Random columns, response and theta over given levels."""
    rng = np.random.default_rng(seed)
    n = len(refs[0])
    patterns = patterns or [full(k) for k in ks]
    levels = levels or [int(ref.max()) + 1 for ref in refs]
    terms, theta = [], []
    for ref, k, pattern, count in zip(refs, ks, patterns, levels, strict=True):
        z = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        terms.append(Term(count, ref.astype(np.int32), z, pattern))
        T = rng.normal(scale=0.3, size=(k, k))
        T[np.diag_indices(k)] = rng.uniform(0.3, 1.2, size=k)
        theta.append(T.T[pattern.T])
    X = np.column_stack([np.ones(n), rng.normal(size=(n, max(p - 1, 0)))])[:, :p]
    y = X.sum(axis=1) + 2.0 * rng.normal(size=n)
    for term in terms:
        y += (term.matrix() @ rng.normal(size=term.levels * term.z.shape[1])) / term.z.shape[1]
    weights = rng.uniform(0.3, 3.0, size=n) if weighted else None
    return Case(tuple(terms), X, y, np.concatenate(theta), weights)


def blocks(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def unbalanced(rng: np.random.Generator, levels: int, n: int) -> np.ndarray:
    """Every level at least once, the first ones more often, rows in random order."""
    extra = np.minimum(rng.geometric(min(1.0, 4.0 / levels), size=n - levels) - 1, levels - 1)
    return rng.permutation(np.concatenate([np.arange(levels), extra]))


def one_factor(k: int, levels: int = 12, n: int = 90, **options) -> Case:
    return case([unbalanced(np.random.default_rng(k), levels, n)], [k], seed=k, **options)


def zero_correlation() -> Case:
    return one_factor(3, patterns=[np.eye(3, dtype=bool)])


def two_amalgamated_terms() -> Case:
    pattern = np.zeros((5, 5), bool)
    pattern[:2, :2], pattern[2:, 2:] = full(2), full(3)
    return one_factor(5, patterns=[pattern])


def interleaved_pattern() -> Case:
    """Columns 0, 2 correlated and 1, 3 correlated: free elements with gaps."""
    pattern = np.eye(4, dtype=bool)
    pattern[2, 0] = pattern[3, 1] = True
    return one_factor(4, patterns=[pattern])


def nested(ks: tuple[int, ...] = (1, 1), seed: int = 1, **options) -> Case:
    """The finest factor first; every level belongs to one level of the next."""
    rng = np.random.default_rng(seed)
    fine = unbalanced(rng, 24, 120)
    return case([fine, fine // 3, fine // 12][: len(ks)], list(ks), seed=seed, **options)


def crossed(
    first: int, second: int, ks: tuple[int, int], repeats: int = 1, seed: int = 5, **options
) -> Case:
    """Every level of one factor with every level of the other."""
    a, b = np.divmod(np.tile(np.arange(first * second), repeats), second)
    return case([a, b], list(ks), seed=seed, **options)


def partially_crossed(ks: tuple[int, ...], n: int = 110, seed: int = 6, **options) -> Case:
    rng = np.random.default_rng(seed)
    refs = [unbalanced(rng, levels, n) for levels in (25, 14, 9)[: len(ks)]]
    return case(refs, list(ks), seed=seed, **options)


def split_crossing() -> Case:
    """Half of the first factor meets the even levels of the second, half the odd ones."""
    a, b = np.divmod(np.arange(50 * 20), 20)
    return case([a, 2 * b + (a >= 25)], [2, 1], seed=7)


def sparse_crossing(ks: tuple[int, ...], levels: tuple[int, ...], n: int, seed: int = 8) -> Case:
    """So few meetings that the second factor is eliminated sparsely, with fill."""
    rng = np.random.default_rng(seed)
    return case([unbalanced(rng, count, n) for count in levels], list(ks), seed=seed)


def missing_levels() -> Case:
    """Levels that no row has: at the start, in the middle, at the end."""
    rng = np.random.default_rng(9)
    a, b = rng.choice([1, 2, 5, 7, 8], size=60), rng.choice([0, 3], size=60)
    return case([a, b], [2, 1], seed=9, levels=[10, 6])


CASES: dict[str, Callable[[], Case]] = {
    "scalar": lambda: one_factor(1),
    "vector 2": lambda: one_factor(2),
    "vector 3": lambda: one_factor(3),
    "vector 5": lambda: one_factor(5),
    "vector 9": lambda: one_factor(9),
    "vector 26": lambda: one_factor(26, levels=3, n=100),
    "zero correlation": zero_correlation,
    "two amalgamated terms": two_amalgamated_terms,
    "interleaved pattern": interleaved_pattern,
    "nested two": nested,
    "nested two, vectors": lambda: nested((2, 3)),
    "nested three": lambda: nested((1, 1, 1)),
    "nested three, vectors": lambda: nested((2, 1, 3)),
    "crossed": lambda: crossed(12, 6, (1, 1)),
    "crossed, vectors": lambda: crossed(12, 6, (2, 2), 2),
    "crossed 2 and 3": lambda: crossed(10, 6, (2, 3), 2),
    "crossed 3 and 1": lambda: crossed(9, 5, (3, 1), 2),
    "crossed 8 and 8": lambda: crossed(8, 5, (8, 8), 3),
    "crossed 26 and 2": lambda: crossed(3, 3, (26, 2), 15),
    "crossed 2 and 26": lambda: crossed(15, 2, (2, 26), 4),
    "partially crossed": lambda: partially_crossed((1, 1)),
    "partially crossed, vectors": lambda: partially_crossed((2, 3)),
    "three factors": lambda: partially_crossed((1, 1, 1)),
    "three factors, vectors": lambda: partially_crossed((3, 1, 2)),
    "smaller factor first": lambda: crossed(5, 14, (1, 2), 2),
    "levels without rows": missing_levels,
    "no fixed effects": lambda: partially_crossed((2, 1), p=0),
    "one fixed effect": lambda: partially_crossed((2, 1), p=1),
    "six fixed effects": lambda: partially_crossed((2, 1), p=6),
    "thirty fixed effects": lambda: partially_crossed((2, 1), p=30),
    "weights": lambda: partially_crossed((2, 3, 1), weighted=True),
    "weights, one factor": lambda: one_factor(2, weighted=True),
    "one level": lambda: one_factor(2, levels=1, n=20),
    "a level per row": lambda: case([np.arange(30), blocks([6] * 5)], [1, 1], seed=3),
    "large tail, grouped": lambda: crossed(40, 30, (1, 1)),
    "large tail, grouped vectors": lambda: crossed(24, 14, (2, 3), 2),
    "large tail, two groups": split_crossing,
    "sparse": lambda: sparse_crossing((1, 1), (150, 110), 260),
    "sparse vectors": lambda: sparse_crossing((2, 1), (100, 90), 190),
    "sparse, three factors": lambda: sparse_crossing((1, 2, 1), (90, 40, 40), 150),
}
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
    """Except in n, which is the number of rows."""
    one = made("partially crossed, vectors")
    kept = np.arange(len(one.y)) % 5 != 0
    terms = tuple(Term(t.levels, t.refs[kept], t.z[kept], t.pattern) for t in one.terms)
    less = Case(terms, one.X[kept], one.y[kept], one.theta)
    more = Case(one.terms, one.X, one.y, one.theta, kept.astype(float))
    got, want = more.workspace(sigma=1.0), less.workspace(sigma=1.0)
    value, gradient = got.value_and_gradient(one.theta)
    wanted, slope = want.value_and_gradient(one.theta)
    ignored = np.count_nonzero(~kept) * np.log(2 * np.pi)
    assert value - ignored == pytest.approx(wanted, rel=VALUE)
    close(gradient, slope, EXACT)
    close(got.solution().b, want.solution().b, EXACT)
    np.testing.assert_array_equal(got.leverage()[~kept], 0.0)


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
