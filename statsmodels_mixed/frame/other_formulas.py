"""Formulas beside that of the mean, such as ``zero_inflation="~ x"``: columns and matrices."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import numpy as np
from patsy.eval import EvalEnvironment

from .._typing import Array
from ..errors import DataError
from .coding import CodedMatrix
from .engine import learn, read_contrasts
from .model_frame import ModelFrame
from .names import check_functions, complete, unknown_names
from .new_data import NewData
from .parts import FormulaPart, codes
from .table import name_rows, open_table

__all__ = ["columns_of", "read_formulas", "values_of"]


def _part(text: str) -> FormulaPart:
    return FormulaPart(text.strip().removeprefix("~").strip())


def columns_of(formulas: Mapping[str, str], data: Any) -> list[str]:
    """Return the columns that formulas need, of which rows must have all.

    Parameters
    ----------
    formulas : mapping of str to str
        Formulas such as ``"~ x"`` by the names of their options.
    data : table

    Raises
    ------
    DataError
        If a name is no column; the message names the option too.
    """
    if not formulas:
        return []
    known = open_table(data).names
    outside = complete(EvalEnvironment([{}])).namespace
    needed: dict[str, None] = {}
    for option, text in formulas.items():
        part = _part(text)
        found = codes(part)
        names = [name for code in found for name in code.names]
        unknown = [
            name
            for name in names
            if name not in known and name not in outside and not hasattr(builtins, name)
        ]
        try:
            if unknown:
                raise unknown_names(dict.fromkeys(unknown), known, text)
            check_functions([part], known, complete(EvalEnvironment([{}])))
        except DataError as error:
            raise DataError(f"{option}={text!r}: {error}") from error
        modules = [name for code in found for name in code.modules]
        needed.update((name, None) for name in (*names, *modules) if name in known)
    return list(needed)


def read_formulas(
    formulas: Mapping[str, str], frame: ModelFrame, contrasts: Mapping[str, Any] | None
) -> dict[str, tuple[CodedMatrix, Array]]:
    """Make the matrix of every formula for the rows of a model.

    Parameters
    ----------
    formulas : mapping of str to str
    frame : ModelFrame
        With the columns of `columns_of`.
    contrasts : mapping, optional
        Coding of columns, as the model has it.

    Raises
    ------
    DataError
        If a formula cannot be evaluated, or is infinite or NaN in some rows.
    """
    env = complete(EvalEnvironment([{}]))
    out = {}
    for option, text in formulas.items():
        part = _part(text)
        factors = {code.column for code in codes(part)} - {""}
        own = {name: each for name, each in (contrasts or {}).items() if name in factors}
        coding = read_contrasts(own, factors, list(factors)) if own else {}
        try:
            (matrix,) = learn([part], frame.rows, coding, env)
        except DataError as error:
            raise DataError(f"{option}={text!r}: {error}") from error
        X = np.empty((len(frame.y), len(matrix.names)))
        matrix.fill(frame.rows, X)
        bad = np.asarray(~np.isfinite(X).all(axis=1))
        if bad.any():
            raise DataError(
                f"{option}={text!r} is infinite or NaN in {name_rows(bad, frame.index)}: leave "
                "these rows out with subset=, or mend the expression."
            )
        out[option] = matrix, X
    frame.rows.forget()
    return out


def values_of(option: str, matrix: CodedMatrix, data: Any, frame: ModelFrame) -> Array:
    """Return the matrix of a formula for new rows; NaN where a column is missing.

    Parameters
    ----------
    option : str
        The option that gave the formula.
    matrix : CodedMatrix
    data : table
    frame : ModelFrame
        That of the model.

    Raises
    ------
    DataError
        If a column is missing, or a level is one that the model has not seen.
    """
    try:
        return NewData.of_table(data, frame).made(matrix)
    except DataError as error:
        raise DataError(f"{option}= cannot be evaluated for the new rows: {error}") from error
