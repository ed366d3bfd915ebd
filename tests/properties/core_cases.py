"""A model of every shape that the C core distinguishes, with random data and a random theta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from oracle import Solution, Term, solve

from statsmodels_mixed._core import CoreDesign, CoreWorkspace, TermArrays

__all__ = ["CASES", "Case"]


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
    a, b = np.divmod(np.arange(60 * 20), 20)
    return case([a, 2 * b + (a >= 30)], [2, 1], seed=7)


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
