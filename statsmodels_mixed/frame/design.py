"""ModelFrame -> Design: the arrays everything numeric works on, and what they must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError, OptionError
from ..formula.terms import RandomTerm
from ..related import RelatedLevels
from ..structures import Structure
from .coding import Matrix
from .grouping import Refs
from .model_frame import ModelFrame
from .table import name_rows, surely_finite

__all__ = [
    "Design",
    "RandomBlock",
    "ReducedRows",
    "build_design",
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


@dataclass(frozen=True, eq=False)
class RandomBlock:
    """The random effects of one grouping factor.

    Parameters
    ----------
    name : str
        The grouping factor, ``"subj"`` or ``"batch & cask"``, perhaps with the `part`.
    z : ndarray, shape (n, k), C order
        Row i of Z restricted to the columns of the level of row i.
    refs : ndarray of int32, shape (n,)
        That level, counted from 0.
    levels : pandas.Index, shape (l,)
        Labels of the levels, sorted; a MultiIndex for an interaction.
    names : tuple of str, length k
        Names of the random effects of a level.
    pattern : ndarray of bool, shape (k, k)
        Free elements of T, lower triangular.
    terms : tuple of RandomTerm
        The terms of the formula gathered here, in its order.
    structures : tuple of Structure
        Of each term its covariance structure, if any term of the model has one of its own; else
        empty.
    related : RelatedLevels, optional
        How the levels are related, unless they are independent.
    members : pandas.Index, shape (k,), optional
        Of multiple membership: the effects are those of members, which are no levels here.
    """

    name: str
    z: Array
    refs: Refs
    levels: pd.Index
    names: tuple[str, ...]
    pattern: NDArray[np.bool_]
    terms: tuple[RandomTerm, ...]
    structures: tuple[Structure, ...] = ()
    related: RelatedLevels | None = None
    members: pd.Index | None = None

    @property
    def part(self) -> str:
        """The part of the model that the effects belong to, empty for the mean."""
        return self.terms[0].part if self.terms else ""

    @property
    def slices(self) -> tuple[slice, ...]:
        """Columns of each of the `structures`."""
        ends = np.cumsum([0, *(structure.k for structure in self.structures)]).tolist()
        return tuple(slice(start, stop) for start, stop in pairwise(ends))

    @property
    def level_sd(self) -> float:
        """A typical standard deviation of a level's effects before T: 1 unless related."""
        return 1.0 if self.related is None else self.related.typical_sd

    def column_sizes(self, weights: Array | None = None, nobs: int | None = None) -> Array:
        """Return the size of what every column of z adds where T is I, shape (k,).

        The root mean square of the column, 1 for one of zeros, times `level_sd`. The mean is over
        `nobs` rows, where those that are zero are left out.
        """
        squares = self.z**2 if weights is None else self.z**2 * weights[:, None]
        size = np.sqrt(squares.sum(axis=0) / (nobs or len(squares)))
        return self.level_sd * np.where(size > 0, size, 1.0)


@dataclass(frozen=True)
class ReducedRows:
    """What rows of a linear model no longer say that were replaced by few with their products.

    Parameters
    ----------
    n : int
        Number of rows that were replaced; those that are missing among the few are zero in Z, X
        and y.
    log_weights : float
        Sum of the logarithms of their prior weights.
    in_use : tuple of ndarray of int, shape (k,)
        In how many of them each column of random effects is not zero, by block.
    k_constant : int
        1 when the columns of X span a constant, else 0.
    """

    n: int
    log_weights: float
    in_use: tuple[NDArray[np.int64], ...]
    k_constant: int


@dataclass(frozen=True, eq=False)
class Design:
    """The arrays of a model; none is shared with the user's data.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Response. Labels are given by their codes; see `response_levels`. Shape (n, m) when
        the left side of the formula makes m columns; no model is fitted to such a design.
    X : ndarray, shape (n, p), C order
        Fixed-effects matrix as the formula gives it, perhaps rank deficient.
    weights, offset : ndarray, shape (n,), or None
        Prior weights, all positive, and offset (log exposure included).
    blocks : tuple of RandomBlock
        By decreasing number of random effects; the order of theta and of all output.
    response_name : str
        Name of the response.
    x_names : tuple of str, length p
        Names of the columns of X.
    response_levels : tuple or None
        Levels of a response of labels or truth values, in the order of their codes.
    reduced : ReducedRows or None
        Of rows that stand for more rows with the same cross-products.
    """

    y: Array
    X: Array
    weights: Array | None
    offset: Array | None
    blocks: tuple[RandomBlock, ...]
    response_name: str
    x_names: tuple[str, ...]
    response_levels: tuple[Any, ...] | None = None
    reduced: ReducedRows | None = None

    @property
    def nobs(self) -> int:
        """Number of rows of the data."""
        return len(self.y) if self.reduced is None else self.reduced.n

    @property
    def counted(self) -> int | None:
        """Number of rows of the data where the arrays have fewer; else None."""
        return None if self.reduced is None else self.reduced.n

    @property
    def log_weights(self) -> float:
        """Sum of the logarithms of the prior weights of the rows of the data."""
        if self.reduced is not None:
            return self.reduced.log_weights
        return 0.0 if self.weights is None else float(np.log(self.weights).sum())

    @property
    def is_structured(self) -> bool:
        """Whether a term has a covariance structure of its own."""
        return any(block.structures for block in self.blocks)

    @property
    def is_related(self) -> bool:
        """Whether the levels of a grouping factor are related."""
        return any(block.related is not None for block in self.blocks)


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


def build_design(frame: ModelFrame) -> Design:
    """Make the matrices of a model.

    Parameters
    ----------
    frame : ModelFrame
        The data of the model.

    Raises
    ------
    DataError
        If the response or a column of a matrix is infinite or NaN.
    """
    n = len(frame.y)
    checked = frame.y.reshape(n, -1)
    _check_finite(checked, (frame.response_name,) * checked.shape[1], frame)
    X = np.empty((n, len(frame.fixed.names)))
    _fill(frame.fixed, frame, X)
    structured = any(part.is_structured for part in frame.random)
    blocks = []
    for part in frame.random:
        names = part.names
        z = np.empty((n, len(names)))
        start = 0
        for matrix in part.matrices:
            _fill(matrix, frame, z[:, start : start + len(matrix.names)])
            start += len(matrix.names)
        blocks.append(
            RandomBlock(
                part.name,
                z,
                part.refs,
                part.levels,
                names,
                part.pattern,
                part.terms,
                part.structures if structured else (),
                part.related,
                part.members,
            )
        )
    frame.rows.forget()
    return Design(
        frame.y,
        X,
        frame.weights,
        frame.offset,
        tuple(blocks),
        frame.response_name,
        frame.x_names,
        frame.response_levels,
    )


def _fill(matrix: Matrix, frame: ModelFrame, out: Array) -> None:
    matrix.fill(frame.rows, out)
    _check_finite(out, matrix.names, frame)


def _check_finite(values: Array, names: tuple[str, ...], frame: ModelFrame) -> None:
    if surely_finite(values):
        return
    for column, name in zip(values.T, names, strict=True):
        infinite = np.isinf(column)
        if infinite.any():
            raise DataError(f"{name!r} is infinite in {name_rows(infinite, frame.index)}.")
        absent = np.isnan(column)
        if absent.any():
            where = f"{name!r} is NaN in {name_rows(absent, frame.index)}"
            if frame.missing == "none":
                raise DataError(f'{where}: pass missing="drop" to leave such rows out.')
            raise DataError(
                f"{where} although the data are not missing there: leave these rows out with "
                "subset=, or mend the expression."
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
    if (y == y[0]).all():
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
        squares = np.einsum("ij,ij->j", block.z, block.z)
        if ((squares >= SMALLEST_COLUMN) & (squares <= LARGEST_COLUMN)).all():
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


def check_groupings(
    design: Design,
    *,
    allow_observation_level: bool = False,
    confounded_with: str = "the residual variance",
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

    Raises
    ------
    DataError
        If a grouping factor has a single level, or one for each row.
    """
    n = design.nobs
    for block in design.blocks:
        size = len(block.levels)
        places = any(one.needs != "columns" for one in block.structures)
        if size == 1 and block.members is None and not places:
            raise DataError(
                f"the grouping factor {block.name!r} has a single level "
                f"({block.levels[0]!r}): one level says nothing of a variance among levels."
            )
        if block.related is None and size == n and not allow_observation_level:
            raise DataError(
                f"the grouping factor {block.name!r} has as many levels as there are rows ({n}): "
                "with one row for each level its variance cannot be distinguished from "
                f"{confounded_with}."
            )
