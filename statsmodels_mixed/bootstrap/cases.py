"""Resampled data: levels of a grouping factor drawn with replacement.

Every level drawn becomes a level of its own, with all its rows, and so do the levels of other
factors that are nested in it: copies of a level have random effects of their own, as levels of
the population have. What a level shares with others stays shared by its copies: the levels of
a crossed factor, and those of a factor that contains it. Levels that are nested in another
factor's are exchangeable there only, and are drawn from there (Davison and Hinkley 1997,
section 3.8; van der Leeden, Meijer and Busing 2008).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array, Positions
from ..errors import CoreError, MixedModelError, OptionError
from ..fitting.estimates import Estimates
from ..fitting.fixed_effects.basis import orthonormal_basis
from ..fitting.problem import FittingProblem, problem_of
from ..fitting.refits import Fits, Fitter, Flag
from ..fitting.separation import SolvedRows
from ..frame.design import Design, RandomBlock
from ..frame.design_checks import refuse_related
from ..frame.row_groups import lies_within
from ..simulation.simulator import Truth
from ..simulation.streams import stream_length
from .refitters import Refitter

__all__ = ["CaseRefitter", "Cases", "cases_of"]


# Share of a lost column of X that a coefficient may have without being touched by the loss.
UNTOUCHED = 1e-8


def _factor(design: Design, by: str | None) -> int:
    """Return the position of the block whose levels are to be drawn."""
    blocks = design.blocks
    names = ", ".join(repr(block.name) for block in blocks)
    if by is not None:
        for at, block in enumerate(blocks):
            if block.name == by:
                return at
        raise OptionError(f"by={by!r} is no grouping factor of the model; it has {names}.")
    for at, block in enumerate(blocks):
        if all(lies_within(other.refs, block.refs) for other in blocks):
            return at
    raise OptionError(
        f"no grouping factor contains all others ({names}): name the one whose levels are to be "
        "drawn by by=."
    )


class _Inside(NamedTuple):
    """Levels of a block that are nested in the levels that are drawn.

    Attributes
    ----------
    number : ndarray of int
        The number of each level among those within the same.
    sizes : ndarray of int, shape (l,)
        How many levels are nested in each that is drawn.
    """

    number: Positions
    sizes: Positions


def _inside(block: RandomBlock, of: RandomBlock) -> _Inside | None:
    """Return how the levels of a block are nested in others; None if they are not."""
    if not lies_within(block.refs, of.refs):
        return None
    owner = np.empty(len(block.levels), dtype=np.intp)
    owner[block.refs] = of.refs
    sizes = np.bincount(owner, minlength=len(of.levels))
    number = np.empty(len(owner), dtype=np.intp)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    number[np.argsort(owner, kind="stable")] = np.arange(len(owner)) - starts
    return _Inside(number, sizes)


@dataclass(frozen=True, eq=False)
class Cases:
    """Draws levels of one grouping factor, and makes the design of such a draw.

    Parameters
    ----------
    design : Design
    by : str
        The grouping factor.
    rows : ndarray of int, shape (n,)
        Rows of the design, level by level.
    first, count : ndarray of int, shape (l,)
        Where the rows of each level begin in `rows`, and how many there are.
    strata : ndarray of int, shape (l,)
        The levels, those that can take each other's place side by side.
    begin, size : ndarray of int, shape (l,)
        For each draw, where the levels it is made from begin in `strata`, and how many
        they are.
    inside : tuple
        For each block how its levels are nested in those of the factor; None if they are not.
    """

    design: Design
    by: str
    rows: Positions
    first: Positions
    count: Positions
    strata: Positions
    begin: Positions
    size: Positions
    inside: tuple[_Inside | None, ...]

    @property
    def stream_length(self) -> int:
        """Draws that share a stream."""
        return stream_length(len(self.count), "cases")

    def draw(self, rng: np.random.Generator, count: int) -> Positions:
        """Draw the levels of the next `count` samples of a stream, shape (count, l)."""
        at = self.begin + (rng.random((count, len(self.size))) * self.size).astype(np.intp)
        return self.strata[at]

    def rows_of(self, drawn: Positions) -> tuple[Positions, Positions]:
        """Return the rows of levels, and the number of the copy that each belongs to.

        Parameters
        ----------
        drawn : ndarray of int, shape (l,)
            Levels, in any number of copies.
        """
        lengths = self.count[drawn]
        copy = np.repeat(np.arange(len(drawn)), lengths)
        within = np.arange(len(copy)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.rows[self.first[drawn][copy] + within], copy

    def sample(self, drawn: Positions) -> Design:
        """Return the design of the rows of levels, shape (l,), copies kept apart.

        Parameters
        ----------
        drawn : ndarray of int, shape (l,)
            Levels, in any number of copies.
        """
        design, (rows, copy) = self.design, self.rows_of(drawn)
        blocks = []
        for block, inside in zip(design.blocks, self.inside, strict=True):
            whose = refs = block.refs[rows]
            levels = block.levels
            if inside is not None:
                ends = np.cumsum(inside.sizes[drawn])
                starts = ends - inside.sizes[drawn]
                refs = (starts[copy] + inside.number[refs]).astype(refs.dtype)
                levels = pd.RangeIndex(int(ends[-1]))
            blocks.append(block.of_rows(rows, refs, levels, whose))
        return replace(
            design,
            y=design.y[rows],
            X=design.X[rows],
            weights=None if design.weights is None else design.weights[rows],
            offset=None if design.offset is None else design.offset[rows],
            blocks=tuple(blocks),
        )


def cases_of(design: Design, by: str | None) -> Cases:
    """Prepare the drawing of levels.

    Parameters
    ----------
    design : Design
    by : str or None
        Name of the grouping factor; None for the one that contains all others.

    Raises
    ------
    OptionError
        If there is no such factor, or None does not say which.
    """
    refuse_related(design, "a bootstrap of cases")
    of = design.blocks[_factor(design, by)]
    if len(of.levels) == 1:
        raise OptionError(f"{of.name!r} has a single level: no other samples can be drawn.")
    count = np.bincount(of.refs, minlength=len(of.levels))
    around = [
        block.refs
        for block in design.blocks
        if lies_within(of.refs, block.refs) and not lies_within(block.refs, of.refs)
    ]
    stratum = np.zeros(len(count), dtype=np.intp)
    if around:
        owners = np.zeros((len(count), len(around)), dtype=np.intp)
        owners[of.refs] = np.column_stack(around)
        stratum = np.unique(owners, axis=0, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(stratum)
    return Cases(
        design=design,
        by=of.name,
        rows=np.argsort(of.refs, kind="stable"),
        first=np.cumsum(count) - count,
        count=count,
        strata=np.argsort(stratum, kind="stable"),
        begin=np.repeat(np.cumsum(sizes) - sizes, sizes),
        size=np.repeat(sizes, sizes),
        inside=tuple(_inside(block, of) for block in design.blocks),
    )


class CaseRefitter(Refitter):
    """Fits the model to samples of levels, as it was fitted to the data.

    A coefficient that cannot be estimated from a sample is NaN there; the others keep their
    meaning. A sample to which the model cannot be fitted is NaN altogether.

    Parameters
    ----------
    cases : Cases
    estimates : Estimates
        Say how the model was fitted.
    start : Truth
        Where fits start, unless theta is at a bound.
    """

    def __init__(self, cases: Cases, estimates: Estimates, start: Truth) -> None:
        self._cases, self._estimates, self._start = cases, estimates, start
        structured = estimates.structured
        self._n_reported = 0 if structured is None else len(structured.values)

    def fitter(self) -> Fitter:
        """Return what fits in one thread; it is given levels, shape (m, l)."""

        def fit(draws: NDArray[Any], stop: Flag) -> Fits:
            fits = Fits.unknown(
                len(draws), len(self._start.beta), len(self._start.theta), self._n_reported
            )
            for r, drawn in enumerate(draws):
                if stop[0]:
                    return fits.first(r)
                with suppress(CoreError, MixedModelError):
                    self._fit(drawn, fits, r)
            return fits

        return fit

    def _problem(self, design: Design, drawn: Positions) -> FittingProblem:
        """Return the model of a sample of levels, ready to be fitted."""
        return problem_of(design, self._estimates)

    def _fit(self, drawn: Positions, out: Fits, r: int) -> None:
        design = self._cases.sample(drawn)
        X = design.X[:, self._estimates.columns]
        kept = orthonormal_basis(X, None).columns
        names = tuple(design.x_names[i] for i in self._estimates.columns[kept])
        design = replace(design, X=np.ascontiguousarray(X[:, kept]), x_names=names)
        problem = self._problem(design, drawn)
        fitted = problem.fit(self._begin(problem, kept))
        if len(fitted.columns) < len(kept):  # judged with weights
            kept = kept[fitted.columns]
        same = _untouched(X, kept)
        at = kept[same]
        out.objective[r], out.scale[r] = fitted.objective, fitted.scale
        out.beta[r, at] = fitted.beta[same]
        out.covariance[r][np.ix_(at, at)] = fitted.cov_conditional[np.ix_(same, same)]
        out.theta[r], shown = self._covariances(fitted)
        out.converged[r] = fitted.report.converged
        if out.reported is not None and shown is not None:
            out.reported[r] = np.append(shown, float(fitted.singular))
        out.separated[r, at] = problem.separation(
            design.X[:, fitted.columns],
            design.y,
            fitted.cov_conditional,
            converged=fitted.report.converged,
            rows=None
            if fitted.linear
            else SolvedRows(fitted.eta, design.weights, fitted.dispersion),
        ).sign[same]

    def _covariances(self, fitted: Estimates) -> tuple[Array, Array | None]:
        """Return theta, and covariance parameters as they are reported where these are others."""
        structured = fitted.structured
        return fitted.theta, None if structured is None else structured.values

    def _begin(self, problem: FittingProblem, kept: Positions) -> Array | None:
        """Return where a fit starts that has these columns; None for the usual start."""
        start = self._start
        if self._estimates.singular:
            return None
        return problem.parameters(start.theta, start.beta[kept], start.scale)


def _untouched(X: Array, kept: Positions) -> NDArray[np.bool_]:
    """Return which columns that are kept have no part in those that depend on them.

    Their coefficients are the same functions of the means as before; those of the other
    columns have taken over from the lost ones.
    """
    lost = np.setdiff1d(np.arange(X.shape[1]), kept)
    if not len(lost):
        return np.ones(len(kept), dtype=bool)
    sizes = np.linalg.norm(X, axis=0)
    unit = X / np.where(sizes > 0, sizes, 1.0)
    shares = np.linalg.lstsq(unit[:, kept], unit[:, lost], rcond=None)[0]
    return np.asarray((np.abs(shares) < UNTOUCHED).all(axis=1))
