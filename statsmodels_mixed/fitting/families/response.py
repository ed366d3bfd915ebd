"""The response a family needs, made of the response the formula gives.

A binomial response may be 0 or 1, two labels (the second is success), a proportion with
the numbers of trials as weights, or two columns, successes and failures. The numerics
know one form: proportions y and trials m. Other families take the response as it is.

Here a response is refused for which the likelihood is not defined or has no maximum.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import DataError
from ...frame.design import Design
from ...frame.design_checks import check_numeric_response, check_varying_response
from ...frame.table.table import name_rows
from .range_of_powers import refuse_beyond_powers
from .spec import FamilySpec

__all__ = ["prepare_response", "refuse_certain"]


# A number of successes this far from a whole number is not one that was rounded.
WHOLE = 1e-3
# Doubles hold every whole number up to this one.
LARGEST_COUNT = 2.0**53
# Counts that may vary less than Poisson ones, down to none.
_NARROWER = ("generalized_poisson", "conway_maxwell_poisson")


def prepare_response(
    design: Design, spec: FamilySpec, rows: pd.Index | None = None, *, is_part: bool = False
) -> tuple[Design, tuple[str, ...]]:
    """Check the response against the family and give it the form the numerics know.

    Parameters
    ----------
    design : Design
        With the response as the formula gives it.
    spec : FamilySpec
        The family.
    rows : Index, shape (n,), optional
        Labels of the rows, for messages.
    is_part : bool
        Whether there are other rows: nothing is refused then that concerns all of them.

    Returns
    -------
    design : Design
        For a binomial response with proportions in `y` and numbers of trials in `weights`
        (None when every row is one trial); otherwise unchanged.
    notes : tuple of str
        What is odd about the response, though it can be modelled: counts that are not whole.

    Raises
    ------
    DataError
        If a value is outside the range of the family, trials are missing or given twice,
        or every row has the same outcome. The message names the first rows.
    """
    rows = pd.RangeIndex(len(design.y)) if rows is None else rows
    if spec.support == "trials":
        return _binomial(design, rows, is_part)
    if spec.support == "categories":
        return _categories(design)
    check_numeric_response(design, f"the family {spec.family}")
    y, name = design.y, design.response_name
    if spec.zeros and spec.support not in ("counts", "positive counts"):
        rows = rows[y != 0]
        y = y[y != 0]
    if spec.support in ("counts", "positive counts"):
        what = 'counts are 0, 1, 2, ...; the families "gaussian" and "student_t" have all numbers'
        _refuse(y < 0, name, "is negative", what, rows)
        what = 'give it in larger units; "gamma" and "lognormal" have all positive numbers'
        _refuse(y > LARGEST_COUNT, name, "is beyond what can be counted, 2^53,", what, rows)
        if not y.any() and not is_part:
            raise DataError(f"the response {name!r} is 0 in every row: its mean is not estimable.")
        if spec.support == "positive counts" and not spec.zeros:
            what = "for a model of the zeros take hurdle= with the family that is not truncated"
            _refuse(y == 0, name, "is 0", what, rows)
        if spec.family in _NARROWER and not is_part:
            check_varying_response(replace(design, y=y))  # the likelihood has no bound
        return design, _not_whole(y, f"The response {name}", rows)
    _check_range(spec, y, name, rows)
    if not is_part:
        check_varying_response(replace(design, y=y))
        refuse_beyond_powers(y, name, spec)
    return design, ()


def _binomial(design: Design, rows: pd.Index, is_part: bool) -> tuple[Design, tuple[str, ...]]:
    """Return proportions and trials; of a part of the rows trials even where all are one."""
    y, name, weights = design.y, design.response_name, design.weights
    notes: tuple[str, ...] = ()
    if y.ndim == 2:
        y, weights = _two_columns(design, rows)
        notes = _not_whole(design.y.T, f"The response {name}", rows)
    else:
        if design.response_levels is not None:
            _check_two(design.response_levels, name)
        _check_proportions(y, weights, name, rows)
        if weights is not None:
            notes = _not_whole(weights, "The number of trials, weights=,", rows)
            notes = notes or _not_whole(y * weights, f"{name} times the number of trials", rows)
    if is_part:
        return replace(design, y=y, weights=weights), notes
    refuse_certain(y, name)
    if weights is not None and (weights == 1).all():
        weights = None
    return replace(design, y=y, weights=weights), notes


def refuse_certain(y: Array, name: str) -> None:
    """Refuse proportions that are all 0 or all 1.

    Raises
    ------
    DataError
        If they are.
    """
    for outcome, certain in ((0, not y.any()), (1, bool((y == 1).all()))):
        if certain:
            raise DataError(
                f"the response {name!r} is {outcome} in every row: its probability has no "
                "finite estimate on the scale of the link."
            )


def _two_columns(design: Design, rows: pd.Index) -> tuple[Array, Array]:
    """Return proportions and trials of a response of successes and failures."""
    y, name = design.y, design.response_name
    if y.shape[1] != 2:
        raise DataError(
            f"the response {name!r} has {y.shape[1]} columns; a binomial response has one, or "
            "two: successes + failures."
        )
    if design.weights is not None:
        raise DataError(
            f"the response {name!r} has two columns, which hold the trials: leave weights= out."
        )
    _refuse(y.min(axis=1) < 0, name, "is negative", "both columns are counts", rows)
    trials = y.sum(axis=1)
    _refuse(trials == 0, name, "has no trials", "leave such rows out with subset=", rows)
    return np.ascontiguousarray(y[:, 0] / trials), trials


def _check_two(levels: Sequence[object], name: str) -> None:
    if len(levels) != 2:
        shown = ", ".join(map(repr, levels[:4])) + (", ..." if len(levels) > 4 else "")
        noun = "level" if len(levels) == 1 else "levels"
        raise DataError(
            f"the response {name!r} has {len(levels)} {noun} ({shown}); a binomial response "
            "has two, the second of which counts as success."
        )


def _check_proportions(y: Array, weights: Array | None, name: str, rows: pd.Index) -> None:
    how = "write successes + failures ~ ..., or a proportion with the trials as weights="
    _refuse((y < 0) | (y > 1), name, "is outside of 0 to 1", how, rows)
    if weights is None:
        ratio = re.fullmatch(r"I\(.+ / (\w+)\)", name)
        trials = f'weights="{ratio[1]}"' if ratio else "weights="
        how = f"a proportion needs its numbers of trials as {trials}; the family beta has none"
        _refuse((y > 0) & (y < 1), name, "is neither 0 nor 1", how, rows)


def _refuse(mask: NDArray[np.bool_], name: str, what: str, instead: str, rows: pd.Index) -> None:
    if mask.any():
        raise DataError(f"the response {name!r} {what} in {name_rows(mask, rows)}: {instead}.")


def _not_whole(values: Array, what: str, rows: pd.Index) -> tuple[str, ...]:
    """Return a note on rows where counts, shape (n,) or (m, n), are not whole numbers."""
    excess = np.abs(values - np.round(values))
    mask = (excess if excess.ndim == 1 else excess.max(axis=0)) > WHOLE
    return (f"{what} is not a whole number in {name_rows(mask, rows)}.",) if mask.any() else ()


def _check_range(spec: FamilySpec, y: Array, name: str, rows: pd.Index) -> None:
    """Refuse numbers outside of where the family has them."""
    family = f"the family {spec.family}"
    match spec.support:
        case "positive":
            other = 'zeros may have a part of their own, hurdle=, and "tweedie" has them'
            if (y < 0).any():
                other = '"gaussian" and "student_t" have all numbers'
            what = f"{family} is for positive numbers; {other}"
            _refuse(y <= 0, name, "is not positive", what, rows)
        case "not negative":
            what = f'{family} is for positive numbers and 0; "gaussian" has all numbers'
            _refuse(y < 0, name, "is negative", what, rows)
        case "shares":
            other = '"ordered_beta" has both ends'
            if not (y < 0).any() and (y == 0).any() and not (y >= 1).any():
                other = 'zeros may have a part of their own, hurdle=, and "ordered_beta" has them'
            elif (y < 0).any() or (y > 1).any():
                other = '"gaussian" has all numbers'
            what = f"{family} is for numbers between these; {other}"
            _refuse((y <= 0) | (y >= 1), name, "is not inside of (0, 1)", what, rows)
        case "shares and ends":
            what = f'{family} is for shares; "gaussian" has all numbers'
            _refuse((y < 0) | (y > 1), name, "is outside of 0 to 1", what, rows)


def _categories(design: Design) -> tuple[Design, tuple[str, ...]]:
    """Return codes of ordered categories: those of labels, or numbers in their order."""
    name, levels = design.response_name, design.response_levels
    if design.y.ndim != 1:
        raise DataError(f"the response {name!r} has several columns; categories are one.")
    if levels is None:
        values, codes = np.unique(design.y, return_inverse=True)
        shown = tuple(int(v) if float(v).is_integer() else float(v) for v in values)
    else:
        used, codes = np.unique(design.y.astype(int), return_inverse=True)
        shown = tuple(levels[i] for i in used)
    if len(shown) < 3:
        raise DataError(
            f"the response {name!r} has {'one category' if len(shown) == 1 else 'two categories'}; "
            "ordinal models need three, and two are modelled by the family bernoulli."
        )
    return replace(design, y=codes.astype(float), response_levels=shown), ()
