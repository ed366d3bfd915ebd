"""The other formula engine statsmodels offers: formulaic, for the right side of a formula.

Formulaic codes and builds the matrices itself, through statsmodels' own switch between
engines, so that terms and names come out as in the rest of statsmodels. Bars, the names
of columns and the response are read by patsy with either engine. Two things formulaic
cannot say are refused here: ``fulldummy`` and ``contrasts=``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from patsy.eval import EvalEnvironment

from ...errors import DataError, OptionError, told
from ...formula.terms import plain_names
from ...formula.tokens import read_column
from ..table.alignment import align_values
from ..table.columns import missing_rows, widened
from ..table.table import name_rows
from . import engine
from .coding import Matrix
from .factors import Rows, freeze, thaw
from .parts import FormulaPart, codes, terms

__all__ = ["FormulaicMatrix", "learn"]

_QUOTED = re.compile(r"""\bQ\((["'])(?:\\.|(?!\1).)*\1\)""")
_ADVICE = 'set statsmodels.formula.options.formula_engine = "patsy"'


class FormulaicMatrix:
    """A block of model-matrix columns that formulaic makes; see `coding.Matrix`.

    Parameters
    ----------
    side : FormulaPart
        The part of a formula.
    rows : Rows
        Complete rows to learn from.
    context : mapping of str to object
        Values of the names in its code that are not columns.

    Raises
    ------
    DataError
        If formulaic cannot make the matrix.
    """

    def __init__(self, side: FormulaPart, rows: Rows, context: Mapping[str, Any]) -> None:
        from statsmodels.formula._manager import FormulaManager  # noqa: PLC0415 - optional

        self.text, self.aliases = _aliases(side.text)
        self.context = dict(context)
        used = (name for code in codes(side) for name in (*code.names, *code.modules))
        self.columns = tuple(name for name in dict.fromkeys(used) if name in rows.columns)
        manager = FormulaManager("formulaic")
        try:
            table = self.table(rows)
            context = _in_order(self.context, rows.index)
            manager.get_matrices(self.text, table, eval_env=context, pandas=False)
        except Exception as error:  # Formulaic passes on any error that the code raises
            raise DataError(f"formulaic cannot make {side.text!r}: {told(error)}") from error
        self.spec = manager.spec
        slices = manager.get_term_name_slices(self.spec)
        named = {
            "Intercept" if str(term) == "1" else self.shown(str(term)): part
            for term, part in slices.items()
        }
        # An implied intercept is the first column, and leaves with it.
        self.first = int(side.implied)
        if side.implied:
            del named["Intercept"]
        self.names = tuple(map(self.shown, self.spec.column_names))[self.first :]
        self.slices = {
            name: slice(part.start - self.first, part.stop - self.first)
            for name, part in named.items()
        }

    def shown(self, name: str) -> str:
        """Return the name of a column or a term as the formula writes it."""
        for alias, code in self.aliases.items():
            name = name.replace(alias, code)
        return plain_names(name)

    def table(self, rows: Rows) -> pd.DataFrame:
        """Return the columns of data as formulaic is to see them."""
        return _table(rows, self.aliases)

    def fill(self, rows: Rows, out: NDArray[np.float64]) -> None:
        """Write the matrix of these rows into `out`, shape (n, len(names)).

        Raises
        ------
        DataError
            If formulaic cannot make it, or a level is not among the model's.
        """
        from formulaic.errors import DataMismatchWarning  # noqa: PLC0415 - optional

        table = self.table(rows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DataMismatchWarning)
                context = _in_order(self.context, rows.index)
                made = self.spec.get_model_matrix(
                    table, context=context, na_action="ignore", output="numpy"
                )
                out[...] = np.asarray(made)[:, self.first :]
        except Exception as error:
            self._refuse_missing(rows)
            raise DataError(
                f"formulaic cannot make {self.shown(self.text)!r}: {told(error)}"
            ) from error

    def _refuse_missing(self, rows: Rows) -> None:
        """Refuse labels and truth values some of which are missing, which is why it failed."""
        for name in self.columns:
            absent = missing_rows(pd.Series(rows.columns[name]))
            if absent is not None:
                raise DataError(
                    f"{name!r} is missing in {name_rows(absent, rows.index)}: pass "
                    'missing="drop" to leave such rows out.'
                )

    def __getstate__(self) -> dict[str, Any]:
        """Replace modules and functions by what can be pickled."""
        context = {name: freeze(value) for name, value in self.context.items()}
        return {**vars(self), "context": context}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Find modules and functions again."""
        vars(self).update(saved)
        self.context = {name: thaw(name, frozen) for name, frozen in saved["context"].items()}


def _aliases(text: str) -> tuple[str, dict[str, str]]:
    """Give quoted columns plain names, since formulaic has quotes of its own.

    Returns
    -------
    text : str
        With the plain names.
    aliases : dict of str to str
        The code ``Q("...")`` that each replaces.
    """
    found = {code: f"column_{i}_" for i, code in enumerate(dict.fromkeys(_quoted(text)))}
    for code, alias in found.items():
        text = text.replace(code, alias)
    return text, {alias: code for code, alias in found.items()}


def _quoted(text: str) -> list[str]:
    return [match.group() for match in _QUOTED.finditer(text)]


def _table(rows: Rows, aliases: Mapping[str, str]) -> pd.DataFrame:
    columns = {}
    for name, values in rows.columns.items():
        text = isinstance(values.dtype, pd.StringDtype)
        columns[name] = values.astype(object) if text else widened(values)
    for alias, code in aliases.items():
        quoted = read_column(code)
        if quoted is not None:
            columns[alias] = columns[quoted]
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows.index)))


def learn(
    sides: Sequence[FormulaPart], rows: Rows, contrasts: Mapping[str, Any], env: EvalEnvironment
) -> tuple[Matrix, ...]:
    """Find out how each side becomes a matrix; takes the place of `engine.learn`.

    Raises
    ------
    OptionError
        For ``contrasts=`` or ``fulldummy``.
    DataError
        If a matrix cannot be made.
    """
    if contrasts:
        raise OptionError(f"contrasts= is not available with formulaic: use C() or {_ADVICE}.")
    made: dict[FormulaPart, Matrix] = {}
    for side in dict.fromkeys(sides):
        if side.response:
            made[side] = engine.learn([side], rows, contrasts, env)[0]
            continue
        if any(code.all_levels for code in codes(side)):
            raise OptionError(f"fulldummy is not available with formulaic: {_ADVICE}.")
        made[side] = FormulaicMatrix(side, rows, _context(side, rows, env))
    return tuple(made[side] for side in sides)


def _context(side: FormulaPart, rows: Rows, env: EvalEnvironment) -> dict[str, Any]:
    """Objects of the caller's environment that the code of a side names."""
    namespace = env.namespace
    names = {
        name
        for term in terms(side)
        for factor in term.factors
        for name in compile(factor.code, "<formula>", "eval").co_names
    }
    return {name: namespace[name] for name in names if name in namespace and name not in rows}


def _in_order(context: Mapping[str, Any], index: pd.Index) -> dict[str, Any]:
    """Return objects of the environment, what holds a value for each row in the order of the rows.

    Formulaic sees the rows without their labels.
    """
    found = {}
    for name, value in context.items():
        aligned = align_values(value, index, name)
        rows = isinstance(aligned, pd.Series | pd.DataFrame) and len(aligned) == len(index)
        found[name] = aligned.reset_index(drop=True) if rows else value
    return found
