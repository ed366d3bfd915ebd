"""Formulas beside that of the mean, such as ``zero_inflation="~ x"``: columns and matrices."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from patsy.eval import EvalEnvironment

from .._typing import Array
from ..errors import DataError
from ..later import load
from .matrices.coding import CodedMatrix
from .matrices.engine import learn, read_contrasts
from .matrices.names import check_functions, complete, unknown_names
from .matrices.parts import FormulaPart, codes
from .model_frame import ModelFrame
from .new_data import NewData
from .table.table import name_rows, open_table

__all__ = ["OtherFormulas", "values_of_rows"]


def _part(text: str, implied: bool) -> FormulaPart:
    return FormulaPart(text.strip().removeprefix("~").strip(), implied=implied)


@dataclass
class OtherFormulas:
    """The formulas of a model beside that of its mean, and the names that they may use.

    Parameters
    ----------
    texts : mapping of str to str
        Formulas such as ``"~ x"`` by the names of their options.
    env : patsy.EvalEnvironment or mapping
        The names of the caller, as for the formula of the mean.
    safe : bool
        Allow columns and the functions that `check_safe` knows, and no other code.
    implied : bool
        Leave out the columns of intercepts, which are parameters of their own.
    """

    texts: Mapping[str, str]
    env: EvalEnvironment | Mapping[str, Any]
    safe: bool
    implied: bool = False
    _names: EvalEnvironment = field(init=False)

    def __post_init__(self) -> None:
        env = self.env
        self._names = complete(env if isinstance(env, EvalEnvironment) else EvalEnvironment([env]))

    def columns(self, data: Any) -> list[str]:
        """Return the columns that formulas need, of which rows must have all.

        Parameters
        ----------
        data : table

        Raises
        ------
        DataError
            If a name is no column, or code is not allowed; the message names the option too.
        """
        if not self.texts:
            return []
        known, outside = open_table(data).names, self._names.namespace
        needed: dict[str, None] = {}
        for option, text in self.texts.items():
            part = _part(text, self.implied)
            found = codes(part)
            names = [name for code in found for name in code.names]
            unknown = [
                name
                for name in names
                if name not in known and name not in outside and not hasattr(builtins, name)
            ]
            try:
                if self.safe:
                    load("frame.matrices.safe:check_safe")([part], known, None)
                if unknown:
                    raise unknown_names(dict.fromkeys(unknown, ""), known, text)
                check_functions([part], known, self._names)
            except DataError as error:
                raise type(error)(f"{option}={text!r}: {error}") from error
            modules = [name for code in found for name in code.modules]
            needed.update((name, None) for name in (*names, *modules) if name in known)
        return list(needed)

    def made(
        self, frame: ModelFrame, contrasts: Mapping[str, Any] | None
    ) -> dict[str, tuple[CodedMatrix, Array]]:
        """Make the matrix of every formula for the rows of a model.

        Parameters
        ----------
        frame : ModelFrame
            With the columns of `columns`.
        contrasts : mapping, optional
            Coding of columns, as the model has it.

        Raises
        ------
        DataError
            If a formula cannot be evaluated, or is infinite or NaN in some rows.
        """
        out = {}
        for option, text in self.texts.items():
            part = _part(text, self.implied)
            factors = {code.column for code in codes(part)} - {""}
            own = {name: each for name, each in (contrasts or {}).items() if name in factors}
            coding = read_contrasts(own, factors, list(factors)) if own else {}
            try:
                (matrix,) = learn([part], frame.rows, coding, self._names)
            except DataError as error:
                raise DataError(f"{option}={text!r}: {error}") from error
            X = np.empty((len(frame.y), len(matrix.names)))
            matrix.fill(frame.rows, X)
            bad = np.asarray(~np.isfinite(X).all(axis=1))
            if bad.any():
                raise DataError(
                    f"{option}={text!r} is infinite or NaN in {name_rows(bad, frame.index)}: "
                    "leave these rows out with subset=, or mend the expression."
                )
            out[option] = matrix, X
        if out:
            frame.rows.forget()
        return out


def values_of_rows(option: str, matrix: CodedMatrix, new: NewData) -> Array:
    """Return the matrix of a formula for new rows; NaN where a column is missing.

    Parameters
    ----------
    option : str
        The option that gave the formula.
    matrix : CodedMatrix
    new : NewData

    Raises
    ------
    DataError
        If a column is missing, or a level is one that the model has not seen.
    """
    try:
        return new.made(matrix)
    except DataError as error:
        raise DataError(f"{option}= cannot be evaluated for the new rows: {error}") from error
