"""Small models for the tests of the boundary to C."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_mixed._core import CoreDesign, CoreWorkspace, FitOptions, TermArrays

GROUPS, REPEATS = 12, 5
ONE = np.ones((1, 1), bool)
TOLERANCES = ("ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs")


def balanced(seed: int = 1, between: float = 1.5) -> np.ndarray:
    """Response of a balanced one-way layout."""
    rng = np.random.default_rng(seed)
    effects = between * rng.normal(size=GROUPS).repeat(REPEATS)
    return 10.0 + effects + rng.normal(size=GROUPS * REPEATS)


def one_way() -> CoreDesign:
    n = GROUPS * REPEATS
    refs = np.arange(GROUPS, dtype=np.int32).repeat(REPEATS)
    return CoreDesign([TermArrays(GROUPS, refs, np.ones((n, 1)), ONE)], np.ones((n, 1)))


def crossed(n: int = 400, k: int = 2) -> tuple[CoreDesign, np.ndarray]:
    """Two vector-valued factors, and a response."""
    rng = np.random.default_rng(2)
    full = np.tril(np.ones((k, k), bool))
    terms = []
    for levels in (30, 20):
        refs = rng.integers(levels, size=n, dtype=np.int32)
        z = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        terms.append(TermArrays(levels, refs, z, full))
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.normal(size=n)
    for term in terms:
        y += np.sum(term.z * rng.normal(size=(term.levels, k))[term.refs], axis=1)
    return CoreDesign(terms, X), y


def long_fit() -> CoreWorkspace:
    design, y = crossed(k=4)
    return CoreWorkspace(design, y)


def asking(**options: Any) -> FitOptions:
    """Options of a minimization without any tolerance but those given."""
    return FitOptions(**{**dict.fromkeys(TOLERANCES, 0.0), **options})
