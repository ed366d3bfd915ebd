"""Conditional modes as plots need them: those that are asked for, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError
from ..results.base import unwrap

__all__ = [
    "Modes",
    "choose_blocks",
    "choose_levels",
    "choose_names",
    "level_label",
    "level_labels",
    "modes_of",
    "normal_quantile",
]


@dataclass(frozen=True, eq=False)
class Modes:
    """Conditional modes of some levels of a grouping factor.

    Parameters
    ----------
    group : str
        The grouping factor.
    block : int
        Its number among the random blocks of the fit.
    levels : Index, shape (l,)
    labels : list of str
        The levels as text.
    at : ndarray of int, shape (l,)
        Their numbers among all levels.
    terms : tuple of str
        Names of the effects chosen.
    columns : ndarray of int, shape (k,)
        Their numbers among all effects of the block.
    value, half : ndarray, shape (l, k)
        Modes, and half the lengths of their intervals.
    """

    group: str
    block: int
    levels: pd.Index
    labels: list[str]
    at: NDArray[np.intp]
    terms: tuple[str, ...]
    columns: NDArray[np.intp]
    value: Array
    half: Array

    def ordered(self, by: str | None) -> NDArray[np.intp]:
        """Return the levels in the order of an effect, ascending; as they are without one.

        Raises
        ------
        OptionError
            If there is no such effect.
        """
        if by is None:
            return np.arange(len(self.levels))[::-1]  # the first on top
        return np.argsort(self.value[:, choose_names([by], self.terms, "order=")[0]])


def normal_quantile(level: float) -> float:
    """Return how many standard errors an interval of a level has on either side.

    Raises
    ------
    OptionError
        If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise OptionError(f"level= is between 0 and 1, not {level!r}.")
    return float(norm.isf((1.0 - level) / 2.0))


def choose_names(
    asked: str | Sequence[str] | None, present: Sequence[str], option: str
) -> NDArray[np.intp]:
    """Return the numbers of the names that are asked for; of all by default.

    Raises
    ------
    OptionError
        If a name is not among those present.
    """
    if asked is None:
        return np.arange(len(present))
    names = [asked] if isinstance(asked, str) else list(asked)
    unknown = [name for name in names if name not in present]
    if unknown or not names:
        what = repr(unknown[0]) if unknown else "nothing"
        raise OptionError(f"{option} {what} is not among {', '.join(map(str, present))}.")
    return np.array([list(present).index(name) for name in names], dtype=np.intp)


def choose_blocks(result: Any, groups: str | Sequence[str] | None) -> list[int]:
    """Return the numbers of the grouping factors that are asked for.

    Raises
    ------
    OptionError
        If a factor is not in the model.
    """
    names = [block.name for block in unwrap(result, correlated=True, parts="mean").layout.blocks]
    if not names:
        raise OptionError("this fit has no random effects to draw.")
    asked = groups if groups is None or isinstance(groups, str) else list(groups)
    return [int(i) for i in choose_names(asked, names, "groups=")]


def level_label(level: Any) -> str:
    """Return a level as text; the parts of a level of an interaction joined by ``&``."""
    return " & ".join(map(str, level)) if isinstance(level, tuple) else str(level)


def level_labels(levels: pd.Index) -> list[str]:
    """Return levels as text."""
    return [level_label(level) for level in levels]


def choose_levels(levels: pd.Index, asked: Any, spread: Array | None = None) -> NDArray[np.intp]:
    """Return the numbers of the levels that are asked for.

    Parameters
    ----------
    levels : Index
        All there are.
    asked : None, int or sequence
        All, this many of them, or these. A number takes levels evenly spread over the order
        of `spread`, the first and the last among them.
    spread : ndarray, shape (l,), optional

    Raises
    ------
    OptionError
        If a level is not in the model, or the number is below one.
    """
    count = len(levels)
    if asked is None:
        return np.arange(count)
    if isinstance(asked, int | np.integer) and not isinstance(asked, bool):
        if asked < 1:
            raise OptionError(f"levels={asked} is not possible: show at least one.")
        order = np.arange(count) if spread is None else np.argsort(spread, kind="stable")
        places = np.linspace(0, count - 1, min(int(asked), count)).round().astype(np.intp)
        return np.asarray(np.sort(order[places]))
    if isinstance(asked, str) or getattr(asked, "ndim", 1) == 0 or not hasattr(asked, "__iter__"):
        asked = [asked]
    labels = level_labels(levels)
    known: dict[Any, int] = {label: i for i, label in enumerate(labels)}
    known.update((level, i) for i, level in enumerate(levels))
    chosen = []
    for level in asked:
        try:
            at = known.get(level, known.get(level_label(level)))
        except TypeError:  # what cannot be hashed is no level
            at = None
        if at is None:
            shown = ", ".join(labels[:5]) + (", ..." if count > 5 else "")
            raise OptionError(f"levels= {level!r} is no level of the fit ({shown}).")
        chosen.append(at)
    if not chosen:
        raise OptionError("levels= is empty: name the levels to show, or leave it out.")
    return np.array(chosen, dtype=np.intp)


def modes_of(
    result: Any,
    *,
    groups: str | Sequence[str] | None = None,
    terms: str | Sequence[str] | None = None,
    levels: Any = None,
    level: float | None = None,
) -> list[Modes]:
    """Return the conditional modes of a fit, for each grouping factor.

    Parameters
    ----------
    result : MixedModelResults
    groups, terms, levels
        What to take, all by default. With several grouping factors `terms` are taken where
        they are, and `levels` has to be None or a number.
    level : float, optional
        Of the intervals; without it, they are NaN.

    Raises
    ------
    OptionError
        If nothing of a name is in the model.
    DataError
        If intervals need the data of the fit and they were removed.
    """
    result = unwrap(result, correlated=True, parts="mean")
    chosen = choose_blocks(result, groups)
    quantile = None if level is None else normal_quantile(level)
    layouts = result.layout.blocks
    if terms is not None:
        asked = [terms] if isinstance(terms, str) else list(terms)
        present = list(dict.fromkeys(name for i in chosen for name in layouts[i].effects))
        choose_names(asked, present, "terms=")
        chosen = [i for i in chosen if set(asked) & set(layouts[i].effects)]
    if len(chosen) > 1 and not (levels is None or isinstance(levels, int)):
        names = ", ".join(layouts[i].name for i in chosen)
        raise OptionError(f"levels= names levels of one grouping factor: add groups= ({names}).")
    tables = result.ranef()
    variances = None if quantile is None else result.condvar()
    found = []
    for i in chosen:
        block = layouts[i]
        wanted = block.effects
        if terms is not None:
            wanted = tuple(name for name in asked if name in block.effects)
        columns = choose_names(wanted, block.effects, "terms=")
        value = tables[block.name].to_numpy()[:, columns]
        half = np.full_like(value, np.nan)
        if variances is not None and quantile is not None:
            square = np.einsum("lkk->lk", variances[block.name])[:, columns]
            half = quantile * np.sqrt(np.maximum(square, 0.0))
        at = choose_levels(block.labels, levels, value[:, 0])
        shown = block.labels[at]
        parts = level_labels(shown), at, wanted, columns, value[at], half[at]
        found.append(Modes(block.name, i, shown, *parts))
    return found
