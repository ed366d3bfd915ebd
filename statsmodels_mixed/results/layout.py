"""What a result must know of a design once the data are gone: names, levels, sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._frozen import quickly_made
from ..fitting.covariance import theta_names
from ..frame.design import Design, RandomBlock

if TYPE_CHECKING:
    from ..frame.own_places import OwnPlaces

__all__ = ["BlockLayout", "Dims", "Layout"]


class Dims(NamedTuple):
    """Sizes of a fitted model.

    Attributes
    ----------
    n : int
        Rows.
    p : int
        Rank of the fixed-effects matrix.
    q : int
        Random effects in all.
    k : int
        Grouping factors.
    """

    n: int
    p: int
    q: int
    k: int


@quickly_made
@dataclass(frozen=True)
class BlockLayout:
    """The names in one random block.

    Parameters
    ----------
    name : str
        Grouping factor.
    columns : tuple of str
        Names of the k random effects of a level.
    levels : Index
        Labels of the l levels; a MultiIndex for an interaction.
    pattern : ndarray of bool, shape (k, k)
        Free elements of T, lower triangular.
    related : str
        The option that relates the levels, or empty.
    members : Index, optional
        Of multiple membership, to which the columns belong.
    part : str
        The part of the model that the effects belong to, empty for the mean.
    own_places : tuple of OwnPlaces
        Terms whose effects are at places of their own for every level.
    """

    name: str
    columns: tuple[str, ...]
    levels: pd.Index
    pattern: NDArray[np.bool_]
    related: str = ""
    members: pd.Index | None = None
    part: str = ""
    own_places: tuple[OwnPlaces, ...] = ()

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the effects of a level, or of a member."""
        return self.columns if self.members is None else ("Intercept",)

    @property
    def labels(self) -> pd.Index:
        """Labels of the levels, or of the members."""
        return self.levels if self.members is None else self.members

    @classmethod
    def of(cls, block: RandomBlock) -> BlockLayout:
        """Take what is kept from a block of a design."""
        related = "" if block.related is None else block.related.option
        return cls(
            block.name,
            block.names,
            block.levels,
            block.pattern,
            related,
            block.members,
            block.part,
            tuple([own.without_rows() for own in block.own_places]),
        )


@quickly_made
@dataclass(frozen=True)
class Layout:
    """The names in a design, and its sizes.

    Parameters
    ----------
    nobs : int
        Rows used.
    n_dropped : int
        Rows dropped because of missing values.
    response : str
        Name of the response.
    columns : tuple of str
        Names of the fixed-effects columns, inestimable ones included.
    blocks : tuple of BlockLayout
        One per random block, in the order of all output.
    """

    nobs: int
    n_dropped: int
    response: str
    columns: tuple[str, ...]
    blocks: tuple[BlockLayout, ...]

    @classmethod
    def of(cls, design: Design, n_dropped: int = 0) -> Layout:
        """Take what is kept from a design."""
        blocks = tuple([BlockLayout.of(block) for block in design.blocks])
        return cls(design.nobs, n_dropped, design.response_name, design.x_names, blocks)

    @property
    def theta_names(self) -> list[str]:
        """Names of the covariance parameters, in the order of theta."""
        return list(theta_names([(b.name, b.columns, b.pattern) for b in self.blocks]))

    @property
    def n_random(self) -> int:
        """Number of random effects, q."""
        return sum(len(block.levels) * len(block.columns) for block in self.blocks)
