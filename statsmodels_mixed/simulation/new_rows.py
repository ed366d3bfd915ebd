"""Responses for new rows: the design they make, and what of their random effects is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..fitting.covariance import factors_of
from ..frame.build import known_levels, own_levels, random_columns
from ..frame.design import Design, RandomBlock
from ..frame.grouping import Refs
from ..frame.model_frame import ModelFrame
from ..prediction.rows import as_table, new_rows, new_values
from ..prediction.which_effects import choose_random
from .simulator import Simulator, Truth, check_effects, check_weights

__all__ = ["NEW_LEVELS", "new_simulator"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NEW_LEVELS = ("draw", "error", "population", "missing")


def new_simulator(
    result: Any,
    truth: Truth,
    re: str,
    exog: Any,
    *,
    new_levels: str | None,
    offset: Any,
    exposure: Any,
    weights: Any,
) -> tuple[Simulator, Array, Mask]:
    """Prepare the drawing of responses for new rows.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
    truth : Truth
        Parameters to draw from.
    re : {"new", "conditional"}
    exog : table
        New data.
    new_levels, offset, exposure, weights
        As `simulate` has them.

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
        If the model was made from arrays, or an option is not possible.
    DataError
        If a column, an offset, an exposure or weights are missing, or a level is new and may
        not be.
    """
    model, estimates = result.model, result.estimates
    check_effects(re, truth, estimates)
    if model.frame is None:
        raise OptionError("exog= needs a model made from a formula; this one is made from arrays")
    if re == "new" and new_levels is not None:
        raise OptionError('new_levels= is for re="conditional": otherwise all levels are new')
    new_levels = "draw" if new_levels is None else new_levels
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}")
    exog = as_table(model, exog)
    none = choose_random(False, result.layout, model.frame)
    rows = new_rows(result, exog, True, none, "error", offset, exposure)
    m = len(rows.fixed)
    w = new_values(exog, m, "weights", weights, model.has_weights, model.weights_name, model.frame)
    if w is not None and np.any(w <= 0):
        raise DataError("weights of new rows must be positive")
    complete = rows.complete if w is None else rows.complete & np.isfinite(w)
    kept, parts = np.zeros(m), []
    for i, modes in enumerate(estimates.b):
        z, codes, drawn = _effects(model.frame, i, exog, re, new_levels)
        complete &= (codes >= 0) & np.isfinite(z).all(axis=1)
        if re == "conditional":
            known = known_levels(model.frame, i, exog)
            seen = known >= 0
            kept[seen] += np.einsum("ij,ij->i", z[seen], modes[known[seen]])
        parts.append((z, codes, drawn))
    drawn_blocks = [
        _block(model.frame, i, z, codes, drawn & complete, complete)
        for i, (z, codes, drawn) in enumerate(parts)
    ]
    patterns = [block.pattern for block in result.layout.blocks]
    pairs = [
        (block, T)
        for block, T in zip(drawn_blocks, factors_of(truth.theta, patterns), strict=True)
        if block is not None
    ]
    X = rows.X[complete]
    count = len(X)
    mean = rows.fixed[complete] + X[:, estimates.columns] @ (truth.beta - estimates.beta)
    kept = kept[complete]
    design = Design(
        np.zeros(count),
        X,
        None if w is None else w[complete],
        None,
        tuple(block for block, _ in pairs),
        result.layout.response,
        result.layout.columns,
    )
    factors = tuple(T for _, T in pairs) if pairs else None
    if estimates.spec is None:
        root = 1.0 if design.weights is None else np.sqrt(design.weights)
        scaled = None if factors is None else tuple(truth.scale * T for T in factors)
        return Simulator(design, scaled, kept, truth.scale / root, None), mean, complete
    check_weights(design, estimates.spec)
    simulator = Simulator(design, factors, mean + kept, truth.scale, estimates.spec)
    return simulator, np.zeros(count), complete


def _effects(
    frame: ModelFrame, i: int, exog: Any, re: str, new_levels: str
) -> tuple[Array, Refs, Mask]:
    """Return columns and own levels of a block, and the rows whose effects are drawn.

    Levels that are new and asked to be missing have the code -1.
    """
    z, (codes, _) = random_columns(frame, i, exog), own_levels(frame, i, exog)
    if re == "new":
        return z, codes, codes >= 0
    unseen = (known_levels(frame, i, exog) < 0) & (codes >= 0)
    if unseen.any() and new_levels == "error":
        raise DataError(
            f"{int(unseen.sum())} rows of the new data have levels of {frame.random[i].name} that "
            'the fit has not seen; pass new_levels="draw", "population" or "missing"'
        )
    if new_levels == "missing":
        codes = np.where(unseen, np.int32(-1), codes)
    if new_levels == "population":  # a level that is missing has the mean of all levels too
        codes = np.maximum(codes, np.int32(0))
    return z, codes, unseen & (new_levels == "draw")


def _block(
    frame: ModelFrame, i: int, z: Array, codes: Refs, drawn: Mask, complete: Mask
) -> RandomBlock | None:
    """Return the complete rows of a block with the levels that are drawn; None without any."""
    if not drawn.any():
        return None
    part = frame.random[i]
    found, refs = np.unique(codes[drawn], return_inverse=True)
    placed = np.zeros(len(codes), dtype=np.int32)
    placed[drawn] = refs
    return RandomBlock(
        part.name,
        np.where(drawn[:, None], z, 0.0)[complete],
        placed[complete],
        pd.RangeIndex(len(found)),
        part.names,
        part.pattern,
        part.terms,
    )
