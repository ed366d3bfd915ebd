"""Responses for new rows: the design they make, and what of their random effects is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Mask
from ..errors import DataError, OptionError
from ..fitting.covariance import factors_of
from ..frame.design import Design, RandomBlock
from ..frame.model_frame import RandomPart
from ..frame.new_data import NewData
from ..frame.table.grouping import Refs
from ..later import load
from ..prediction.own_places import DrawnPlaces, at_own_places, drawn_places
from ..prediction.rows import check_positive, rows_of_new_data
from ..prediction.which_effects import choose_random
from .simulator import Simulator, Truth, check_effects, check_weights

__all__ = ["NEW_LEVELS", "new_simulator"]


NEW_LEVELS = ("draw", "error", "population", "missing")


@dataclass(frozen=True, eq=False)
class _Effects:
    """The random effects of one grouping factor in new rows.

    Parameters
    ----------
    part : RandomPart
        The grouping factor.
    z : ndarray, shape (m, k)
    codes : ndarray of int32, shape (m,)
        Level of every row among those of the new data, -1 for rows without a response.
    drawn : ndarray of bool, shape (m,)
        Rows whose effects are drawn.
    known : ndarray of int32, shape (m,)
        Level of every row whose effects are those of the fit, else -1.
    own : tuple of DrawnPlaces
        Of terms whose effects are at places of their own for every level.
    """

    part: RandomPart
    z: Array
    codes: Refs
    drawn: Mask
    known: Refs
    own: tuple[DrawnPlaces, ...] = ()

    @property
    def complete(self) -> Mask:
        """Rows in which nothing is missing, shape (m,)."""
        return np.asarray((self.codes >= 0) & np.isfinite(self.z).all(axis=1))

    def kept(self, modes: Array) -> Array:
        """Return Z b of the levels of the fit, shape (m,), for modes (l, k)."""
        out, seen = np.zeros(len(self.z)), self.known >= 0
        out[seen] = np.einsum("ij,ij->i", self.z[seen], modes[self.known[seen]])
        return out

    def block(self, rows: Mask, T: Array) -> tuple[RandomBlock, Array] | None:
        """Return the effects that are drawn, at some of the rows, and their T; None without any."""
        drawn = self.drawn & rows
        if not drawn.any():
            return None
        placed = np.zeros(len(rows), dtype=np.int32)
        if self.part.related is not None:
            placed[drawn] = self.codes[drawn]
            levels = self.part.levels
        else:
            found, placed[drawn] = np.unique(self.codes[drawn], return_inverse=True)
            levels = pd.RangeIndex(len(found))
        z = self.z
        for own in self.own:
            z, T = own.replaced(z, T, self.codes, drawn)
        names = (*self.part.names, *map(str, range(len(self.part.names), z.shape[1])))
        block = RandomBlock(
            self.part.name,
            np.where(drawn[:, None], z, 0.0)[rows],
            placed[rows],
            levels,
            names,
            np.asarray(T != 0),
            self.part.terms,
            related=self.part.related,
        )
        return block, T


def new_simulator(
    result: Any, truth: Truth, re: str, new: NewData, new_levels: str | None
) -> tuple[Simulator, Array, Mask]:
    """Prepare the drawing of responses for new rows.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
    truth : Truth
        Parameters to draw from.
    re : {"new", "conditional"}
    new : NewData
        The rows, read through the formula.
    new_levels : {"draw", "error", "population", "missing"} or None
        As `simulate` has it.

    Returns
    -------
    simulator : Simulator
        Of the complete rows.
    mean : ndarray, shape (rows,)
        What to add to responses of a linear model.
    complete : ndarray of bool, shape (m,)
        Rows in which nothing is missing.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If a column, an offset, an exposure or weights are missing, or a level is new and may
        not be.
    """
    model, estimates, layout = result.model, result.estimates, result.layout
    check_effects(re, truth, estimates)
    if re == "new" and new_levels is not None:
        raise OptionError('new_levels= is for re="conditional": otherwise all levels are new.')
    new_levels = "draw" if new_levels is None else new_levels
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}.")
    rows = rows_of_new_data(result, new, choose_random(False, layout, model.frame), "error")
    w = new.values_of(model.sources.weights)
    check_positive(w)
    parts = [_effects(result, new, i, re, new_levels) for i in range(len(layout.blocks))]
    complete = rows.complete if w is None else rows.complete & np.isfinite(w)
    complete = np.logical_and.reduce([complete, *(part.complete for part in parts)])
    correlated: Any = None
    if result.takes_correlated:
        correlated = load("simulation.new_residuals:CorrelatedRows.of")(result, truth, new)
        complete &= correlated.complete
        factors = correlated.factors
    else:
        factors = factors_of(truth.theta, [block.pattern for block in layout.blocks])
    made = [part.block(complete, T) for part, T in zip(parts, factors, strict=True)]
    pairs = [pair for pair in made if pair is not None]
    X = rows.X[complete]
    mean = rows.fixed[complete] + X[:, estimates.columns] @ (truth.beta - estimates.beta)
    kept = np.zeros(len(complete))
    for part, modes in zip(parts, estimates.b, strict=True):
        kept += 0.0 if part.part.part else part.kept(modes)
    design = Design(
        np.zeros(len(X)),
        X,
        None if w is None else w[complete],
        None,
        tuple(block for block, _ in pairs),
        layout.response,
        layout.columns,
    )
    drawn = tuple(T for _, T in pairs) if pairs else None
    if correlated is not None:
        plain = Simulator(design, drawn, kept[complete], 1.0, None)
        return correlated.simulator(plain, complete), mean, complete
    if estimates.spec is None:
        root = 1.0 if design.weights is None else np.sqrt(design.weights)
        scaled = None if drawn is None else tuple(truth.scale * T for T in drawn)
        return Simulator(design, scaled, kept[complete], truth.scale / root, None), mean, complete
    check_weights(design, estimates.spec)
    simulator = Simulator(design, drawn, mean + kept[complete], truth.scale, estimates.spec)
    return simulator, np.zeros(len(X)), complete


def _effects(result: Any, new: NewData, i: int, re: str, new_levels: str) -> _Effects:
    """Return the effects of a block; those of levels that are to be missing have the code -1."""
    levels, z = new.levels(i), new.random(i)
    own = drawn_places(result, new, i)
    codes = levels.own[0]
    if levels.part.related is not None:  # no other levels than those that are related
        if np.any(levels.unseen) and new_levels in ("draw", "error"):
            levels.refuse_unseen('"population" or "missing"')
        codes = np.where(levels.known >= 0, levels.known, codes)
    if re == "new":
        unknown = np.full(len(z), -1, dtype=np.int32)
        return _Effects(levels.part, z, codes, codes >= 0, unknown, own)
    unseen = levels.unseen
    if new_levels == "error":
        levels.refuse_unseen('"draw", "population" or "missing"')
    if new_levels == "missing":
        codes = np.where(unseen, np.int32(-1), codes)
    if new_levels == "population":  # a level that is missing has the mean of all levels too
        codes = np.maximum(codes, np.int32(0))
    if own:
        left = at_own_places(result, new, i, levels.known, z, np.ones(z.shape[1], dtype=bool))
        if (left > 0).any():
            raise DataError(
                f"the new data have other places of {levels.part.name!r} than those of a level in "
                'the data, where its effects are not known: simulate with re="new", or predict.'
            )
    return _Effects(levels.part, z, codes, unseen & (new_levels == "draw"), levels.known, own)
