"""The formula engine: bar-free formulas -> coded matrices, learned from rows of data.

Patsy decides here, in one pass for all parts of a model, what every factor is, how
categories are coded and what stateful transforms remember; the matrices themselves
are built elsewhere. Patsy is handed its factors ready-made (its factor protocol), so
plain columns cost it no evaluation of code and labels no loop in Python.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from patsy import Diff, Helmert, Poly, Sum, Treatment
from patsy.build import design_matrix_builders
from patsy.categorical import C
from patsy.contrasts import ContrastMatrix
from patsy.desc import INTERCEPT, Term
from patsy.design_info import DesignInfo
from patsy.eval import EvalEnvironment, EvalFactor

from ..errors import DataError, MixedModelError, OptionError
from ..formula.terms import plain_names
from .coding import CodedMatrix, CodedTerm, ProductColumns
from .factors import (
    CodedFactor,
    Expression,
    Labels,
    Numbers,
    PlainColumn,
    Rows,
    computing,
    read_value,
)
from .parts import Code, FormulaPart, read_code, terms

__all__ = ["learn", "read_contrasts"]


class _AllLevels:
    """The contrast behind ``fulldummy``: all indicators, with or without an intercept."""

    def code_with_intercept(self, levels: Sequence[Any]) -> ContrastMatrix:
        return Treatment().code_with_intercept(levels)

    code_without_intercept = code_with_intercept


class _Factor:
    """A factor as patsy wants to see it, which it only asks what kind of thing it is.

    Parameters
    ----------
    label : str
        What distinguishes factors.
    shown : str
        Its part in our names of columns. Patsy, which wants names to be unique, gets the
        label, and so may meet both ``x`` and ``fulldummy(x)``.
    """

    origin = None
    source: PlainColumn | Expression
    value: Numbers | Labels

    def __init__(self, label: str, shown: str) -> None:
        self.label = label
        self.shown = shown

    def name(self) -> str:
        return self.label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Factor) and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)


class _ColumnFactor(_Factor):
    """A column of data, perhaps coded by a contrast given beside the formula."""

    def __init__(self, label: str, code: Code, rows: Rows, contrasts: Mapping[str, Any]) -> None:
        super().__init__(label, label if not code.all_levels else label[len("fulldummy(") : -1])
        self.source = PlainColumn(code.column)
        values = rows.columns[code.column]
        if code.all_levels or code.column in contrasts:
            contrast = _AllLevels() if code.all_levels else contrasts[code.column]
            self.value = Labels(*rows.factorized(code.column), contrast=contrast)
        elif isinstance(values, pd.Categorical) or values.dtype.kind == "O":
            self.value = Labels(*rows.factorized(code.column))
        else:
            try:
                self.value = read_value(values)
            except DataError as error:
                raise DataError(f"{label!r} {error}") from error

    def memorize_passes_needed(self, state: dict[str, Any], env: EvalEnvironment) -> int:
        return 0

    def eval(self, state: dict[str, Any], rows: Rows) -> Any:
        _check_names(self.label, self.value)
        return _shape_only(self.value)


class _ExpressionFactor(_Factor):
    """Python code, which patsy compiles and whose stateful transforms it trains."""

    def __init__(self, inner: EvalFactor, columns: tuple[str, ...]) -> None:
        super().__init__(inner.code, inner.code)
        self.inner = inner
        self.columns = columns

    def memorize_passes_needed(self, state: dict[str, Any], env: EvalEnvironment) -> int:
        return int(self.inner.memorize_passes_needed(state, env))

    def memorize_chunk(self, state: dict[str, Any], which_pass: int, rows: Rows) -> None:
        with computing(repr(self.label)):
            self.inner.memorize_chunk(state, which_pass, rows)

    def memorize_finish(self, state: dict[str, Any], which_pass: int) -> None:
        with computing(repr(self.label)):
            self.inner.memorize_finish(state, which_pass)

    def eval(self, state: dict[str, Any], rows: Rows) -> Any:
        self.source = Expression(self.inner, state, self.columns)
        try:
            self.value = read_value(self.source.evaluate(rows))
        except DataError as error:
            raise DataError(f"{self.label!r} {error}") from error
        _check_names(self.label, self.value)
        return _shape_only(self.value)


def _check_names(label: str, value: Numbers | Labels) -> None:
    """Refuse levels that would give two columns one name."""
    if isinstance(value, Labels):
        shown: dict[str, Any] = {}
        for level in value.categories:
            other = shown.setdefault(str(level), level)
            if other is not level:
                raise DataError(
                    f"the levels {other!r} and {level!r} of {label!r} look the same: make all its "
                    "values numbers or all text."
                )


def _shape_only(value: Numbers | Labels) -> Any:
    """Return the least from which patsy sees what a factor is: no rows, or the levels alone."""
    if isinstance(value, Labels):
        return C((), value.contrast, value.categories)
    return value[:0]


def learn(
    sides: Sequence[FormulaPart], rows: Rows, contrasts: Mapping[str, Any], env: EvalEnvironment
) -> tuple[CodedMatrix, ...]:
    """Find out from complete rows how each side becomes a matrix.

    Parameters
    ----------
    sides : sequence of FormulaPart
        The parts of a formula.
    rows : Rows
        Rows without missing values, with the needed columns only.
    contrasts : mapping of str to object
        Patsy contrast, or None for the default one, of columns to be treated as
        categorical wherever they are factors by themselves.
    env : patsy.EvalEnvironment
        Where names that are not columns are looked up.

    Returns
    -------
    tuple of CodedMatrix
        One for each side.

    Raises
    ------
    DataError
        If a factor cannot be computed or coded; the message names it.
    """
    factors: dict[str, _Factor] = {}
    for side in sides:
        for term in terms(side):
            for factor in term.factors:
                if factor.code not in factors:
                    factors[factor.code] = _prepare(factor, rows, contrasts)
    # Often the fixed and the random part are the same: once is enough.
    different = list(dict.fromkeys(sides))
    termlists = [
        [Term([factors[factor.code] for factor in term.factors]) for term in terms(side)]
        for side in different
    ]
    try:
        infos = design_matrix_builders(termlists, lambda: iter([rows]), env)
    except MixedModelError:
        raise
    except Exception as error:  # code in a formula raises what its author likes
        what = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        raise DataError(f"the formula does not fit the data: {what}.") from error
    coded: dict[_Factor, CodedFactor] = {}
    for info in infos:
        for factor in info.factor_infos:
            if factor not in coded:
                coded[factor] = _coded_factor(factor, rows)
    made = {
        side: _coded_matrix(info, coded, side) for side, info in zip(different, infos, strict=True)
    }
    return tuple(made[side] for side in sides)


def _prepare(factor: EvalFactor, rows: Rows, contrasts: Mapping[str, Any]) -> _Factor:
    code = read_code(factor.code)
    if code.column in rows.columns:
        return _ColumnFactor(factor.code, code, rows, contrasts)
    names = dict.fromkeys((*code.names, *code.modules))
    return _ExpressionFactor(factor, tuple(name for name in names if name in rows.columns))


def _coded_factor(factor: _Factor, rows: Rows) -> CodedFactor:
    value = factor.value
    if isinstance(value, Labels):
        levels = value.levels
        if value.declared is not None:
            levels = pd.Index(value.declared, tupleize_cols=False)
        coded = CodedFactor(factor.label, factor.source, levels, 1)
    else:
        coded = CodedFactor(factor.label, factor.source, None, value.shape[1])
    rows.remember(coded, value, with_missing=True)
    return coded


def _coded_matrix(
    info: DesignInfo, coded: Mapping[_Factor, CodedFactor], side: FormulaPart
) -> CodedMatrix:
    terms = []
    names = list(info.column_names)
    for factor in info.factor_infos:
        if factor.shown != factor.label:
            names = [name.replace(factor.label, factor.shown) for name in names]
    for term, subterms in info.term_codings.items():
        if side.implied and term == INTERCEPT:
            names.remove("Intercept")
            continue
        pieces = tuple(
            ProductColumns(
                tuple(coded[factor] for factor in subterm.factors),
                tuple(_contrast(subterm.contrast_matrices.get(f)) for f in subterm.factors),
                subterm.num_columns,
            )
            for subterm in subterms
        )
        label = ":".join(factor.label for factor in term.factors) or "Intercept"
        terms.append(CodedTerm(plain_names(label), pieces))
    return CodedMatrix(tuple(map(plain_names, names)), tuple(terms))


def _contrast(matrix: ContrastMatrix | None) -> Any:
    return None if matrix is None else matrix.matrix


_CONTRASTS: dict[str, Any] = {
    "categorical": None,
    "treatment": Treatment,
    "sum": Sum,
    "helmert": Helmert,
    "diff": Diff,
    "poly": Poly,
}


def read_contrasts(
    contrasts: Mapping[str, Any] | None, factors: Collection[str], others: Collection[str]
) -> dict[str, Any]:
    """Check ``contrasts=`` and resolve its names.

    Parameters
    ----------
    contrasts : mapping or None
        From column to a patsy contrast (object, class, matrix), its name, or
        ``"categorical"`` (or None) for patsy's default coding of the values of the column.
    factors : collection of str
        Columns that are factors of an effect by themselves.
    others : collection of str
        All other names the model uses.

    Raises
    ------
    OptionError
        For an unknown contrast, or a column to which none applies.
    """
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise OptionError(f"contrasts= is a dict from columns to contrasts, not {contrasts!r}.")
    resolved = {}
    for column, contrast in (contrasts or {}).items():
        if column not in factors:
            if column in others:
                why = "only as response, as grouping factor or inside an expression"
                raise OptionError(f"contrasts= does not apply to {column!r}, which is used {why}.")
            raise OptionError(f"contrasts= names {column!r}, which the formula does not use.")
        if isinstance(contrast, str):
            if contrast.lower() not in _CONTRASTS:
                known = ", ".join(map(repr, _CONTRASTS))
                raise OptionError(f"contrast {contrast!r} for {column!r} is not one of {known}.")
            contrast = _CONTRASTS[contrast.lower()]
        if not (
            contrast is None
            or hasattr(contrast, "code_without_intercept")
            or isinstance(contrast, ContrastMatrix)
            or (isinstance(contrast, np.ndarray) and contrast.ndim == 2)
        ):
            raise OptionError(f"contrasts[{column!r}] is not a contrast of patsy: {contrast!r}.")
        resolved[column] = contrast
    return resolved
