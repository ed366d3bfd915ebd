"""Terms + table -> `ModelFrame`; and the matrices of a frame for new data."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula
from numpy.typing import NDArray
from patsy.eval import EvalEnvironment

from ..errors import DataError, FormulaError, OptionError
from ..formula.terms import Intercept, MixedFormula, RandomTerm
from .coding import CodedMatrix, Matrix
from .engine import learn, read_contrasts
from .engine_formulaic import learn as learn_formulaic
from .expressions import expressions, total
from .expressions import learn as learn_expressions
from .factors import Rows
from .functions import FUNCTIONS, check_safe
from .grouping import Refs, cross, factorize, find_levels
from .model_frame import ModelFrame, RandomPart
from .parts import Side, codes
from .selection import select
from .table import (
    Table,
    Values,
    is_text,
    missing_rows,
    open_table,
    read_columns,
    take,
    tidy,
    unknown_columns,
)

__all__ = [
    "ModelFrame",
    "RandomPart",
    "build_frame",
    "computed_values",
    "fixed_matrix",
    "known_levels",
    "own_levels",
    "random_columns",
    "random_matrix",
]

Array = NDArray[np.float64]
Learner = Callable[[Sequence[Side], Rows, Mapping[str, Any], EvalEnvironment], tuple[Matrix, ...]]

_ENGINES: dict[str, Learner] = {"patsy": learn, "formulaic": learn_formulaic}


def build_frame(
    formula: MixedFormula,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    subset: Any = None,
    missing: str = "drop",
    engine: str | None = None,
    env: EvalEnvironment | Mapping[str, Any] | None = None,
    safe: bool = False,
) -> ModelFrame:
    """Match a formula with a table.

    Parameters
    ----------
    formula : MixedFormula
        The model.
    data : DataFrame, pyarrow.Table, mapping of str to array_like, or structured array
        The table; only the columns the model needs are read.
    weights, offset, exposure : str or array_like, optional
        A column, or one number for each row of `data`. The logarithm of the exposure is
        added to the offset.
    contrasts : mapping, optional
        Coding of columns in all effects; see `engine.read_contrasts`.
    subset : str, callable or array_like, optional
        The rows to use; see `columns.subset_rows`.
    missing : {"drop", "raise", "none"}
        What to do with rows where a needed column, the weights, the offset or the
        exposure are missing. ``"none"`` drops none and looks at the matrices only: NaN there,
        in the weights, the offset or the exposure is an error.
    engine : {"patsy", "formulaic"}, optional
        Formula engine; by default the one statsmodels is set to.
    env : patsy.EvalEnvironment or mapping, optional
        Where names are looked up that are not columns, and not functions of `FUNCTIONS`.
    safe : bool
        Allow columns and the functions that `check_safe` knows, and no other code.

    Raises
    ------
    DataError
        For unknown columns (all listed), missing values that may not be dropped, no rows
        left, weights that are negative, zero or not finite, terms that cannot be computed.
    OptionError
        For an option that does not exist or does not apply.
    """
    if missing not in ("drop", "raise", "none"):
        raise OptionError(f"missing= is 'drop', 'raise' or 'none', not {missing!r}")
    engine = engine or str(statsmodels.formula.options.formula_engine)
    if engine not in _ENGINES:
        raise OptionError(f"engine= is {' or '.join(map(repr, _ENGINES))}, not {engine!r}")
    names = env if isinstance(env, EvalEnvironment) else EvalEnvironment([env or {}])
    table = open_table(data)
    response, fixed, effects = _sides(formula)
    sides = (response, fixed, *effects)
    given = {"weights": weights, "offset": offset, "exposure": exposure}
    computed = expressions(formula, given, table.names)
    given = {option: None if option in computed else each for option, each in given.items()}
    if safe:
        check_safe([*sides, *computed.values()], table.names, subset)
    extra = [name for name in given.values() if isinstance(name, str)]
    needed = _needed_columns(formula, [*sides, *computed.values()], extra, table.names, names)
    names = names.with_outer_namespace(FUNCTIONS)
    coding = _read_contrasts(contrasts, sides, needed)
    used = select(
        table,
        needed,
        **given,
        subset=subset,
        missing=missing,
    )
    rows = Rows(used.columns, used.index)
    left, right, *matrices = _ENGINES[engine](sides, rows, coding, names)
    known, values = learn_expressions(computed, rows, names)
    y, levels = _response(left, rows)
    return ModelFrame(
        formula=formula,
        engine=engine,
        rows=rows,
        n_dropped=used.n_dropped,
        y=y,
        response_name=formula.response_name,
        response_levels=levels,
        fixed=right,
        random=_random_parts(formula.random, matrices, rows),
        weights=values.get("weights", used.weights),
        offset=total(used.offset, values),
        missing=missing,
        known=known,
    )


def _sides(formula: MixedFormula) -> tuple[Side, Side, list[Side]]:
    """Bar-free parts of a formula: the response, the fixed part, each term's effects."""
    effects = []
    for term in formula.random:
        lead = "0" if term.intercept is Intercept.OMITTED else "1"
        text = f"{lead} + {term.effects}" if term.effects else lead
        effects.append(Side(text, implied=term.intercept is Intercept.ELSEWHERE))
    return Side(formula.response, response=True), Side(formula.fixed), effects


def _needed_columns(
    formula: MixedFormula,
    sides: Sequence[Side],
    extra: Sequence[str],
    known: Collection[str],
    env: EvalEnvironment,
) -> list[str]:
    """Columns a model needs; a name that is no column must be known to the environment."""
    outside = env.namespace
    needed: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for code in (code for side in sides for code in codes(side)):
        for name in code.names:
            if name in known:
                needed[name] = None
            elif name not in outside and not hasattr(builtins, name):
                unknown[name] = None
        needed.update((name, None) for name in code.modules if name in known)
    for name in (*(name for term in formula.random for name in term.grouping.factors), *extra):
        (needed if name in known else unknown)[name] = None
    if unknown:
        raise unknown_columns(unknown, known)
    return list(needed)


def _read_contrasts(
    contrasts: Mapping[str, Any] | None, sides: Sequence[Side], needed: Collection[str]
) -> dict[str, Any]:
    if contrasts is None or (isinstance(contrasts, Mapping) and not contrasts):
        return {}
    effects = (side for side in sides if not side.response)
    factors = {code.column for side in effects for code in codes(side)} - {""}
    return read_contrasts(contrasts, factors, needed)


def _response(matrix: Matrix, rows: Rows) -> tuple[Array, tuple[Any, ...] | None]:
    """Values of the left side; the codes and the levels of labels."""
    if isinstance(matrix, CodedMatrix) and len(matrix.factors) == 1:
        factor = matrix.factors[0]
        if factor.categories is not None:
            return rows.value_of(factor).astype(np.float64), tuple(factor.categories)
    y = np.empty((len(rows.index), len(matrix.names)))
    matrix.fill(rows, y)
    return (y[:, 0] if y.shape[1] == 1 else y), None


def _random_parts(
    terms: Sequence[RandomTerm], matrices: Sequence[Matrix], rows: Rows
) -> tuple[RandomPart, ...]:
    """Amalgamate terms with one grouping factor; most random effects first."""
    gathered: dict[str, list[tuple[RandomTerm, Matrix]]] = {}
    for term, matrix in zip(terms, matrices, strict=True):
        if not matrix.names:
            raise FormulaError(f"the random-effects term {term} has no columns")
        gathered.setdefault(term.grouping.name, []).append((term, matrix))
    parts = []
    for name, pairs in gathered.items():
        factors = pairs[0][0].grouping.factors
        refs, levels = _group(factors, rows)
        members, made = zip(*pairs, strict=True)
        parts.append(RandomPart(name, factors, members, made, refs, levels))
    return tuple(sorted(parts, key=lambda part: -len(part.names) * len(part.levels)))


def _group(factors: Sequence[str], rows: Rows) -> tuple[Refs, pd.Index]:
    codes, levels = [], []
    for name in factors:
        refs, labels = rows.factorized(name)
        if refs.min() < 0:
            raise DataError(f"the grouping factor {name!r} has missing values")
        codes.append(refs)
        levels.append(labels.rename(name))
    return (codes[0], levels[0]) if len(factors) == 1 else cross(codes, levels)


def fixed_matrix(frame: ModelFrame, newdata: Any) -> Array:
    """Build the fixed-effects matrix of new data.

    Parameters
    ----------
    frame : ModelFrame
        The model; categories, contrasts and the memory of stateful transforms are its.
    newdata : DataFrame, pyarrow.Table, mapping, or structured array
        A table with the columns of the fixed part.

    Returns
    -------
    ndarray, shape (m, p)
        Rows in which a needed column is missing are NaN.

    Raises
    ------
    DataError
        For unknown columns, a level the model has not seen, labels in place of numbers.
    """
    table = open_table(newdata)
    columns = read_columns(table, frame.fixed.columns)
    return _build([frame.fixed], columns, table.index)


def computed_values(frame: ModelFrame, option: str, newdata: Any) -> Array:
    """Compute weights, offset, exposure or ``offset(...)`` of new data, shape (m,)."""
    table, matrix = open_table(newdata), frame.known[option]
    built = _build([matrix], read_columns(table, matrix.columns), table.index)
    return np.asarray(built.sum(axis=1))


def random_matrix(frame: ModelFrame, block_index: int, newdata: Any) -> tuple[Array, Refs]:
    """Build the random-effects matrix of one grouping factor for new data.

    Parameters
    ----------
    frame : ModelFrame
        The model.
    block_index : int
        Position of the grouping factor in `frame.random`, which is the order of the
        blocks of the design.
    newdata : DataFrame, pyarrow.Table, mapping, or structured array
        A table with the columns of the effects and of the grouping factor.

    Returns
    -------
    z : ndarray, shape (m, k)
        Rows in which a needed column is missing are NaN.
    refs : ndarray of int32, shape (m,)
        Level of every row, -1 for a missing value or a level the model has not seen.

    Raises
    ------
    DataError
        As `fixed_matrix`; also if a grouping factor of numbers is now text or the
        reverse, where every level would look new.
    """
    part = frame.random[block_index]
    table = open_table(newdata)
    effects = (name for matrix in part.matrices for name in matrix.columns)
    read_columns(table, [*effects, *part.factors])  # so that one error lists all it lacks
    return random_columns(frame, block_index, newdata), known_levels(frame, block_index, newdata)


def known_levels(frame: ModelFrame, block_index: int, newdata: Any) -> Refs:
    """Look up the levels of one grouping factor; see `random_matrix`."""
    part = frame.random[block_index]
    return find_levels(_grouping_values(part, open_table(newdata)), part.levels)


def random_columns(
    frame: ModelFrame,
    block_index: int,
    newdata: Any,
    wanted: NDArray[np.bool_] | None = None,
) -> Array:
    """Build the columns of the effects of one grouping factor for new data.

    Parameters
    ----------
    frame, block_index, newdata
        As for `random_matrix`; the columns of the grouping factor are not needed.
    wanted : ndarray of bool, shape (k,), optional
        Columns to build; the others are zero and their data are not needed.

    Returns
    -------
    ndarray, shape (m, k)
        Wanted columns are NaN in rows in which a column of the data is missing.
    """
    part = frame.random[block_index]
    table = open_table(newdata)
    wanted = np.ones(len(part.names), dtype=bool) if wanted is None else wanted
    matrices: list[Matrix] = []
    positions, start = [np.empty(0, dtype=np.intp)], 0
    for matrix in part.matrices:
        stop = start + len(matrix.names)
        where = np.arange(start, stop)
        if wanted[start:stop].any():
            if isinstance(matrix, CodedMatrix):
                matrix, inner = matrix.keeping(wanted[start:stop])
                where = where[inner]
            matrices.append(matrix)
            positions.append(where)
        start = stop
    names = dict.fromkeys(name for matrix in matrices for name in matrix.columns)
    z = np.zeros((table.n_rows, len(part.names)))
    z[:, np.concatenate(positions)] = _build(
        matrices, read_columns(table, list(names)), table.index
    )
    z[:, ~wanted] = 0.0
    return z


def own_levels(frame: ModelFrame, block_index: int, newdata: Any) -> tuple[Refs, pd.Index]:
    """Find the levels that one grouping factor has in new data, whether the model has them.

    Returns
    -------
    codes : ndarray of int32, shape (m,)
        Level of every row, -1 where the grouping factor is missing.
    levels : pandas.Index
    """
    part = frame.random[block_index]
    values = _grouping_values(part, open_table(newdata))
    found = [factorize(each) for each in values]
    if len(found) == 1:
        return found[0]
    complete = np.logical_and.reduce([codes >= 0 for codes, _ in found])
    codes = np.full(len(complete), -1, dtype=np.int32)
    named = [index.rename(name) for (_, index), name in zip(found, part.factors, strict=True)]
    codes[complete], levels = cross([each[complete] for each, _ in found], named)
    return codes, levels


def _grouping_values(part: RandomPart, table: Table) -> list[Values]:
    """Columns of a grouping factor, of the type they have in the data of the model."""
    columns = read_columns(table, part.factors)
    values = [tidy(columns[name]) for name in part.factors]
    labels = part.levels.levels if isinstance(part.levels, pd.MultiIndex) else [part.levels]
    for name, new, known in zip(part.factors, values, labels, strict=True):
        if is_text(new) != is_text(known) and not pd.isna(new).all():
            raise DataError(
                f"the grouping factor {name!r} holds {'text' if is_text(new) else 'no text'}, "
                "unlike in the data of the model: no level would be found again"
            )
    return values


def _build(matrices: Sequence[Matrix], columns: Mapping[str, pd.Series], index: pd.Index) -> Array:
    """Matrices side by side; rows in which a column is missing become NaN."""
    masks = [mask for mask in map(missing_rows, columns.values()) if mask is not None]
    keep = ~np.logical_or.reduce(masks) if masks else None
    part = index if keep is None else index[keep]
    rows = Rows({name: tidy(take(series, keep)) for name, series in columns.items()}, part)
    matrix = np.empty((len(part), sum(len(each.names) for each in matrices)))
    start = 0
    for each in matrices:
        each.fill(rows, matrix[:, start : start + len(each.names)])
        start += len(each.names)
    if keep is None:
        return matrix
    whole = np.full((len(index), matrix.shape[1]), np.nan)
    whole[keep] = matrix
    return whole
