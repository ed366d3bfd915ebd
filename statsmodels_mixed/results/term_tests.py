"""Tests of whole terms, aware of dropped columns.

statsmodels' own versions take the columns of a term for positions in `params`, which
is wrong as soon as a column of X was dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import WaldTestResults

from .._typing import Array
from ..errors import OptionError

if TYPE_CHECKING:
    from .base import MixedModelResults

__all__ = ["wald_test_terms"]


def term_constraints(result: MixedModelResults) -> Iterator[tuple[str, Array]]:
    """Yield each term of the fixed part with the rows of the identity that select it.

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
    for text in list(combine_terms):
        matching = [rows for name, rows in terms if text in name]
        if not matching:
            names = ", ".join(name for name, _ in terms)
            raise OptionError(f"combine_terms: no term contains {text!r}; the terms are {names}.")
        tests.append((text, np.vstack(matching)))
    tests += list(extra_constraints)
    rows = []
    for _, matrix in tests:
        test = result.wald_test(matrix, scalar=scalar)
        df = int(test.df_num if result.use_t else test.df_denom)
        rows.append([test.statistic, test.pvalue, df, *([test.df_denom] if result.use_t else [])])
    labels = ["statistic", "pvalue", "df_constraint", *(["df_denom"] if result.use_t else [])]
    table = pd.DataFrame(rows, index=[name for name, _ in tests], columns=labels)
    return WaldTestResults(None, "F" if result.use_t else "chi2", None, table=table)
