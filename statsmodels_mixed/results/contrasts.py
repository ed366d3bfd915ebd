"""Tests of whole terms and of pairs of levels, aware of dropped columns.

statsmodels' own versions take the columns of a term for positions in `params`, which
is wrong as soon as a column of X was dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.formula._manager import FormulaManager
from statsmodels.sandbox.stats.multicomp import contrast_allpairs
from statsmodels.stats.contrast import WaldTestResults
from statsmodels.stats.multitest import multipletests

from ..errors import OptionError
from ..frame.coding import CodedMatrix

if TYPE_CHECKING:
    from ..frame.build import ModelFrame
    from .base import MixedModelResults

__all__ = ["t_test_pairwise", "wald_test_terms"]

Array = NDArray[np.float64]


def term_constraints(result: MixedModelResults) -> Iterator[tuple[str, Array]]:
    """Yield each term of the fixed part with the rows of the identity it stands for.

    A term none of whose columns is estimable is left out. Without a formula every
    column is a term.
    """
    columns = result.estimates.columns
    identity = np.eye(len(columns))
    frame = result.model.frame
    if frame is None:
        yield from zip(result.fixefnames, identity[:, None, :], strict=True)
        return
    for name, place in frame.term_slices.items():
        inside = (columns >= place.start) & (columns < place.stop)
        if inside.any():
            yield name, identity[inside]


def wald_test_terms(
    result: MixedModelResults,
    skip_single: bool = False,
    extra_constraints: Sequence[tuple[str, Any]] = (),
    combine_terms: Sequence[str] = (),
    scalar: bool = True,
) -> WaldTestResults:
    """Test each term of the fixed part; see the method of the result."""
    terms = list(term_constraints(result))
    tests = [(name, rows) for name, rows in terms if not (skip_single and len(rows) == 1)]
    for text in combine_terms or ():
        matching = [rows for name, rows in terms if text in name]
        if not matching:
            names = ", ".join(name for name, _ in terms)
            raise OptionError(f"combine_terms: no term contains {text!r}; the terms are {names}")
        tests.append((text, np.vstack(matching)))
    tests += list(extra_constraints or ())
    rows = []
    for _, matrix in tests:
        test = result.wald_test(matrix, scalar=scalar)
        df = int(test.df_num if result.use_t else test.df_denom)
        rows.append([test.statistic, test.pvalue, df, *([test.df_denom] if result.use_t else [])])
    labels = ["statistic", "pvalue", "df_constraint", *(["df_denom"] if result.use_t else [])]
    table = pd.DataFrame(rows, index=[name for name, _ in tests], columns=labels)
    return WaldTestResults(None, "F" if result.use_t else "chi2", None, table=table)


def t_test_pairwise(
    result: MixedModelResults,
    term_name: str,
    method: str | Sequence[str] = "hs",
    alpha: float = 0.05,
    factor_labels: Sequence[str] | None = None,
) -> Any:
    """Compare all pairs of levels of a term of the fixed part; see the method of the result."""
    from statsmodels.stats.contrast import MultiCompResult

    levels, coding, place = _single_factor(result.model.frame, term_name)
    if factor_labels is not None:
        if len(factor_labels) != len(levels):
            raise OptionError(f"factor_labels must have {len(levels)} labels, one per level")
        levels = list(factor_labels)
    full = np.zeros((len(levels) * (len(levels) - 1) // 2, len(result.coefnames)))
    full[:, place] = -contrast_allpairs(len(levels)) @ coding
    contrasts = full[:, result.estimates.columns]
    lost = np.delete(full, result.estimates.columns, axis=1)
    pairs = [f"{b}-{a}" for i, a in enumerate(levels) for b in levels[i + 1 :]]
    frame = result.t_test(contrasts).summary_frame(alpha=alpha)
    frame.index = pairs
    # A difference that involves a dropped column is not estimable.
    estimable = ~np.any(lost != 0, axis=1)
    frame.loc[~estimable] = np.nan
    for name in [method] if isinstance(method, str) else method:
        corrected = np.full(len(pairs), np.nan)
        reject = np.zeros(len(pairs), dtype=bool)
        raw = frame.iloc[:, 3].to_numpy()[estimable]
        reject[estimable], corrected[estimable] = multipletests(raw, alpha=alpha, method=name)[:2]
        frame[f"pvalue-{name}"], frame[f"reject-{name}"] = corrected, reject
    return MultiCompResult(
        result_frame=frame,
        contrasts=contrasts,
        term=term_name,
        contrast_labels=pairs,
        term_encoding_matrix=coding,
    )


def _single_factor(frame: ModelFrame | None, name: str) -> tuple[list[Any], Array, slice]:
    """Return the levels of a term that is one categorical factor, its coding and its columns."""
    if frame is None:
        raise OptionError("pairs of levels can be compared only in a model made from a formula")
    terms = frame.term_slices
    if name not in terms:
        raise OptionError(f"there is no term {name!r}; the terms are {', '.join(terms)}")
    find = _patsy_coding if isinstance(frame.fixed, CodedMatrix) else _formulaic_coding
    found = find(frame.fixed, name)
    if found is None:
        raise OptionError(f"{name!r} is not a single categorical factor: it has no levels to pair")
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
    named = (term for term in matrix.spec.terms if manager.get_term_name(term) == name)
    term = next(named, None)  # the intercept goes by another name
    if term is None or len(term.factors) != 1:
        return None
    try:
        levels = manager.get_factor_categories(term.factors[0], matrix.spec)
    except KeyError:  # a number has no categories
        return None
    coding = manager.get_contrast_matrix(term, term.factors[0], matrix.spec)
    return list(levels), np.asarray(coding)
