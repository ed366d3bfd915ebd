"""The lines that a fit gives to the levels of a grouping factor along one of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from .._typing import Array
from ..errors import DataError, OptionError

__all__ = ["LevelLines", "choose_column", "level_lines"]


# Lines go through the values that occur, if there are no more than these; else through a grid.
MOST_VALUES = 50
GRID = 50


@dataclass(frozen=True, eq=False)
class LevelLines:
    """Data and fitted lines of some levels.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The column, in all rows: numbers, or positions of its categories.
    categories : list of str or None
        What the positions stand for; None for a column of numbers.
    points : list of ndarray of int
        The rows of each level.
    at, level, population : list of ndarray
        For each level places along the column, the fitted means with the random effects of
        the level and without any.
    """

    x: Array
    categories: list[str] | None
    points: list[NDArray[np.intp]]
    at: list[Array]
    level: list[Array]
    population: list[Array]


def _used_columns(result: Any, block: int) -> list[str]:
    """Return the columns of the fixed part and of the random effects, without the factor's."""
    frame, part = result.model.frame, result.model.frame.random[block]
    effects = [term.effects for each in frame.random for term in each.terms]
    text = " ".join([frame.formula.fixed, *effects])
    known = [name for name in map(str, frame.table) if name not in part.factors]
    return [name for name in known if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def _columns_needed(result: Any, block: int) -> tuple[list[str], set[str]]:
    """Return the columns that predictions need, and those of which means make sense."""
    frame = result.model.frame
    factors = {factor for part in frame.random for factor in part.factors}
    own, used = frame.random[block].factors, set(_used_columns(result, block))
    names = [str(n) for n in frame.table if n in used or n in own or n not in factors]
    numbers = {name for name in names if _is_number(frame.table[name]) and name not in factors}
    fixed = frame.formula.fixed
    return names, {name for name in numbers if not _is_coded(name, fixed)}


def _is_coded(name: str, text: str) -> bool:
    """Return whether a column of numbers is one of categories in a formula: C(x), factor(x)."""
    return bool(
        re.search(rf"(?<!\w)(?:C|factor|as_factor)\(\s*(?:Q\([\"'])?{re.escape(name)}\b", text)
    )


def choose_column(result: Any, block: int, asked: str | None) -> str:
    """Return the column along which to draw lines: of those that vary within levels.

    The first that has random slopes is taken, else the first of numbers, else the first.

    Raises
    ------
    OptionError
        If there is none, or the one that is asked for is not in the model.
    DataError
        If the data were removed, or the model was made from arrays.
    """
    design, frame = result.kept_design(), result.model.frame
    if frame is None:
        raise DataError("fitted_lines() needs a model made from a formula: this one has arrays.")
    table, random = frame.table, design.blocks[block]
    used = _used_columns(result, block)
    if asked is not None:
        if asked not in used:
            raise OptionError(f"x={asked!r} is not among the columns {', '.join(used)}.")
        return asked
    refs = np.asarray(random.refs)
    varying = [name for name in used if _varies(table[name], refs)]
    if not varying:
        raise OptionError(
            f"no column of the model varies within levels of {random.name}: there are no lines "
            "to draw."
        )
    numbers = [name for name in varying if _is_number(table[name])]
    sloped = [name for name in numbers if any(name in effect for effect in random.names)]
    return [*sloped, *numbers, *varying][0]


def _varies(column: pd.Series, refs: NDArray[Any]) -> bool:
    """Return whether a column has several values within some level."""
    order = np.argsort(refs, kind="stable")
    codes, level = pd.factorize(column)[0][order], refs[order]
    return bool(np.any((codes[1:] != codes[:-1]) & (level[1:] == level[:-1])))


def _is_number(column: pd.Series) -> bool:
    return bool(is_numeric_dtype(column) and not is_bool_dtype(column))


def level_lines(result: Any, block: int, column: str, levels: NDArray[np.intp]) -> LevelLines:
    """Return the data and the fitted lines of levels of a grouping factor.

    Along the lines the other columns have the mean of the level, or its most frequent value.

    Parameters
    ----------
    result : MixedModelResults
    block : int
        Number of the grouping factor.
    column : str
        As `choose_column` gives it.
    levels : ndarray of int
        Numbers of the levels.
    """
    random, table = result.kept_design().blocks[block], result.model.frame.table
    values = table[column]
    categories = None
    if _is_number(values):
        x = values.to_numpy(dtype=float)
    else:
        codes, found = pd.factorize(values, sort=True)
        x, categories = codes.astype(float), found
    refs = np.asarray(random.refs)
    order = np.argsort(refs, kind="stable")
    bounds = np.searchsorted(refs[order], np.arange(len(random.levels) + 1))
    rows = [order[bounds[i] : bounds[i + 1]] for i in levels]
    places = _places(x, rows)
    numbers = np.repeat(np.arange(len(rows)), [len(each) for each in places])
    new = _typical(table, *_columns_needed(result, block), rows).iloc[numbers]
    new = new.reset_index(drop=True)
    along = np.concatenate(places)
    if categories is None:
        new[column] = along.astype(values.dtype) if len(np.unique(x)) <= MOST_VALUES else along
    else:
        new[column] = values.iloc[_first(x)].to_numpy()[along.astype(int)]
    known = _offset(result, len(new))
    cuts = np.cumsum([len(each) for each in places])[:-1]
    lines = [
        np.split(np.asarray(result.predict(new, re=re_, **known)), cuts)
        for re_ in (random.name, False)
    ]
    names = None if categories is None else [str(each) for each in categories]
    return LevelLines(x, names, rows, places, lines[0], lines[1])


def _places(x: Array, rows: list[NDArray[np.intp]]) -> list[Array]:
    """Return where to compute the line of each level."""
    if len(np.unique(x)) <= MOST_VALUES:
        return [np.unique(x[each]) for each in rows]
    return [np.linspace(x[each].min(), x[each].max(), GRID) for each in rows]


def _first(codes: Array) -> NDArray[np.intp]:
    """Return the first row of each category."""
    return np.unique(codes, return_index=True)[1]


def _typical(
    table: pd.DataFrame, names: list[str], averaged: set[str], rows: list[NDArray[np.intp]]
) -> pd.DataFrame:
    """Return a row for each group of rows: means of some columns, most frequent other values."""
    groups = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    taken = table[names].iloc[np.concatenate(rows)]
    whole = {}
    for name in names:
        values = taken[name]
        if name in averaged:
            sums = np.bincount(groups, values.to_numpy(dtype=float), len(rows))
            whole[name] = pd.Series(sums / np.bincount(groups, minlength=len(rows)))
            continue
        codes = pd.factorize(values)[0]
        # The last of each group in the order of how often its pairs occur.
        pairs, first, counts = np.unique(
            np.column_stack([groups, codes]), axis=0, return_index=True, return_counts=True
        )
        order = np.lexsort([counts, pairs[:, 0]])
        last = np.append(np.diff(pairs[order, 0]) > 0, True)
        whole[name] = values.iloc[first[order][last]].reset_index(drop=True)
    return pd.DataFrame(whole)


def _offset(result: Any, count: int) -> dict[str, Any]:
    """Return the offset of the lines where that of the model was an array: its mean."""
    sources = result.model.sources
    known = [sources.offset, sources.exposure]
    if all(source.column is not None for source in known if source.needed):
        return {}
    mean = float(np.mean(result.kept_design().offset))
    given: dict[str, Any] = {"offset": np.full(count, mean)}
    if sources.exposure.needed:
        given["exposure"] = np.ones(count)
    return given
