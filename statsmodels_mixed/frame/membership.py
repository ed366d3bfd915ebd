"""Z of multiple membership: a column for each member, with the weights of each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError
from ..formula.terms import Grouping
from .matrices.factors import Rows
from .table.table import name_rows

__all__ = ["MembershipMatrix", "membership_matrix"]


# Effects of members are those of one level, whose factor is dense.
MOST_MEMBERS = 2000


@dataclass(frozen=True, eq=False)
class MembershipMatrix:
    """Weights of members; see `Matrix`.

    Parameters
    ----------
    grouping : Grouping
        Columns of members and of weights.
    labels : Index, shape (k,)
        The members.
    """

    grouping: Grouping
    labels: pd.Index

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(map(str, self.labels))

    @property
    def slices(self) -> dict[str, slice]:
        """All columns, under the name of the term."""
        return {self.grouping.name: slice(0, len(self.labels))}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        return self.grouping.columns

    @property
    def optional(self) -> frozenset[str]:
        """Those that may be missing."""
        return self.grouping.optional

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the weights of these rows into `out`, shape (n, k).

        Raises
        ------
        DataError
            If a member is not among those of the model, or a weight is not a number.
        """
        members = self.grouping.members
        places = [self.labels.get_indexer(pd.Index(rows[name])) for name in members]
        absent = [np.asarray(pd.isna(rows[name])) for name in members]
        for name, place, missing in zip(members, places, absent, strict=True):
            unseen = (place < 0) & ~missing
            if unseen.any():
                label = rows[name][unseen].tolist()[0]
                raise DataError(
                    f"{self.grouping.name} has the member {label!r} in {name!r}, which the data of "
                    "the model do not have."
                )
        out[...] = 0.0
        weights = self._weights(rows, absent)
        for place, missing, weight in zip(places, absent, weights, strict=True):
            at = np.flatnonzero(~missing)
            np.add.at(out, (at, place[at]), weight[at])

    def _weights(self, rows: Rows, absent: list[NDArray[np.bool_]]) -> list[Array]:
        if not self.grouping.weights:
            count = np.sum([~missing for missing in absent], axis=0)
            return [1.0 / np.maximum(count, 1)] * len(absent)
        found = []
        for name, member, missing in zip(
            self.grouping.weights, self.grouping.members, absent, strict=True
        ):
            weight = np.asarray(rows[name], dtype=float)
            bad = np.where(missing, np.nan_to_num(weight) != 0, ~np.isfinite(weight))
            if bad.any():
                raise DataError(
                    f"the weight {name!r} and the member {member!r} do not go together in "
                    f"{name_rows(bad, rows.index)}: a member has a number, no member 0 or none."
                )
            found.append(weight)
        return found


def membership_matrix(grouping: Grouping, rows: Rows) -> MembershipMatrix:
    """Find the members.

    Raises
    ------
    DataError
        If there are more than a dense covariance can have, or no more than one.
    """
    labels = pd.Index([])
    for i, name in enumerate(grouping.members):
        levels = rows.factorized(name)[1]
        labels = levels if i == 0 else labels.append(levels)
    labels = labels.unique()
    if pd.api.types.is_float_dtype(labels) and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)  # numbers beside missing ones
    try:
        labels = labels.sort_values()
    except TypeError as error:
        raise DataError(
            f"the members of {grouping.name} are text in one column and numbers in another."
        ) from error
    if len(labels) > MOST_MEMBERS:
        raise DataError(
            f"{grouping.name} has {len(labels)} members; more than {MOST_MEMBERS} are too many."
        )
    if len(labels) < 2:
        raise DataError(f"{grouping.name} has a single member ({labels.tolist()[0]!r}).")
    return MembershipMatrix(grouping, labels.rename(None))
