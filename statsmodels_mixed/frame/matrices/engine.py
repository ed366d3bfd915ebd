"""The formula engine: bar-free formulas -> coded matrices, learned from rows of data.

Patsy decides here, in one pass for all parts of a model, what every factor is, how
categories are coded and what stateful transforms remember; the matrices themselves
are built elsewhere. Patsy is handed its factors ready-made (its factor protocol), so
plain columns cost it no evaluation of code and labels no loop in Python.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from patsy import Diff, Helmert, Poly, Sum, Treatment
from patsy.build import design_matrix_builders
from patsy.contrasts import ContrastMatrix
from patsy.desc import INTERCEPT, Term
from patsy.design_info import DesignInfo
from patsy.eval import EvalEnvironment, EvalFactor

from ...errors import DataError, MixedModelError, OptionError
from ...formula.terms import MixedFormula, plain_names
from ...options import described
from .coding import CodedMatrix, CodedTerm, ProductColumns
from .factor_values import Labels
from .factors import CodedFactor, PlainColumn, Rows
from .formula_factors import (
    ColumnFactor,
    ExpressionFactor,
    FormulaFactor,
    KnownFactor,
    LabelKind,
    check_names,
    kind_of,
    label_kind,
)
from .parts import FormulaPart, codes, read_code, sides_of, terms

__all__ = [
    "column_kinds",
    "columns_without_code",
    "learn",
    "matrices_of_columns",
    "plain_columns",
    "read_contrasts",
]


# Layouts of formulas that are kept.
KEPT_LAYOUTS = 128


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
    sides = tuple(sides)
    columns = None if contrasts else plain_columns(sides)
    kinds = None if columns is None else column_kinds(columns, rows)
    if columns is not None and kinds is not None:
        matrices, labels = matrices_of_columns(sides, columns, kinds)
        for factor, column in labels:
            rows.remember_codes(factor, rows.factorized(column)[0])
        return matrices
    factors: dict[str, FormulaFactor] = {}
    for side in sides:
        for term in terms(side):
            for factor in term.factors:
                if factor.code not in factors:
                    factors[factor.code] = _prepare(factor, rows, contrasts)
    # Often the fixed and the random part are the same: once is enough.
    different = list(dict.fromkeys(sides))
    termlists = tuple(
        tuple(tuple(factors[factor.code] for factor in term.factors) for term in terms(side))
        for side in different
    )
    try:
        infos = _layouts(factors, termlists, rows, env)
    except MixedModelError:
        raise
    except Exception as error:  # code in a formula raises what its author likes
        what = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        raise DataError(f"the formula does not fit the data: {what}.") from error
    coded: dict[FormulaFactor, CodedFactor] = {}
    for info in infos:
        for factor in info.factor_infos:
            if factor not in coded:
                coded[factor] = _coded_factor(factors[factor.label], rows)
    made = {
        side: _coded_matrix(info, coded, side) for side, info in zip(different, infos, strict=True)
    }
    return tuple(made[side] for side in sides)


@lru_cache(maxsize=KEPT_LAYOUTS)
def plain_columns(sides: tuple[FormulaPart, ...]) -> tuple[str, ...] | None:
    """Return the columns of parts that are made of nothing else, None if there is code in them."""
    found: dict[str, None] = {}
    for code in (code for side in sides for code in codes(side)):
        if code.all_levels or code.names != (code.column,) or code.modules:
            return None
        found[code.column] = None
    return tuple(found)


@lru_cache(maxsize=512)
def columns_without_code(formula: MixedFormula) -> tuple[str, ...]:
    """Columns of a formula that names nothing but columns; empty if there is code in it."""
    response, fixed, effects = sides_of(formula, formula.random, False)
    columns = plain_columns((response, fixed, *effects))
    if columns is None:
        return ()
    grouping = (name for term in formula.random for name in term.grouping.columns)
    return tuple(dict.fromkeys((*columns, *grouping)))


def column_kinds(columns: tuple[str, ...], rows: Rows) -> tuple[LabelKind | None, ...] | None:
    """Return the kinds of columns, None for numbers.

    None altogether where a column is no number and no plain label of one of few levels.
    """
    found: list[LabelKind | None] = []
    for column in columns:
        values = rows.columns.get(column)
        if values is None:
            return None
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            found.append(None)
            continue
        if not (isinstance(values, pd.Categorical) or values.dtype.kind == "O"):
            return None
        kind = label_kind(rows.factorized(column)[1])
        if kind is None:
            return None
        found.append(kind)
    return tuple(found)


@lru_cache(maxsize=KEPT_LAYOUTS)
def matrices_of_columns(
    sides: tuple[FormulaPart, ...], columns: tuple[str, ...], kinds: tuple[LabelKind | None, ...]
) -> tuple[tuple[CodedMatrix, ...], tuple[tuple[CodedFactor, str], ...]]:
    """Return what `learn` finds out about plain columns; it is the same for all rows.

    Returns
    -------
    matrices : tuple of CodedMatrix
        One for each side.
    labels : tuple of (CodedFactor, str)
        The factors that hold labels, and their columns.
    """
    different = tuple(dict.fromkeys(sides))
    labels = tuple(
        tuple(tuple(factor.code for factor in term.factors) for term in terms(side))
        for side in different
    )
    known = dict(zip(columns, kinds, strict=True))
    codes_of = dict.fromkeys(label for side in labels for term in side for label in term)
    shown = tuple((label, (label, _told(known[read_code(label).column]))) for label in codes_of)
    infos = _layouts_of_columns(labels, shown)
    coded, found = {}, []
    for factor in (factor for info in infos for factor in info.factor_infos):
        column = read_code(factor.label).column
        kind = known[column]
        index = None if kind is None else kind.index()
        coded[factor] = CodedFactor(factor.label, PlainColumn(column), index, 1)
        if index is not None:
            found.append((coded[factor], column))
    made = {
        side: _coded_matrix(info, coded, side) for side, info in zip(different, infos, strict=True)
    }
    return tuple(made[side] for side in sides), tuple(found)


def _told(kind: LabelKind | None) -> tuple[Any, int, str]:
    """Return what patsy is told of a column of numbers or labels; see `kind_of`."""
    return (None, 1, "<f8") if kind is None else (kind.shown, 1, "")


def _layouts(
    factors: Mapping[str, FormulaFactor],
    termlists: tuple[tuple[tuple[FormulaFactor, ...], ...], ...],
    rows: Rows,
    env: EvalEnvironment,
) -> Sequence[DesignInfo]:
    """Ask patsy for the columns of each side, or remember what it said.

    What it says of plain columns follows from the terms and from what kinds of columns they are,
    levels included; of code, from the rows.
    """
    known = {}
    for factor in factors.values():
        kind = kind_of(factor)
        if kind is None:
            sides = [[Term(list(term)) for term in termlist] for termlist in termlists]
            found: Sequence[DesignInfo] = design_matrix_builders(sides, lambda: iter([rows]), env)
            return found
        known[factor.label] = (factor.shown, kind)
    for factor in factors.values():
        check_names(factor.label, factor.value)
    labels = tuple(
        tuple(tuple(factor.label for factor in term) for term in termlist) for termlist in termlists
    )
    return _layouts_of_columns(labels, tuple(known.items()))


@lru_cache(maxsize=KEPT_LAYOUTS)
def _layouts_of_columns(
    labels: tuple[tuple[tuple[str, ...], ...], ...],
    known: tuple[tuple[str, tuple[str, tuple[Any, ...]]], ...],
) -> tuple[DesignInfo, ...]:
    """Return what patsy says of terms of plain columns; it is the same for all frames."""
    factors = {label: KnownFactor(label, *rest) for label, rest in known}
    sides = [[Term([factors[label] for label in term]) for term in termlist] for termlist in labels]
    infos = design_matrix_builders(sides, lambda: iter([None]), EvalEnvironment([{}]))
    for info in infos:
        for subterms in info.term_codings.values():
            for subterm in subterms:
                for matrix in subterm.contrast_matrices.values():
                    matrix.matrix.flags.writeable = False  # many models share it
    return tuple(infos)


def _prepare(factor: EvalFactor, rows: Rows, contrasts: Mapping[str, Any]) -> FormulaFactor:
    code = read_code(factor.code)
    if code.column in rows.columns:
        return ColumnFactor(factor.code, code, rows, contrasts)
    names = dict.fromkeys((*code.names, *code.modules))
    return ExpressionFactor(factor, tuple(name for name in names if name in rows.columns))


def _coded_factor(factor: FormulaFactor, rows: Rows) -> CodedFactor:
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
    info: DesignInfo, coded: Mapping[FormulaFactor, CodedFactor], side: FormulaPart
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
        raise OptionError(
            f"contrasts= is a dict from columns to contrasts, not {described(contrasts)}."
        )
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
