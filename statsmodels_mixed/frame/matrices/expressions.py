"""Numbers for every row beside the matrices, when they are computed: offset(...), weights="k + f".

They are coded like a column of a matrix, so that new rows give them in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from patsy.eval import EvalEnvironment

from ..._typing import Array
from ...errors import DataError, FormulaError
from ...formula.terms import MixedFormula
from ..table.selection import check_option
from . import engine
from .coding import Matrix
from .factors import Rows
from .parts import FormulaPart, codes

__all__ = ["IN_FORMULA", "check_expressions", "evaluate", "expressions", "learn", "total"]


# The name of what the formula itself adds to the linear predictor.
IN_FORMULA = "offset()"


def expressions(
    formula: MixedFormula, options: Mapping[str, object], columns: Collection[str]
) -> dict[str, FormulaPart]:
    """Find what is to be computed: the offsets of a formula and options that are no columns.

    Parameters
    ----------
    formula : MixedFormula
    options : mapping of str to object
        Weights, offset and exposure as the user gave them.
    columns : collection of str
        Columns of the data.

    Returns
    -------
    dict of str to FormulaPart
        By option; text that is neither a column nor an expression is left out.
    """
    found = {}
    if formula.offsets:
        found[IN_FORMULA] = _side(formula.offsets)
    for option, given in options.items():
        if not isinstance(given, str) or given in columns or given.isidentifier():
            continue
        try:
            side = _side([given])
            codes(side)
        except FormulaError:
            if "^" in given:
                raise
            continue
        found[option] = side
    return found


def _side(parts: Collection[str]) -> FormulaPart:
    return FormulaPart(" + ".join(["0", *(f"I({part})" for part in dict.fromkeys(parts))]))


def learn(
    sides: Mapping[str, FormulaPart], rows: Rows, env: EvalEnvironment
) -> tuple[dict[str, Matrix], dict[str, Array]]:
    """Code what is to be computed, and compute it.

    Returns
    -------
    matrices : dict of str to Matrix
    values : dict of str to ndarray, shape (n,)
        By option.

    Raises
    ------
    DataError
        If an expression does not give one number for every row.
    """
    matrices: dict[str, Matrix] = {}
    values = {}
    for option, side in sides.items():
        matrix = engine.learn([side], rows, {}, env)[0]
        wrong = [f.label for f in matrix.factors if f.categories is not None or f.width != 1]
        if wrong:
            raise DataError(f"{option}: {wrong[0]} must give one number for every row.")
        matrices[option] = matrix
        values[option] = evaluate(matrix, rows)
    return matrices, values


def check_expressions(values: Mapping[str, Array], index: pd.Index) -> None:
    """Refuse what was computed for an option, (n,) by option, if no model can have it.

    Raises
    ------
    DataError
        With the labels of the rows.
    """
    for option, found in values.items():
        check_option("offset" if option == IN_FORMULA else option, found, index)


def evaluate(matrix: Matrix, rows: Rows) -> Array:
    """Return the sum of the columns of a matrix, shape (n,)."""
    out = np.empty((len(rows.index), len(matrix.names)))
    matrix.fill(rows, out)
    summed: Array = out.sum(axis=1)
    return summed


def total(offset: Array | None, values: Mapping[str, Array]) -> Array | None:
    """Add what was computed to an offset."""
    for option, found in values.items():
        if option != "weights":
            part = np.log(found) if option == "exposure" else found
            offset = part if offset is None else offset + part
    return offset
