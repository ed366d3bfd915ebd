"""What the variance of a residual depends on: strata, or powers and exponentials of a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import DataError, OptionError
from ..formula.residual import DispersionTerm
from ..frame.matrices.factor_values import Labels, read_value

__all__ = ["Dispersion", "read_dispersion"]


@dataclass(frozen=True, eq=False)
class Dispersion:
    """log(sd) of each row, up to a constant: U gamma.

    Parameters
    ----------
    values : ndarray, shape (n, d)
    names : tuple of str, length d
    ratios : bool
        Whether exp(gamma) are ratios of standard deviations, else gamma are exponents.
    text : str
        As the user wrote it.
    """

    values: Array
    names: tuple[str, ...]
    ratios: bool
    text: str


def read_dispersion(
    term: DispersionTerm,
    columns: Mapping[str, Any],
    matrix: tuple[Array, tuple[str, ...]] | None,
) -> Dispersion:
    """Return what log(sd) of the rows depends on.

    Parameters
    ----------
    term : DispersionTerm
    columns : mapping
        The columns that it names.
    matrix : (ndarray, tuple of str) or None
        The columns and names of a formula.

    Raises
    ------
    DataError, OptionError
        If there is nothing that the variance could depend on.
    """
    if term.kind == "formula":
        assert matrix is not None
        values, names = matrix
        if not len(names):
            raise OptionError(f"dispersion={term.text!r} has no terms besides the constant.")
        return Dispersion(values, names, True, term.text)
    try:
        value = read_value(columns[term.code])
    except DataError as error:
        raise DataError(f"dispersion={term.text!r}: {term.code!r} {error}") from error
    if isinstance(value, Labels):
        raise DataError(f"dispersion={term.text!r} needs numbers, and {term.code!r} holds labels.")
    x = np.asarray(value[:, 0], dtype=float)
    if term.kind == "power":
        if not (x != 0).all():
            raise DataError(f"dispersion={term.text!r}: {term.code!r} is zero in some rows.")
        x = np.log(np.abs(x))
    if np.ptp(x) == 0:
        raise DataError(f"dispersion={term.text!r}: {term.code!r} is the same in all rows.")
    return Dispersion(x[:, None], (term.text,), False, term.text)
