"""Linear hypotheses on the coefficients, as users write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.formula._manager import FormulaManager

from .._typing import Array
from ..errors import OptionError
from ..frame.table.alignment import align_names
from ..option_kinds import are_numbers

__all__ = [
    "coefficient_positions",
    "combinations_of",
    "known_only",
    "number_of_constraints",
    "read_hypotheses",
    "square_matrix",
]


def read_hypotheses(given: Any, names: Sequence[list[str]], advice: str) -> tuple[Array, Array]:
    """Return rows and values of hypotheses on the first list of names that fits.

    Raises
    ------
    OptionError
        If they fit none, with the advice.
    DataError
        If they are pandas objects with the names of other coefficients.
    """
    if isinstance(given, tuple) and len(given) == 2:
        given = (align_names(given[0], names, "the hypotheses"), given[1])
    given = align_names(given, names, "the hypotheses")
    try:
        return _first_fitting(given, names)
    except Exception as error:  # what patsy and formulaic raise has no class in common
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OptionError(f"the hypotheses cannot be read ({reason}): {advice}.") from error


def _first_fitting(given: Any, names: Sequence[list[str]]) -> tuple[Array, Array]:
    for known in names:
        try:
            constraints = FormulaManager().get_linear_constraints(given, known)
            break
        except Exception:  # as above
            if known is names[-1]:
                raise
    rows = np.atleast_2d(np.asarray(constraints.constraint_matrix, dtype=float))
    value = constraints.constraint_values
    values = np.asarray(0.0 if value is None else value, dtype=float).ravel()
    return rows, np.broadcast_to(values, len(rows))


def combinations_of(given: Any, names: Sequence[str], option: str) -> Array:
    """Return rows of numbers over coefficients, shape (m, number of names).

    Parameters
    ----------
    given : array_like
        Rows, or one row. Columns of a data frame may be in any order.
    names : sequence of str
        Of the coefficients.
    option : str
        What they are given as, such as ``"r_matrix="``.

    Raises
    ------
    OptionError
        If they are something else.
    DataError
        If they are pandas objects with the names of other coefficients.
    """
    given = align_names(given, [names], option)
    rows = np.atleast_2d(np.asarray(given, dtype=float)) if are_numbers(given) else np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[1] != len(names) or not np.isfinite(rows).all():
        raise OptionError(
            f"{option} has rows of {len(names)} numbers, all finite, over {', '.join(names)}."
        )
    return rows


def square_matrix(given: Any, names: Sequence[str] | int, option: str) -> Array:
    """Return a square matrix that a user gives.

    Parameters
    ----------
    given : array_like, shape (k, k)
        Rows and columns of a data frame may be in any order.
    names : sequence of str or int
        Of its k rows and columns; their number if they have no names.
    option : str
        What it is given as, such as ``"cov_p="``.

    Raises
    ------
    OptionError
        If it is something else.
    """
    k = names if isinstance(names, int) else len(names)
    if isinstance(given, pd.DataFrame) and not isinstance(names, int):
        given = align_names(align_names(given, [names], option).T, [names], option).T
    matrix = np.asarray(given, dtype=float)
    if matrix.shape != (k, k):
        raise OptionError(f"{option} is a matrix of shape {(k, k)}, not {matrix.shape}.")
    return matrix


def number_of_constraints(given: int | None) -> int | None:
    """Return a number of constraints that a user gives instead of a rank.

    Raises
    ------
    OptionError
        If it is not from 1 to below 2**31.
    """
    if given is None or 1 <= given < 2**31:
        return None if given is None else int(given)
    raise OptionError(f"df_constraints must be a number of constraints >= 1, not {given!r}.")


def known_only(known: NDArray[np.bool_], values: ArrayLike) -> Array:
    """Return one value for each hypothesis, in the shape they have, NaN where not known."""
    out = np.array(values, dtype=float)
    out.reshape(-1)[~known] = np.nan
    return out


def coefficient_positions(given: Any, names: list[str]) -> Any:
    """Return positions of coefficients that are given by position or name, one or several.

    Raises
    ------
    OptionError
        If there is no such coefficient.
    """
    if given is None:
        return None
    if np.ndim(given) == 0:
        return _position(given, names)
    return np.array([_position(one, names) for one in given], dtype=np.intp)


def _position(given: Any, names: list[str]) -> int:
    if isinstance(given, str) and given in names:
        return names.index(given)
    count = len(names)
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not whole or not -count <= given < count:
        raise OptionError(
            f"column= is {given!r}; give names of coefficients ({', '.join(names)}) or positions "
            f"from 0 to {count - 1}."
        )
    return int(given) % count
