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
from ..formula.residual import ResidualTerm
from ..frame.matrices.factor_values import Labels, Numbers, read_value
from ..frame.matrices.factors import Rows
from ..frame.table.columns import Values, is_number
from ..frame.table.grouping import cross
from ..structures import Structure, make, whole_steps
from .dispersion import Dispersion

__all__ = [
    "Cells",
    "check_places",
    "independent_cells",
    "read_cells",
    "read_column",
    "repeats",
]


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
    changes : tuple of ndarray, shape (k, k), or None
        C of each block of random effects, which are fitted to z C; see `changes_of`.
    """

    subject: Positions
    n_subjects: int
    place: Positions
    structures: tuple[Structure, ...]
    strata: tuple[Any, ...]
    term: ResidualTerm | None
    dispersion: Dispersion | None
    changes: tuple[Array, ...] | None = None

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

    def about_means(self) -> Cells:
        """Return the same with standard deviations where columns of the dispersion have means."""
        spread = self.dispersion
        return self if spread is None else replace(self, dispersion=spread.about_means())

    def without_rows(self) -> Cells:
        """Return the same without rows."""
        nothing = np.empty(0, dtype=np.intp)
        return replace(self, subject=nothing, place=nothing, dispersion=None)


def independent_cells(n: int) -> Cells:
    """Return the places of n rows with independent residuals."""
    single = make("homdiag").bind(("",))
    return Cells(np.arange(n), n, np.zeros(n, np.intp), (single,), ("",), None, None)


def read_cells(residual: ResidualTerm | None, rows: Rows) -> Cells:
    """Find the places of all rows; their dispersion is not known yet.

    Parameters
    ----------
    residual : ResidualTerm or None
    rows : Rows
        The columns that it names.

    Raises
    ------
    DataError, OptionError
        If places cannot be what the structure needs, or occur twice in a subject.
    """
    n = len(rows.index)
    if residual is None:
        return independent_cells(n)
    subject, labels = _crossed(residual.subject, rows)
    stratum, strata = np.zeros(n, dtype=np.intp), ("",)
    if residual.by is not None:
        stratum, found = _factor(residual.by, rows)
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
        own = np.flatnonzero(stratum == i)
        local, structure = _places(residual, rows, own, subject)
        place[own] = local + offset
        structures.append(structure)
        offset += structure.k
    return Cells(subject, len(labels), place, tuple(structures), strata, residual, None)


def read_column(name: str, columns: Mapping[str, Any]) -> Numbers | Labels:
    """Return the values of a column: numbers or labels; dates are labels, as of random effects.

    Parameters
    ----------
    name : str
    columns : mapping

    Raises
    ------
    DataError
        For values that can be neither.
    """
    try:
        return read_value(columns[name])
    except DataError:
        pass
    try:
        return read_value(C(columns[name]))
    except DataError as error:
        raise DataError(f"{name!r} {error}") from error


def _factor(name: str, rows: Rows) -> tuple[Positions, pd.Index]:
    """Return codes and levels of a column, numbers too, in order."""
    values = rows.columns[name]
    if is_number(values):
        _check_known(name, values)
    codes, levels = rows.factorized(name)
    if codes.min(initial=0) < 0:
        raise DataError(f"{name!r} has missing values.")
    return codes.astype(np.intp), levels


def _check_known(name: str, values: Any) -> None:
    if not np.isfinite(np.asarray(values, dtype=float)).all():
        raise DataError(
            f"{name!r} is missing or infinite in some rows: leave these out, as missing='drop' "
            "does."
        )


def _distances(term: ResidualTerm, needs: str, rows: Rows) -> Array | None:
    """Return the numbers left of the bar, shape (n, d); None for labels, counted in steps."""
    found = []
    for name in term.places:
        values = rows.columns[name]
        if values.dtype.kind in "cmM":  # which have no unit, so that distances mean nothing
            _refuse(name, values)
        if not is_number(values):
            if needs == "steps":
                return None
            raise DataError(
                f"{term.text}: {term.kind}() needs numbers left of the bar, and "
                f"{', '.join(term.places)} holds labels."
            )
        _check_known(name, values)
        found.append(np.asarray(values, dtype=float))
    return np.column_stack(found)


def _refuse(name: str, values: Values) -> None:
    try:
        read_value(values)
    except DataError as error:
        raise DataError(f"{name!r} {error}") from error


def _crossed(names: tuple[str, ...], rows: Rows) -> Any:
    """Return codes and labels of subjects."""
    if not names:
        return np.zeros(len(rows.index), dtype=np.intp), pd.Index(["all rows"])
    parts = [_factor(name, rows) for name in names]
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
    term: ResidualTerm, rows: Rows, own: Positions, subject: Positions
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
        local = repeats(subject[own])
        labels = tuple(str(i + 1) for i in range(int(local.max()) + 1))
        return local, structure.bind(labels)
    if structure.needs != "coordinates" and len(term.places) > 1:
        raise OptionError(
            f"{term.text}: {term.kind}() takes one column left of the bar, not "
            f"{len(term.places)}; exp(), gau(), mat(), ratio() and spher() take coordinates."
        )
    needs = structure.needs
    distances = _distances(term, needs, rows) if needs in ("coordinates", "steps") else None
    if distances is not None:
        found, local = np.unique(distances[own], axis=0, return_inverse=True)
        local = local.reshape(-1)  # NumPy 2.0 returns a column
        labels = tuple(", ".join(f"{x:g}" for x in row) for row in found)
        positions = whole_steps(found[:, 0]) if needs == "steps" else found
    else:
        codes, levels = _factor(term.places[0], rows)
        used, local = np.unique(codes[own], return_inverse=True)
        labels = tuple([str(level) for level in levels.take(used).tolist()])
        # Of labels the steps are counted among all levels, not those of one stratum.
        positions = used.astype(float)
    check_places(term, labels, local, subject[own])
    if len(labels) > MOST_PLACES:
        raise DataError(
            f"{term.text}: {len(labels)} different places are too many (at most {MOST_PLACES}); "
            "round the times or coordinates."
        )
    bound = structure.bind(labels, positions)
    _check_counts(term, bound, local, subject[own])
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
    if term.kind == "us" and k > 1:
        subjects = len(np.unique(subject))
        if subjects <= k:
            raise DataError(
                f"{term.text}: us() of {k} places needs more than {k} subjects, and there are "
                f"{subjects}: take a structure with fewer parameters."
            )


def check_places(
    term: ResidualTerm, labels: tuple[str, ...], local: Positions, subject: Positions
) -> None:
    """Refuse two rows of a subject at one place, whose correlation would be one."""
    key = subject.astype(np.int64) * len(labels) + local
    values, counts = np.unique(key, return_counts=True)
    if counts.max(initial=0) > 1:
        at = int(np.flatnonzero(key == values[np.argmax(counts > 1)])[0])
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
