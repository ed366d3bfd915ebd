"""The factors of a formula, columns and expressions, and rows of data to evaluate them on."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from patsy import PatsyError
from patsy.categorical import C
from patsy.eval import EvalEnvironment, EvalFactor

from ...errors import DataError, MixedModelError, told
from ..table.alignment import align_values
from ..table.columns import Values, is_number, widened
from ..table.grouping import Refs, factorize
from .factor_values import Labels, Numbers, is_box, read_value

__all__ = [
    "CodedFactor",
    "Expression",
    "PlainColumn",
    "Rows",
    "computing",
    "freeze",
    "thaw",
]


@contextmanager
def computing(what: str) -> Iterator[None]:
    """Turn any error of the code of a formula into a DataError, which names the code."""
    try:
        yield
    except MixedModelError as error:
        raise DataError(f"{what} cannot be computed: {error}".lstrip()) from error
    except PatsyError as error:
        said = error.message.rstrip(".")
        raise DataError(f"{what} cannot be computed: {said}.".lstrip()) from error
    except Exception as error:  # the code raises what its author likes
        said = f"{type(error).__name__}: {told(error)}"
        raise DataError(f"{what} cannot be computed: {said}".lstrip()) from error


@dataclass(frozen=True)
class PlainColumn:
    """A factor that is simply a column.

    Parameters
    ----------
    name : str
        The column.
    """

    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of data it needs."""
        return (self.name,)

    def evaluate(self, rows: Rows) -> Any:
        """Return the values of the column."""
        return rows.columns[self.name]


class Expression:
    """A factor that is computed by Python code, with the memory it acquired.

    Parameters
    ----------
    factor : patsy.eval.EvalFactor
        The code.
    state : dict
        What patsy memorized: the names the code uses and its stateful transforms.
    columns : tuple of str
        The columns of data it needs.

    Notes
    -----
    Patsy's own objects refuse to be pickled. This one can be: modules are saved by
    name, transforms by their attributes, and a function that cannot be saved is
    replaced by a placeholder that says so when it is called.
    """

    def __init__(self, factor: EvalFactor, state: dict[str, Any], columns: tuple[str, ...]) -> None:
        self.factor = factor
        self.state = state
        self.columns = columns

    def evaluate(self, rows: Rows) -> Any:
        """Run the code on some rows, unless they bring what it gave before rows were dropped.

        What it gives as a Series or data frame is joined to the rows by its labels: code may name
        variables besides columns.
        """
        code = self.factor.code
        if code in rows.evaluated:
            return rows.evaluated[code]
        with computing(""):
            value = self.factor.eval(self.state, rows)
            if is_box(value):
                return C(align_values(value.data, rows.index, code), value.contrast, value.levels)
            return align_values(value, rows.index, code)

    @property
    def remembers(self) -> bool:
        """Whether something was learned from the rows, as by `center`."""
        return bool(self.state["transforms"])

    def __getstate__(self) -> dict[str, Any]:
        """Take apart what patsy refuses to pickle."""
        code = self.state["eval_code"]
        namespace = self.state["eval_env"].namespace
        names = set(compile(code, "<formula>", "eval").co_names)
        return {
            "code": self.factor.code,
            "columns": self.columns,
            "eval_code": code,
            "flags": self.state["eval_env"].flags,
            "names": {name: freeze(namespace[name]) for name in names if name in namespace},
            "transforms": {
                name: (type(transform), vars(transform))
                for name, transform in self.state["transforms"].items()
            },
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Put it together again."""
        transforms = {}
        for name, (kind, attributes) in saved["transforms"].items():
            transforms[name] = kind.__new__(kind)
            vars(transforms[name]).update(attributes)
        names = {name: thaw(name, frozen) for name, frozen in saved["names"].items()}
        self.factor = EvalFactor(saved["code"])
        self.columns = saved["columns"]
        self.state = {
            "eval_code": saved["eval_code"],
            "eval_env": EvalEnvironment([names], saved["flags"]),
            "transforms": transforms,
        }


def freeze(value: Any) -> tuple[str, Any]:
    """Turn an object that code refers to into something that can surely be pickled."""
    if isinstance(value, ModuleType):
        return "module", value.__name__
    try:
        return "pickle", pickle.dumps(value)
    except Exception:  # Pickle raises any error that the object's own code raises
        return "lost", None


def thaw(name: str, frozen: tuple[str, Any]) -> Any:
    """Undo `freeze`; what was lost becomes a function that raises DataError."""
    kind, content = frozen
    if kind == "module":
        return __import__(content, fromlist=["_"])
    if kind == "pickle":
        return pickle.loads(content)

    def lost(*args: Any, **kwargs: Any) -> Any:
        raise DataError(f"{name!r} could not be saved with the model: define it in a module.")

    return lost


@dataclass(frozen=True, eq=False)
class CodedFactor:
    """A factor and what it was found to be.

    Parameters
    ----------
    label : str
        Its name in the formula.
    source : Column or Expression
        Where its values come from.
    categories : pandas.Index or None
        Its levels; None for numbers.
    width : int
        For numbers, how many columns (a spline basis has several).
    """

    label: str
    source: PlainColumn | Expression
    categories: pd.Index | None
    width: int


class Rows(Mapping[str, pd.Series]):
    """Rows of data on which factors are evaluated, each once.

    As a mapping it shows the columns to formula code as pandas series, which is what
    a function written for data frames expects.

    Parameters
    ----------
    columns : mapping of str to ndarray or ExtensionArray, shape (n,)
        Tidy columns.
    index : pandas.Index, shape (n,)
        The user's labels of the rows.
    evaluated : mapping of str to ndarray or Labels, shape (n, ...)
        Values of expressions, by their code, that were computed with other rows at hand:
        those of ``x.shift(1)`` before the first row was dropped for lack of one.
    """

    def __init__(
        self,
        columns: Mapping[str, Values],
        index: pd.Index,
        evaluated: Mapping[str, Numbers | Labels] | None = None,
    ) -> None:
        self.columns = columns
        self.index = index
        self.evaluated = evaluated or {}
        self._series: dict[str, pd.Series] = {}
        self._labels: dict[str, tuple[Refs, pd.Index]] = {}
        self._values: dict[CodedFactor, Numbers] = {}

    def __getitem__(self, name: str) -> pd.Series:
        """Return a column as a series, of numbers with which code can count."""
        if name not in self._series:
            values = widened(self.columns[name])
            self._series[name] = pd.Series(values, index=self.index, copy=False)
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        """Run through the names of the columns."""
        return iter(self.columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.columns)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return {"columns": self.columns, "index": self.index, "evaluated": self.evaluated}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Start with nothing computed."""
        vars(self).update(vars(Rows(saved["columns"], saved["index"], saved.get("evaluated"))))

    def forget(self) -> None:
        """Drop what has been computed; it is computed again when needed."""
        self._series.clear()
        self._labels.clear()
        self._values.clear()

    def factorized(self, name: str) -> tuple[Refs, pd.Index]:
        """Codes and levels of a column; see `grouping.factorize`."""
        if name not in self._labels:
            try:
                self._labels[name] = factorize(self.columns[name])
            except DataError as error:
                raise DataError(f"{name!r} {error}") from error
        return self._labels[name]

    def value_of(self, factor: CodedFactor) -> Numbers:
        """Numbers (n, width) of a numeric factor, codes (n,) of a categorical one.

        Raises
        ------
        DataError
            If the values are not what the factor was found to be when the model was
            made, or a category is new.
        """
        if factor not in self._values:
            source = factor.source
            value: Numbers | Labels
            if factor.categories is not None and isinstance(source, PlainColumn):
                value = Labels(*self.factorized(source.name))
            elif source.__class__ is PlainColumn and is_number(self.columns[source.name]):
                value = self.columns[source.name].reshape(-1, 1)
            else:
                try:
                    value = read_value(source.evaluate(self))
                except DataError as error:
                    raise DataError(f"{factor.label!r} {error}") from error
            self.remember(factor, value)
        return self._values[factor]

    def remember_codes(self, factor: CodedFactor, codes: Refs) -> None:
        """Keep the codes, (n,), of labels whose levels are the categories of the factor."""
        self._values[factor] = codes

    def remember(
        self, factor: CodedFactor, value: Numbers | Labels, with_missing: bool = False
    ) -> None:
        """Check a value of a factor against what it was found to be, and keep it.

        Labels may be missing (code -1) if `with_missing`.
        """
        label, n_rows = factor.label, len(self.index)
        width = 1
        if factor.categories is None:
            if isinstance(value, Labels):
                raise DataError(f"{label!r} must hold numbers, as in the data of the model.")
            values, width = value, value.shape[1]
        else:
            if not isinstance(value, Labels):
                raise DataError(f"{label!r} must hold labels, as in the data of the model.")
            values = _recode(value, factor.categories, label, with_missing)
        if len(values) != n_rows:
            raise DataError(f"{label!r} gives {len(values)} values for {n_rows} rows.")
        if width != factor.width:
            raise DataError(f"{label!r} gives {width} columns instead of {factor.width}.")
        self._values[factor] = values


def _recode(value: Labels, categories: pd.Index, label: str, with_missing: bool) -> Refs:
    if not with_missing and value.codes.min(initial=0) < 0:
        raise DataError(f"{label!r} has missing values.")
    if value.levels is categories:
        return value.codes
    place = categories.get_indexer(value.levels)
    if (place < 0).any():
        unseen = ", ".join(repr(level) for level in value.levels[place < 0][:3])
        known = ", ".join(repr(level) for level in categories[:6])
        more = ", ..." if len(categories) > 6 else ""
        raise DataError(f"{label!r} has the level {unseen}, not among the model's ({known}{more}).")
    recoded: Refs = np.append(place, -1).astype(np.int32)[value.codes]
    return recoded
