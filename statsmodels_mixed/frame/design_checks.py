"""What a design must satisfy before a model is fitted to it."""

from __future__ import annotations

import numpy as np

from ..errors import DataError, OptionError
from .design import Design, RandomBlock
from .table.columns import column_squares, lie_between

__all__ = [
    "check_groupings",
    "check_linear_response",
    "check_numeric_response",
    "check_random_columns",
    "check_varying_response",
    "refuse_related",
]

# Squares of responses between these, and sums of such squares, are ordinary doubles.
SMALLEST_RESPONSE, LARGEST_RESPONSE = 1e-152, 3e153


# The same of columns of random effects.
SMALLEST_COLUMN, LARGEST_COLUMN = 1e-140, 1e140

# Variances of rows that differ by less than this share are alike.
ALIKE = 1e-8


def refuse_related(design: Design, what: str) -> None:
    """Refuse what takes the levels of every grouping factor to be independent.

    Parameters
    ----------
    design : Design
    what : str
        The beginning of a sentence, such as ``"Kenward and Roger's method"``.

    Raises
    ------
    OptionError
        If the levels of one are related.
    """
    for block in design.blocks:
        if block.related is not None:
            raise OptionError(
                f"{what} needs independent levels; those of {block.name!r} are related by "
                f"{block.related.option}=."
            )


def check_numeric_response(design: Design, needing: str) -> None:
    """Make sure that the response is one column of numbers (truth values count as such).

    Parameters
    ----------
    design : Design
        The model.
    needing : str
        What needs numbers, for the message: ``"a linear model"``.

    Raises
    ------
    DataError
        If the response holds labels or has several columns.
    """
    name, levels = design.response_name, design.response_levels
    if levels is not None and not all(isinstance(level, bool | np.bool_) for level in levels):
        shown = ", ".join(map(repr, levels[:3])) + (", ..." if len(levels) > 3 else "")
        raise DataError(f"the response {name!r} holds labels ({shown}): {needing} needs numbers.")
    if design.y.ndim != 1:
        raise DataError(
            f"the response {name!r} has {design.y.shape[1]} columns, not one: "
            "arithmetic on columns is written I(a + b)."
        )


def check_varying_response(design: Design) -> None:
    """Make sure that the response is not constant.

    Raises
    ------
    DataError
        If it is.
    """
    name, y = design.response_name, design.y
    if y[0] == y[-1] and (y == y[0]).all():
        raise DataError(f"the response {name!r} is constant ({y[0]:g}): there is nothing to model.")


def check_linear_response(design: Design) -> None:
    """Make sure that a linear model can be fitted to the response.

    Raises
    ------
    DataError
        If the response holds labels, has several columns, is constant, or is so large or small
        that its variance is no double.
    """
    check_numeric_response(design, "a linear model")
    check_varying_response(design)
    y, name = design.y, design.response_name
    if design.offset is not None and not np.abs(design.offset).max() < LARGEST_RESPONSE:
        raise DataError(
            "the offset is so large that its square is beyond the range of numbers: divide it and "
            "the response by a power of ten."
        )
    squares = float(np.vdot(y, y))  # of ordinary responses all that there is to know; never warns
    if len(y) * SMALLEST_RESPONSE**2 < squares < LARGEST_RESPONSE**2:
        return
    largest = max(float(y.max()), -float(y.min()))
    if not SMALLEST_RESPONSE < largest < LARGEST_RESPONSE:
        size, change = ("small", "multiply") if largest < 1 else ("large", "divide")
        raise DataError(
            f"the response {name!r} is so {size} (up to {largest:.3g} in absolute value) that its "
            f"variance is beyond the range of numbers: {change} it by a power of ten."
        )


def check_random_columns(design: Design) -> None:
    """Make sure that variances of the random effects can be doubles.

    Raises
    ------
    DataError
        If the squares of a column of random effects are not.
    """
    for block in design.blocks:
        if lie_between(column_squares(block.z), SMALLEST_COLUMN, LARGEST_COLUMN):
            continue
        largest = np.maximum(block.z.max(axis=0), -block.z.min(axis=0))
        lost = (largest > 0) & ((largest < SMALLEST_COLUMN) | (largest > LARGEST_COLUMN))
        if lost.any():
            at = int(np.argmax(lost))
            size, change = ("small", "multiply") if largest[at] < 1 else ("large", "divide")
            raise DataError(
                f"{block.names[at]!r} is so {size} (up to {largest[at]:.3g} in size) that "
                f"the variance of its random effects for {block.name!r} is beyond the range of "
                f"numbers: {change} it by a power of ten."
            )


def _has_places(block: RandomBlock) -> bool:
    """Return whether effects are at places, so that a single level says how they vary."""
    return any(one.needs != "columns" for one in block.structures)


def _vary_like_residuals(design: Design, block: RandomBlock) -> bool:
    """Return whether some effect of single rows has variances like residuals, or may have."""
    if design.reduced is not None or block.members is not None or block.structures:
        return True
    squares = block.z**2 if design.weights is None else block.z**2 * design.weights[:, None]
    return bool(np.any(np.ptp(squares, axis=0) <= ALIKE * squares.max(axis=0)))


def check_groupings(
    design: Design,
    *,
    allow_observation_level: bool = False,
    confounded_with: str = "the residual variance",
    normal: bool = False,
) -> None:
    """Make sure that the variances of the random effects can be estimated separately.

    Parameters
    ----------
    design : Design
        The model.
    allow_observation_level : bool
        Accept a grouping factor with one level for each row: it is identified when no
        residual variance is estimated beside it.
    confounded_with : str
        What else the variance of such a factor would be, for the message.
    normal : bool
        Residuals are normal, with variances sigma^2 over the weights: a level for each row is
        identified if its effects have variances that are not in proportion to these.

    Raises
    ------
    DataError
        If a grouping factor has a single level, or one for each row.
    """
    n = design.nobs
    for block in design.blocks:
        size = block.n_levels
        if size == 1 and block.members is None and not _has_places(block):
            only = block.levels[0]
            shown = only.item() if isinstance(only, np.generic) else only
            raise DataError(
                f"the grouping factor {block.name!r} has a single level "
                f"({shown!r}): one level says nothing of a variance among levels."
            )
        if block.related is None and size == n and not allow_observation_level:
            if normal and not _vary_like_residuals(design, block):
                continue
            raise DataError(
                f"the grouping factor {block.name!r} has as many levels as there are rows ({n}): "
                "with one row for each level its variance cannot be distinguished from "
                f"{confounded_with}."
            )
