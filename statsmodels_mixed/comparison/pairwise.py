"""Differences between the levels of a factor, averaged over what it interacts with.

The mean of a level is that of a reference grid: all combinations of the levels of the factors
that the factor interacts with, each with the same weight, and the covariates among these at their
means (as the R package emmeans has it). For any coding of X, a difference of two such
means is a combination of the coefficients of all its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.formula._manager import FormulaManager
from statsmodels.stats.contrast import MultiCompResult
from statsmodels.stats.multitest import multipletests

from ..errors import DataError, OptionError
from ..frame.coding import CodedMatrix
from ..frame.new_data import NewData
from .fixed_terms import FixedTerm, columns_of, terms_of

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame
    from ..results.base import MixedModelResults

__all__ = ["t_test_pairwise"]

Array = NDArray[np.float64]

# Rows of the largest reference grid.
MOST_ROWS = 100_000


def t_test_pairwise(
    result: MixedModelResults,
    term_name: str,
    method: str | Sequence[str] = "hs",
    alpha: float = 0.05,
    factor_labels: Sequence[str] | None = None,
) -> MultiCompResult:
    """Compare all pairs of levels of a categorical term of the fixed part.

    The means of the levels are averaged over the levels of factors that interact with the
    term, each with the same weight, at the means of covariates that do.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    term_name : str
        The term, such as ``"machine"``.
    method : str or sequence of str
        Corrections for multiple testing.
    alpha : float
        Significance level.
    factor_labels : sequence of str, optional
        Names of the levels to show.

    Returns
    -------
    MultiCompResult
        Its `result_frame` has one row per pair; NaN for differences that are not
        estimable.

    Raises
    ------
    OptionError
        If the term is not a single factor.
    DataError
        If it is part of an interaction and the data of the fit were removed.

    See Also
    --------
    LinearMixedModelResults.t_test

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> fit = mixedlm2("score ~ machine + (1 | worker)", machines).fit()
    >>> fit.t_test_pairwise("machine").result_frame[["coef", "std err"]].round(3)
           coef  std err
    B-A   7.967    1.032
    C-A  13.917    1.032
    C-B   5.950    1.032
    """
    frame = result.model.frame
    levels, coding, place = _single_factor(frame, term_name)
    assert frame is not None
    if factor_labels is not None and len(factor_labels) != len(levels):
        raise OptionError(f"factor_labels must have {len(levels)} labels, one per level.")
    labels = levels if factor_labels is None else list(factor_labels)
    means = _level_means(frame, term_name, levels, coding, place, len(result.coefnames))
    pairs = list(combinations(range(len(levels)), 2))
    full = np.array([means[j] - means[i] for i, j in pairs]).reshape(len(pairs), means.shape[1])
    contrasts, estimable = result._of_estimable(full)
    names = [f"{labels[j]}-{labels[i]}" for i, j in pairs]
    table = result.t_test(contrasts).summary_frame(alpha=alpha)
    table.index = names
    table.loc[~estimable] = np.nan
    known = estimable & table.iloc[:, 3].notna().to_numpy()
    for name in [method] if isinstance(method, str) else method:
        corrected, reject = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=bool)
        if known.any():
            raw = table.iloc[:, 3].to_numpy()[known]
            reject[known], corrected[known] = multipletests(raw, alpha=alpha, method=name)[:2]
        table[f"pvalue-{name}"], table[f"reject-{name}"] = corrected, reject
    return MultiCompResult(
        result_frame=table,
        contrasts=contrasts,
        term=term_name,
        contrast_labels=names,
        term_encoding_matrix=coding,
    )


def _level_means(
    frame: ModelFrame, name: str, levels: list[Any], coding: Array, place: slice, width: int
) -> Array:
    """Return a row over all columns of X for every level, up to what all levels share."""
    terms = terms_of(frame.fixed)
    own = next(term for term in terms if term.name == name)
    outer = [term for term in terms if own.factors < term.factors or (
        own.factors <= term.factors and term.numbers
    )]  # fmt: skip
    if not outer:
        rows = np.zeros((len(levels), width))
        rows[:, place] = coding
        return rows
    grid = _grid(frame, own, outer)
    X = NewData.of_table(grid, frame).fixed()
    at = np.abs(X[:, None, place] - coding).max(axis=2).argmin(axis=1)
    counts = np.bincount(at, minlength=len(levels))
    if not counts.all():
        lost = levels[int(np.argmin(counts))]
        raise DataError(f"no row of the fit has the level {lost!r} of {name!r}.")
    rows = np.zeros((len(levels), width))
    np.add.at(rows, at, X)
    return rows / counts[:, None]


def _grid(frame: ModelFrame, own: FixedTerm, outer: list[FixedTerm]) -> pd.DataFrame:
    """Return the reference grid of a factor and what it interacts with, as new data.

    Columns of the data that play no part in these have one value throughout.
    """
    table = frame.table[list(frame.fixed.columns)]
    if not len(table):
        raise DataError(
            f"the data of this result were removed: pairs of levels of {own.name!r}, which is part "
            "of an interaction, need them."
        )
    factors = dict.fromkeys(
        column
        for term in (own, *outer)
        for factor in sorted(term.factors, key=str)
        for column in columns_of(factor, table)
    )
    numbers = dict.fromkeys(
        column for term in outer for factor in term.numbers for column in columns_of(factor, table)
    )
    grid = table.iloc[[0]].reset_index(drop=True)
    for column in numbers:
        if column not in factors:
            grid[column] = float(np.mean(np.asarray(table[column], dtype=float)))
    for column in factors:
        values = table[column].drop_duplicates().reset_index(drop=True)
        values = _distinct(frame, grid, column, values)
        if len(grid) * len(values) > MOST_ROWS:
            raise OptionError(
                f"the reference grid of {own.name!r} has more than {MOST_ROWS} combinations: "
                "give the contrasts to t_test."
            )
        grid = grid.drop(columns=column).merge(values.to_frame(column), how="cross")
    return grid


def _distinct(frame: ModelFrame, grid: pd.DataFrame, column: str, values: pd.Series) -> pd.Series:
    """Return one of the values of a column for each level that a factor makes of them."""
    trial = grid.iloc[[0]].drop(columns=column).merge(values.to_frame(column), how="cross")
    X = NewData.of_table(trial, frame).fixed()
    _, first = np.unique(X, axis=0, return_index=True)
    return values.iloc[np.sort(first)]


def _single_factor(frame: ModelFrame | None, name: str) -> tuple[list[Any], Array, slice]:
    """Return the levels of a term that is one categorical factor, its coding and its columns."""
    if frame is None:
        raise OptionError("pairs of levels can be compared only in a model made from a formula.")
    terms = frame.term_slices
    if name not in terms:
        raise OptionError(f"there is no term {name!r}; the terms are {', '.join(terms)}.")
    find = _patsy_coding if isinstance(frame.fixed, CodedMatrix) else _formulaic_coding
    found = find(frame.fixed, name)
    if found is None:
        raise OptionError(f"{name!r} is not a single categorical factor: it has no levels to pair.")
    if len(found[0]) == 1:
        raise OptionError(
            f"{name!r} has a single level ({found[0][0]!r}): there are no pairs of it."
        )
    return *found, terms[name]


def _patsy_coding(matrix: Any, name: str) -> tuple[list[Any], Array] | None:
    """Return levels and coding of a term of a `CodedMatrix` that is a categorical factor."""
    term = next(term for term in matrix.terms if term.name == name)
    pieces = [piece for piece in term.pieces if piece.factors]
    if len(pieces) != 1 or len(pieces[0].factors) != 1 or pieces[0].contrasts[0] is None:
        return None
    return list(pieces[0].factors[0].categories), np.asarray(pieces[0].contrasts[0])


def _formulaic_coding(matrix: Any, name: str) -> tuple[list[Any], Array] | None:
    """Return the same for a matrix made by formulaic."""
    manager = FormulaManager("formulaic")
    named = (
        term for term in matrix.spec.terms if matrix.shown(manager.get_term_name(term)) == name
    )
    term = next(named, None)  # the intercept goes by another name
    if term is None or len(term.factors) != 1:
        return None
    try:
        levels = manager.get_factor_categories(term.factors[0], matrix.spec)
    except KeyError:  # a number has no categories
        return None
    coding = manager.get_contrast_matrix(term, term.factors[0], matrix.spec)
    return list(levels), np.asarray(coding)
