"""Differences between the levels of a factor, averaged over what it interacts with.

The mean of a level is that of the reference grid of what the factor interacts with: the same that
`emmeans` has, with equal weights. For any coding of X, a difference of two such
means is a combination of the coefficients of all its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from statsmodels.formula._manager import FormulaManager
from statsmodels.stats.contrast import MultiCompResult
from statsmodels.stats.multitest import multipletests, multitest_alias

from .._typing import Array
from ..comparison.fixed_terms import columns_of, terms_of
from ..errors import DataError, OptionError
from ..frame.matrices.coding import CodedMatrix
from ..options import answering
from ..results.parameters import quantile_levels
from .reference_grid import frame_of_grid, reference_grid
from .variables import grid_variables

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame
    from ..results.base import MixedModelResults

__all__ = ["t_test_pairwise"]


@answering({})
def t_test_pairwise(
    result: MixedModelResults,
    term_name: str,
    method: str | Sequence[str] = "hs",
    alpha: float = 0.05,
    factor_labels: Sequence[str] | None = None,
) -> MultiCompResult:
    """Compare all pairs of levels of a categorical term of the fixed part.

    They are differences of marginal means (see `emmeans`): averaged over the levels of factors
    that interact with the term, each with the same weight, at the means of covariates that do.

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
        If the term is not a single factor, or a method or alpha is not possible.
    DataError
        If it is part of an interaction and the data of the fit were removed.

    See Also
    --------
    LinearMixedModelResults.emmeans, LinearMixedModelResults.t_test

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
    methods = [method] if isinstance(method, str) else list(method)
    for name in methods:
        if name not in multitest_alias:
            known = ", ".join(multitest_alias)
            raise OptionError(f"method={name!r} is not offered; write one of {known}.")
    quantile_levels(alpha)
    frame = frame_of_grid(result)
    levels, coding, place = _single_factor(frame, term_name)
    assert frame is not None
    if factor_labels is not None and len(factor_labels) != len(levels):
        raise OptionError(f"factor_labels must have {len(levels)} labels, one per level.")
    labels = levels if factor_labels is None else list(factor_labels)
    means = _level_means(result, term_name, levels, coding, place)
    pairs = list(combinations(range(len(levels)), 2))
    full = np.array([means[j] - means[i] for i, j in pairs]).reshape(len(pairs), means.shape[1])
    contrasts, estimable = result._of_estimable(full)
    names = [f"{labels[j]}-{labels[i]}" for i, j in pairs]
    table = result.t_test(contrasts).summary_frame(alpha=alpha)
    table.index = names
    table.loc[~estimable] = np.nan
    known = estimable & table.iloc[:, 3].notna().to_numpy()
    for name in methods:
        corrected, reject = np.full(len(pairs), np.nan), np.zeros(len(pairs), dtype=bool)
        if known.any():
            raw = table.iloc[:, 3].to_numpy()[known]
            with np.errstate(divide="ignore"):  # log(1 - p) of p = 1
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
    result: MixedModelResults,
    name: str,
    levels: list[Any],
    coding: Array,
    place: slice,
) -> Array:
    """Return a row over all columns of X for every level, up to what all levels share."""
    frame = frame_of_grid(result)
    assert frame is not None
    terms = terms_of(frame.fixed)
    own = next(term for term in terms if term.name == name)
    outer = [term for term in terms if own.factors < term.factors or (
        own.factors <= term.factors and term.numbers
    )]  # fmt: skip
    if not outer:
        rows = np.zeros((len(levels), len(result.coefnames)))
        rows[:, place] = coding
        return rows
    taking_part = {
        column
        for term in (own, *outer)
        for factor in (*term.factors, *term.numbers)
        for column in columns_of(factor, frame.table)
    }
    others = [v for v in grid_variables(frame, None) if v.name not in taking_part]
    X = reference_grid(result, {v.name: v.values[:1] for v in others}).matrix()
    at = np.abs(X[:, None, place] - coding).max(axis=2).argmin(axis=1)
    counts = np.bincount(at, minlength=len(levels))
    if not counts.all():
        lost = levels[int(np.argmin(counts))]
        raise DataError(f"no row of the fit has the level {lost!r} of {name!r}.")
    rows = np.zeros((len(levels), X.shape[1]))
    np.add.at(rows, at, X)
    return rows / counts[:, None]


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
    term = next(named, None)  # the intercept has another name
    if term is None or len(term.factors) != 1:
        return None
    try:
        levels = manager.get_factor_categories(term.factors[0], matrix.spec)
    except KeyError:  # a number has no categories
        return None
    coding = manager.get_contrast_matrix(term, term.factors[0], matrix.spec)
    return list(levels), np.asarray(coding)
