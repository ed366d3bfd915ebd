"""Factors of a formula as patsy wants to see them: it only asks what kind of thing each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from patsy import Treatment
from patsy.categorical import C
from patsy.contrasts import ContrastMatrix
from patsy.eval import EvalEnvironment, EvalFactor

from ...errors import DataError
from .factor_values import Labels, Numbers, read_value
from .factors import Expression, PlainColumn, Rows, computing
from .parts import Code

__all__ = [
    "MOST_LEVELS",
    "ColumnFactor",
    "ExpressionFactor",
    "FormulaFactor",
    "KnownFactor",
    "LabelKind",
    "check_names",
    "kind_of",
    "label_kind",
]

# Up to how many levels of a factor are a part of its kind: there is little to gain beyond.
MOST_LEVELS = 64
# Sets of levels whose kind is kept.
KEPT_KINDS = 128


class _AllLevels:
    """The contrast behind ``fulldummy``: all indicators, with or without an intercept."""

    def code_with_intercept(self, levels: Sequence[Any]) -> ContrastMatrix:
        return Treatment().code_with_intercept(levels)

    code_without_intercept = code_with_intercept


class FormulaFactor:
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
        """Return what patsy calls the factor."""
        return self.label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormulaFactor) and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)


class ColumnFactor(FormulaFactor):
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
        """How often patsy shows the rows before it evaluates."""
        return 0

    def eval(self, state: dict[str, Any], rows: Rows) -> Any:
        """Evaluate the factor, and show patsy what kind of thing it is."""
        check_names(self.label, self.value)
        return _shape_only(self.value)


class ExpressionFactor(FormulaFactor):
    """Python code, which patsy compiles and whose stateful transforms it trains."""

    def __init__(self, inner: EvalFactor, columns: tuple[str, ...]) -> None:
        super().__init__(inner.code, inner.code)
        self.inner = inner
        self.columns = columns

    def memorize_passes_needed(self, state: dict[str, Any], env: EvalEnvironment) -> int:
        """How often patsy shows the rows before it evaluates."""
        return int(self.inner.memorize_passes_needed(state, env))

    def memorize_chunk(self, state: dict[str, Any], which_pass: int, rows: Rows) -> None:
        """Let stateful transforms see the rows."""
        with computing(repr(self.label)):
            self.inner.memorize_chunk(state, which_pass, rows)

    def memorize_finish(self, state: dict[str, Any], which_pass: int) -> None:
        """Let stateful transforms finish a pass."""
        with computing(repr(self.label)):
            self.inner.memorize_finish(state, which_pass)

    def eval(self, state: dict[str, Any], rows: Rows) -> Any:
        """Evaluate the factor, and show patsy what kind of thing it is."""
        self.source = Expression(self.inner, state, self.columns)
        try:
            self.value = read_value(self.source.evaluate(rows))
        except DataError as error:
            raise DataError(f"{self.label!r} {error}") from error
        check_names(self.label, self.value)
        return _shape_only(self.value)


class KnownFactor(FormulaFactor):
    """What a factor is, without its rows.

    Parameters
    ----------
    label, shown : str
        As of the factor.
    kind : tuple
        As `kind_of` gives it.
    """

    def __init__(self, label: str, shown: str, kind: tuple[Any, ...]) -> None:
        super().__init__(label, shown)
        self.kind = kind

    def memorize_passes_needed(self, state: dict[str, Any], env: EvalEnvironment) -> int:
        """How often patsy shows the rows before it evaluates."""
        return 0

    def eval(self, state: dict[str, Any], data: None) -> Any:
        """Evaluate the factor, and show patsy what kind of thing it is."""
        levels, width, dtype = self.kind
        if levels is None:
            return np.empty((0, width), dtype)
        return C((), None, tuple(level for _, level, _ in levels))


def kind_of(factor: FormulaFactor) -> tuple[Any, ...] | None:
    """Return all that patsy wants to know of a plain column, or None for other factors.

    Types and names of levels belong to it: 1, 1.0 and True are equal, and so are 0.0 and -0.0.
    """
    if not isinstance(factor, ColumnFactor):
        return None
    value = factor.value
    if not isinstance(value, Labels):
        return None, value.shape[1], value.dtype.str
    if value.contrast is not None or len(value.categories) > MOST_LEVELS:
        return None
    return tuple((type(level), level, str(level)) for level in value.categories), 1, ""


class LabelKind:
    """The levels of a column of labels, as a key whose hash is computed once.

    Parameters
    ----------
    levels : pandas.Index

    Attributes
    ----------
    shown : tuple of (type, object, str)
        Each level.
    """

    __slots__ = ("_hash", "dtype", "shown")

    def __init__(self, levels: pd.Index) -> None:
        self.dtype = levels.dtype
        self.shown = tuple([(type(level), level, str(level)) for level in levels])
        self._hash = hash((self.shown, self.dtype))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, LabelKind):
            return NotImplemented
        return self.shown == other.shown and bool(self.dtype == other.dtype)

    def index(self) -> pd.Index:
        """Return an index of the levels, without a name."""
        levels = [level for _, level, _ in self.shown]
        return pd.Index(levels, dtype=self.dtype, tupleize_cols=False)


# By the identity of the levels, which are kept and so have it alone: the levels of a column are
# mostly the object of the fit before.
_known: dict[int, tuple[pd.Index, LabelKind | None]] = {}


def label_kind(levels: pd.Index) -> LabelKind | None:
    """Return the kind of a column with these levels.

    None where they are many, or two of them look the same.
    """
    if len(levels) > MOST_LEVELS:
        return None
    found = _known.get(id(levels))
    if found is None:
        kind = LabelKind(levels)
        apart = len({text for _, _, text in kind.shown}) == len(kind.shown)
        if len(_known) >= KEPT_KINDS:
            _known.clear()
        found = _known[id(levels)] = (levels, kind if apart else None)
    return found[1]


def check_names(label: str, value: Numbers | Labels) -> None:
    """Refuse levels that would give two columns one name.

    Raises
    ------
    DataError
        If two levels look the same.
    """
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
