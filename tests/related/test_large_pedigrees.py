"""Pedigrees of many animals that mate at random: inbreeding, and what is not computed for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import DataError, mixedlm2
from statsmodels_mixed._core import CoreWorkspace
from statsmodels_mixed.related.pedigree import read_pedigree


def mated(kind: str, n: int) -> pd.DataFrame:
    """Return a pedigree in a random order of its rows."""
    rng, number = np.random.default_rng(8), np.arange(1, n + 1)
    if kind == "line":  # each is mated with its own parent
        sire, dam = np.maximum(number - 1, 0), np.maximum(number - 2, 0)
        sire[:2], dam[:2] = 0, 0
    elif kind == "generations":
        size = n // 6
        before = (number - 1) // size * size - size
        sire = np.where(before >= 0, before + rng.integers(1, size // 2, n), 0)
        dam = np.where(before >= 0, before + rng.integers(size // 2, size + 1, n), 0)
    else:  # any two earlier ones, one of them unknown at times
        sire = np.where(number > 20, (rng.random(n) * (number - 1)).astype(int) + 1, 0)
        dam = np.where(number > 20, (rng.random(n) * (number - 1)).astype(int) + 1, 0)
        dam[(dam == sire) | (rng.random(n) < 0.1)] = 0
    table = pd.DataFrame({"animal": number, "sire": sire, "dam": dam})
    return table.sample(frac=1.0, random_state=1)


def tabular(table: pd.DataFrame) -> np.ndarray:
    """Return A of animals 1 ... n by the tabular method (Henderson 1976)."""
    table = table.sort_values("animal")
    n, parents = len(table), table[["sire", "dam"]].to_numpy() - 1
    A = np.eye(n)
    for i, both in enumerate(parents):
        known = both[both >= 0]
        A[i, :i] = A[:i, i] = 0.5 * A[known, :i].sum(axis=0)
        if len(known) == 2:
            A[i, i] += 0.5 * A[known[0], known[1]]
    return A


@pytest.mark.parametrize(("kind", "n"), [("line", 45), ("generations", 263), ("random", 263)])
def test_inverse_by_the_tabular_method(kind: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statsmodels_mixed.related.pedigree.STRIP", 16)
    related = read_pedigree(mated(kind, n), "animal")
    number = np.argsort(related.labels.to_numpy())
    A = tabular(mated(kind, n))
    product = related.precision.toarray()[np.ix_(number, number)] @ A
    assert product == pytest.approx(np.eye(n), abs=1e-8)
    assert A.diagonal().max() > 1.2  # some are inbred
    assert related.typical_sd == pytest.approx(np.exp(np.linalg.slogdet(A)[1] / (2 * n)), rel=1e-10)


@pytest.mark.parametrize(("kind", "n"), [("line", 45), ("generations", 263), ("random", 263)])
def test_covariances_of_relatives_by_the_tabular_method(kind: str, n: int) -> None:
    related = read_pedigree(mated(kind, n), "animal")
    number = related.labels.to_numpy() - 1
    A = tabular(mated(kind, n))[np.ix_(number, number)]
    column = np.repeat(np.arange(n), np.diff(related.at))
    assert related.covariance is not None
    np.testing.assert_allclose(related.covariance, A[related.row, column], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("unseen", "again"), [(0, 50), (300, 50), (0, 600)])
def test_start_of_many_animals_by_dense_moments(unseen: int, again: int) -> None:
    n = 1100
    table = mated("random", n)
    A, rng = tabular(table), np.random.default_rng(5)
    u = np.linalg.cholesky(A) @ rng.normal(size=n)
    rows = np.concatenate([np.arange(unseen, n), np.arange(n - again, n)])
    x, wt = rng.normal(size=len(rows)), rng.uniform(0.5, 2.0, len(rows))
    y = 1.0 + x + u[rows] + rng.normal(size=len(rows)) / np.sqrt(wt)
    cows = pd.DataFrame({"animal": rows + 1, "x": x, "y": y, "wt": wt})
    model = mixedlm2("y ~ x + (1 | animal)", cows, pedigree=table, weights="wt")
    fit = model.fit(reml=True)
    assert fit.converged
    X = np.column_stack([np.ones_like(x), x])
    residual = y - X @ np.linalg.solve((X.T * wt) @ X, (X.T * wt) @ y)
    a, s = np.zeros(n), np.zeros(n)
    np.add.at(a, rows, wt)
    np.add.at(s, rows, wt * residual)
    b = s[unseen:] / a[unseen:]
    a, K = a[unseen:], A[unseen:, unseen:]
    Q = np.linalg.inv(A)[unseen:, unseen:]
    expected = [[a @ np.diag(K), len(a)], [np.trace(Q @ K), (np.diag(Q) / a).sum()]]
    squares = [a @ b**2, b @ Q @ b]
    if again == 600:  # what is within animals tells the residual variance
        expected[0] = [0.0, again]
        squares[0] = wt @ residual**2 - squares[0]
    variances = np.linalg.solve(expected, squares)
    np.testing.assert_allclose(fit.report.start, np.sqrt(variances[0] / variances[1]), rtol=1e-7)
    assert abs(fit.report.start[0] - fit.theta[0]) < 0.2


def test_lines_that_are_fully_inbred_are_refused() -> None:
    with pytest.raises(DataError, match="are fully inbred"):
        read_pedigree(mated("line", 300), "animal")


def herd(kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = mated(kind, 240)
    rng = np.random.default_rng(2)
    u = np.linalg.cholesky(tabular(table)) @ rng.normal(size=240)
    cows = pd.DataFrame({"animal": np.arange(1, 241), "x": rng.normal(size=240)})
    cows["y"] = cows["x"] + u + rng.normal(size=240)
    return table, cows


@pytest.mark.parametrize("reml", [False, True])
def test_whether_there_is_a_maximum_is_asked_of_levels_alone(
    reml: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Far out evaluations have twice the precision, at thirty times the cost of a dense factor.
    table, cows = herd("random")
    largest, value = [0.0], CoreWorkspace._value

    def noted(self: Any, inner: np.ndarray) -> float:
        if self.design.sizes["tail_size"]:
            largest[0] = max(largest[0], float(np.abs(inner).max()))
        return value(self, inner)

    monkeypatch.setattr(CoreWorkspace, "_value", noted)
    fit = mixedlm2("y ~ x + (1 | animal)", cows, pedigree=table).fit(reml=reml)
    assert fit.converged
    assert largest[0] < 1e3


def test_copies_of_rows_have_no_maximum_with_relatives_either() -> None:
    table, cows = herd("random")
    copies = pd.concat([cows, cows.iloc[:30]])
    with pytest.raises(DataError, match="the residual variance tends to zero"):
        mixedlm2("y ~ x + (1 | animal)", copies, pedigree=table).fit()
    copies.iloc[240:, copies.columns.get_loc("y")] += 0.1
    assert mixedlm2("y ~ x + (1 | animal)", copies, pedigree=table).fit().sigma < 0.2


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_without_variance_of_animals_small_samples_are_those_of_least_squares() -> None:
    table, rng = mated("random", 240), np.random.default_rng(0)
    cows = pd.DataFrame({"animal": np.arange(1, 241), "x": rng.normal(size=240)})
    cows["y"] = 1.0 + cows["x"] + rng.normal(size=240)
    fit = mixedlm2("y ~ x + (1 | animal)", cows, pedigree=table).fit(reml=True)
    assert fit.theta[0] == 0.0
    assert fit.issingular()
    X = np.column_stack([np.ones(240), cows["x"]])
    beta, squares, *_ = np.linalg.lstsq(X, cows["y"], rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * squares[0] / 238)
    for dof in ("satterthwaite", "kenward-roger-linear", "kenward-roger"):
        found = fit.with_inference(dof=dof)
        np.testing.assert_allclose(found.params, beta, rtol=1e-9)
        np.testing.assert_allclose(found.bse, errors, rtol=1e-8)
        np.testing.assert_allclose(found.df_coef, 238.0, rtol=1e-8)
