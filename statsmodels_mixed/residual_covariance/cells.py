"""Where the residual of each row is: its subject, its place, what its variance depends on.

Places are distinguished by the values of the columns left of the bar, never by the order of rows.
Each stratum of `by=` has a covariance structure of its own, for the places that occur in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from patsy.categorical import C

from .._typing import Array, Positions
from ..errors import DataError, OptionError
from ..formula.residual import DispersionTerm, ResidualTerm
from ..frame.matrices.factor_values import Labels, Numbers, read_value
from ..frame.table.grouping import cross
from ..structures import Structure, make, whole_steps
from .dispersion import Dispersion, read_dispersion

__all__ = ["Cells", "check_places", "read_cells", "read_column", "repeats"]


# Structures whose places are exchangeable if they have one variance: rows need not name theirs.
EXCHANGEABLE = ("cs", "homdiag")
# Distinct places of a stratum: their covariance matrix is dense.
MOST_PLACES = 3000


@dataclass(frozen=True, eq=False)
class Cells:
    """The places of all rows in the covariance of the residuals.

    Parameters
    ----------
    subject : ndarray of int, shape (n,)
        Rows of different subjects are independent.
    n_subjects : int
    place : ndarray of int, shape (n,)
        Position in the block-diagonal matrix of the covariances of all strata.
    structures : tuple of Structure
        Of each stratum, bound to its places.
    strata : tuple
        Their labels; one empty label without `by=`.
    term : ResidualTerm or None
        As the user wrote it; None for independent residuals.
    dispersion : Dispersion or None
    """

    subject: Positions
    n_subjects: int
    place: Positions
    structures: tuple[Structure, ...]
    strata: tuple[Any, ...]
    term: ResidualTerm | None
    dispersion: Dispersion | None

    def of_rows(self, keep: NDArray[np.bool_]) -> Cells:
        """Return the places of some rows; all places keep their covariances."""
        _, subject = np.unique(self.subject[keep], return_inverse=True)
        return self.of_copies(np.flatnonzero(keep), subject.astype(np.intp))

    def of_copies(self, rows: Positions, subject: Positions) -> Cells:
        """Return the places of some rows, perhaps repeated, which are of other subjects."""
        spread = self.dispersion
        if spread is not None:
            spread = replace(spread, values=spread.values[rows])
        count = int(subject.max(initial=-1)) + 1
        return replace(
            self, subject=subject, n_subjects=count, place=self.place[rows], dispersion=spread
        )

    def without_rows(self) -> Cells:
        """Return the same without rows."""
        nothing = np.empty(0, dtype=np.intp)
        return replace(self, subject=nothing, place=nothing, dispersion=None)


def read_cells(
    residual: ResidualTerm | None,
    dispersion: DispersionTerm | None,
    columns: Mapping[str, Any],
    matrix: tuple[Array, tuple[str, ...]] | None,
    n: int,
) -> Cells:
    """Find the places of all rows.

    Parameters
    ----------
    residual : ResidualTerm or None
    dispersion : DispersionTerm or None
    columns : mapping
        The columns that they name, one value for each row.
    matrix : (ndarray, tuple of str) or None
        The columns and names of a formula of the dispersion.
    n : int
        Number of rows.

    Raises
    ------
    DataError, OptionError
        If places cannot be what the structure needs, or occur twice in a subject.
    """
    spread = None if dispersion is None else read_dispersion(dispersion, columns, matrix)
    if residual is None:
        rows = np.arange(n)
        single = make("homdiag").bind(("",))
        return Cells(rows, n, np.zeros(n, np.intp), (single,), ("",), None, spread)
    subject, labels = _crossed(residual.subject, columns, n)
    stratum, strata = np.zeros(n, dtype=np.intp), ("",)
    if residual.by is not None:
        stratum, found = _factor(residual.by, columns)
        strata = tuple(found)
        of_subject = np.zeros(len(labels), dtype=np.intp)
        of_subject[subject] = stratum
        if (of_subject[subject] != stratum).any():
            at = labels[subject[of_subject[subject] != stratum]].tolist()[0]
            raise DataError(
                f"by={residual.by} has to be the same in all rows of a subject, and is not for "
                f"{' & '.join(residual.subject)} {at!r}."
            )
    make(residual.kind, **dict(residual.options))  # an unknown kind is reported first
    place, structures, offset = np.zeros(n, dtype=np.intp), [], 0
    for i in range(len(strata)):
        rows = np.flatnonzero(stratum == i)
        local, structure = _places(residual, columns, rows, subject)
        place[rows] = local + offset
        structures.append(structure)
        offset += structure.k
    return Cells(subject, len(labels), place, tuple(structures), strata, residual, spread)


def read_column(name: str, columns: Mapping[str, Any], *, steps: bool = False) -> Numbers | Labels:
    """Return the values of a column: numbers or labels; dates are labels, as of random effects.

    Parameters
    ----------
    name : str
    columns : mapping
    steps : bool
        Whether distances between values matter, for which dates have no unit.

    Raises
    ------
    DataError
        For values that can be neither.
    """
    try:
        return read_value(columns[name])
    except DataError as error:
        if steps:
            raise DataError(f"{name!r} {error}") from error
    try:
        return read_value(C(columns[name]))
    except DataError as error:
        raise DataError(f"{name!r} {error}") from error


def _factor(name: str, columns: Mapping[str, Any]) -> tuple[Positions, pd.Index]:
    """Return codes and levels that occur of a column, numbers too, in order."""
    return _codes(name, read_column(name, columns))


def _codes(name: str, value: Numbers | Labels) -> tuple[Positions, pd.Index]:
    """Return those of the values of a column."""
    if isinstance(value, Labels):
        codes, levels = np.asarray(value.codes, np.intp), value.levels
    else:
        _check_known(name, value[:, 0])
        found, codes = np.unique(value[:, 0], return_inverse=True)
        levels = pd.Index(found)
    if codes.min(initial=0) < 0:
        raise DataError(f"{name!r} has missing values.")
    used, codes = np.unique(codes, return_inverse=True)
    return codes.astype(np.intp), levels[used]


def _check_known(name: str, values: Any) -> None:
    if not np.isfinite(np.asarray(values, dtype=float)).all():
        raise DataError(
            f"{name!r} is missing or infinite in some rows: leave these out, as missing='drop' "
            "does."
        )


def _crossed(names: tuple[str, ...], columns: Mapping[str, Any], n: int) -> Any:
    """Return codes and labels of subjects."""
    if not names:
        return np.zeros(n, dtype=np.intp), pd.Index(["all rows"])
    parts = [_factor(name, columns) for name in names]
    if len(parts) == 1:
        return parts[0]
    codes, levels = cross([part[0].astype(np.int32) for part in parts], [part[1] for part in parts])
    return np.asarray(codes, dtype=np.intp), levels


def _is_exchangeable(term: ResidualTerm) -> bool:
    """Return whether the covariance is the same for any order of the places."""
    return term.kind in EXCHANGEABLE and dict(term.options).get("hom") is not False


def repeats(codes: Positions) -> Positions:
    """Return how often the code of each element occurs before it."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    out = np.empty(len(codes), dtype=np.intp)
    out[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return out


def _places(
    term: ResidualTerm, columns: Mapping[str, Any], rows: Positions, subject: Positions
) -> tuple[Positions, Structure]:
    """Return the place of each of some rows and the structure for all places."""
    structure = make(term.kind, **dict(term.options))
    if not structure.definite:
        raise OptionError(f"{term.kind}() is singular: residuals need a covariance of full rank.")
    if not term.places:
        if not _is_exchangeable(term):
            raise OptionError(
                f"{term.text}: name the visits or times left of the bar, as in "
                f"{term.kind}(visit | {'/'.join(term.subject) or '1'})."
            )
        local = repeats(subject[rows])
        labels = tuple(str(i + 1) for i in range(int(local.max()) + 1))
        return local, structure.bind(labels)
    if structure.needs != "coordinates" and len(term.places) > 1:
        raise OptionError(
            f"{term.text}: {term.kind}() takes one column left of the bar, not "
            f"{len(term.places)}; exp(), gau(), mat(), ratio() and spher() take coordinates."
        )
    steps = structure.needs in ("coordinates", "steps")
    values = [read_column(name, columns, steps=steps) for name in term.places]
    numbers = [value[rows, 0] for value in values if not isinstance(value, Labels)]
    numeric = len(numbers) == len(values)
    if structure.needs == "coordinates" and not numeric:
        raise DataError(
            f"{term.text}: {term.kind}() needs numbers left of the bar, and "
            f"{', '.join(term.places)} holds labels."
        )
    if steps and numeric:
        for name, column in zip(term.places, numbers, strict=True):
            _check_known(name, column)
        found, local = np.unique(
            np.column_stack(numbers).astype(float),
            axis=0,
            return_inverse=True,
        )
        local = local.reshape(-1)  # NumPy 2.0 returns a column
        labels = tuple(", ".join(f"{x:g}" for x in row) for row in found)
        positions = whole_steps(found[:, 0]) if structure.needs == "steps" else found
    else:
        codes, levels = _codes(term.places[0], values[0])
        used, local = np.unique(codes[rows], return_inverse=True)
        labels = tuple(str(level) for level in levels[used])
        # Of labels the steps are counted among all levels, not those of one stratum.
        positions = used.astype(float)
    check_places(term, labels, local, subject[rows])
    if len(labels) > MOST_PLACES:
        raise DataError(
            f"{term.text}: {len(labels)} different places are too many (at most {MOST_PLACES}); "
            "round the times or coordinates."
        )
    bound = structure.bind(labels, positions)
    _check_counts(term, bound, local, subject[rows])
    return local.astype(np.intp), bound


def _check_counts(
    term: ResidualTerm, structure: Structure, local: Positions, subject: Positions
) -> None:
    """Refuse data in which a variance, or some combination of residuals, may be zero."""
    k = structure.k
    if len(structure.read().scales) >= k > 1:
        counts = np.bincount(local, minlength=k)
        if counts.min() < 2:
            at = structure.labels[int(np.argmin(counts))]
            raise DataError(
                f"{term.text}: {' & '.join(term.places)} {at} has a single row, which says "
                "nothing of its variance: leave it out, or take a structure with one variance."
            )
    subjects = len(np.unique(subject))
    if term.kind == "us" and k > 1 and subjects <= k:
        raise DataError(
            f"{term.text}: us() of {k} places needs more than {k} subjects, and there are "
            f"{subjects}: take a structure with fewer parameters."
        )


def check_places(
    term: ResidualTerm, labels: tuple[str, ...], local: Positions, subject: Positions
) -> None:
    """Refuse two rows of a subject at one place, whose correlation would be one."""
    key = subject.astype(np.int64) * len(labels) + local
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    if (counts > 1).any():
        at = int(first[np.argmax(counts > 1)])
        what = " & ".join(term.places)
        raise DataError(
            f"{term.text}: a subject has {int(counts.max())} rows at {what} {labels[local[at]]}; "
            "one row for each is needed: aggregate them, or name what distinguishes them"
            f"{_without_places(term)}."
        )


def _without_places(term: ResidualTerm) -> str:
    """Return what else can be written where the order of rows does not matter."""
    if not _is_exchangeable(term):
        return ""
    return f", or write {term.kind}(1 | {'/'.join(term.subject) or '1'}), where rows have no places"
