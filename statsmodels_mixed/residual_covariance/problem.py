"""A design and the places of its residuals become a likelihood: parts, batches, coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._core.coordinates import orthogonalizer
from .._typing import Array
from ..fitting.fixed_effects.basis import FixedBasis, orthonormal_basis, residual_response
from ..fitting.structured.several_starts import MANY_ROWS
from ..frame.design import Design, RandomBlock
from ..frame.row_groups import design_of_rows
from ..later import load
from ..structures import Structure, Unconstrained, Unstructured, make
from .cells import Cells
from .components import Batch, gather
from .covariance import Part, ResponseCovariance, ends
from .likelihood import MarginalLikelihood

__all__ = ["ResidualProblem", "covariance_model", "structured_terms"]


# Correlations to start from are shrunk to zero, as by this many pairs of uncorrelated rows, and
# their matrix has at least this eigenvalue.
FEW_PAIRS = 2.0
# Of strata with unequal variances at most this many are tried with deviations of this share.
MOST_STRATA = 6
SMALL = 0.2
LEAST_EIGENVALUE = 0.1


def structured_terms(block: RandomBlock) -> list[tuple[slice, Structure]]:
    """Return columns and structure of each term of random effects of a block."""
    found, start = [], 0
    if block.structures:
        return list(zip(block.slices, block.structures, strict=True))
    pattern = block.pattern | block.pattern.T
    while start < len(pattern):
        stop = start + 1
        while stop < len(pattern) and pattern[stop, start:stop].any():
            stop += 1
        found.append((slice(start, stop), make("us").bind(block.names[start:stop])))
        start = stop
    return found


def _stratum_name(cells: Cells, i: int) -> str:
    """Return what the residuals of a stratum are called."""
    if cells.term is None or cells.term.by is None:
        return "Residual"
    return f"Residual, {cells.term.by} {cells.strata[i]}"


def changes_of(design: Design) -> tuple[Array, ...] | None:
    """Return C of each block with z C in place of columns z that nearly depend on one another.

    Those of an unstructured covariance matrix, as of (x | g) with x far from zero, which is one in
    any columns (see `TermCoordinates`).

    Returns
    -------
    tuple of ndarray, shape (k, k), or None
        None where nothing changes.
    """
    found, changed = [], False
    for block in design.blocks:
        C = np.eye(len(block.names))
        for at, structure in structured_terms(block):
            if structure.name == "us" and structure.k > 1:
                made = orthogonalizer(block.z[:, at], design.weights)
                if made is not None:
                    C[at, at], changed = made[0], True
        found.append(C)
    return tuple(found) if changed else None


def _changes(cells: Cells, blocks: Sequence[RandomBlock]) -> tuple[Array, ...] | None:
    """Return the changes of columns where these are the blocks of the fit, not fewer of them."""
    changes = cells.changes
    if changes is None or list(map(len, changes)) != [len(block.names) for block in blocks]:
        return None
    return changes


def _change(changes: tuple[Array, ...] | None, block: int, at: slice) -> Array | None:
    """Return what changes the columns of a part, if anything does."""
    if block < 0 or changes is None:
        return None
    C = changes[block][at, at]
    return None if np.array_equal(C, np.eye(len(C))) else C


def covariance_model(cells: Cells, blocks: tuple[RandomBlock, ...]) -> ResponseCovariance:
    """Return the parts of V."""
    named: list[tuple[str, Structure, int, slice]] = []
    changes = _changes(cells, blocks)
    places = ends([structure.k for structure in cells.structures])
    for i, structure in enumerate(cells.structures):
        named.append((_stratum_name(cells, i), structure, -1, places[i]))
    for t, block in enumerate(blocks):
        named += [(block.name, structure, t, at) for at, structure in structured_terms(block)]
    free = [Unconstrained(structure) for _, structure, _, _ in named]
    coordinates = ends([each.size for each in free])
    parts = tuple(
        Part(name, each, block, at, own, _change(changes, block, at))
        for (name, _, block, at), each, own in zip(named, free, coordinates, strict=True)
    )
    return ResponseCovariance(parts, None if cells.dispersion is None else cells.dispersion.centred)


@dataclass(frozen=True, eq=False)
class ResidualProblem:
    """A design with correlated residuals, ready to be fitted.

    Parameters
    ----------
    design : Design
    cells : Cells
    """

    design: Design
    cells: Cells

    # The same with something changed.

    def with_response(self, y: Array) -> ResidualProblem:
        """Return the problem of another response, what does not depend on it shared."""
        other = ResidualProblem(replace(self.design, y=y), self.cells)
        for name in ("roots", "basis", "z", "model", "batches"):
            other.__dict__[name] = getattr(self, name)
        return other

    def of_rows(
        self, keep: NDArray[np.bool_], columns: NDArray[np.intp] | None = None
    ) -> ResidualProblem:
        """Return the problem of some rows, and perhaps of some columns of X."""
        design = design_of_rows(self.design, keep)
        if columns is not None:
            names = tuple(design.x_names[i] for i in columns)
            design = replace(design, X=np.ascontiguousarray(design.X[:, columns]), x_names=names)
        return ResidualProblem(design, self.cells.of_rows(keep))

    def without_random_effects(self) -> ResidualProblem:
        """Return the problem of the same residuals alone."""
        return ResidualProblem(replace(self.design, blocks=()), self.cells)

    # Computed from the data.

    @cached_property
    def roots(self) -> Array | None:
        """Square roots of the prior weights, by which all rows are multiplied."""
        weights = self.design.weights
        return None if weights is None else np.sqrt(weights)

    def _weighted(self, values: Array) -> Array:
        if self.roots is None:
            return values
        return values * (self.roots[:, None] if values.ndim == 2 else self.roots)

    @cached_property
    def basis(self) -> FixedBasis:
        """An orthonormal basis of the weighted columns of X."""
        return orthonormal_basis(self._weighted(self.design.X), None)

    @cached_property
    def split(self) -> tuple[Array, Array, float]:
        """The weighted response: its part in the basis, and the residual over its size."""
        y = self.design.y_less_offset
        return residual_response(self._weighted(y), self._weighted(self.design.X), self.basis, None)

    @cached_property
    def residual(self) -> Array:
        """The residual of least squares, weighted."""
        return self.split[1] * self.split[2]

    @cached_property
    def z(self) -> tuple[Array, ...]:
        """Weighted columns of the random effects of each block."""
        return tuple(self._weighted(z) for z in self.changed([b.z for b in self.design.blocks]))

    @property
    def changes(self) -> tuple[Array, ...] | None:
        """C of each block, whose columns z C are fitted; None where nothing changes."""
        return _changes(self.cells, self.design.blocks)

    def changed(self, z: Sequence[Array]) -> list[Array]:
        """Return columns of the random effects of each block, (m, k), as those that are fitted."""
        changes = self.changes
        return list(z) if changes is None else [own @ C for own, C in zip(z, changes, strict=True)]

    def column_sizes(self, t: int, weights: Array | None = None) -> Array:
        """Return the sizes of the columns of a block that are fitted, shape (k,)."""
        block = self.design.blocks[t]
        z = block.z if self.changes is None else block.z @ self.changes[t]
        return replace(block, z=z).column_sizes(weights)

    def effects_back(self, t: int, effects: Array) -> Array:
        """Return random effects b of the user's columns, (l, k), or factors T, transposed."""
        return effects if self.changes is None else effects @ self.changes[t].T

    @cached_property
    def model(self) -> ResponseCovariance:
        """V as a function of the covariance parameters."""
        return covariance_model(self.cells, self.design.blocks)

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The components of the rows."""
        return gather(self.cells, self.design.blocks, self.z, self.model.size)

    def likelihood(
        self, reml: bool, X: Array | None = None, y: Array | None = None
    ) -> MarginalLikelihood:
        """Return the likelihood of the residual in the basis; that of y is the same.

        Other columns and another weighted response may be given.
        """
        constant = self.basis.logdet if reml else 0.0
        if self.design.weights is not None:
            constant -= float(np.log(self.design.weights).sum())
        return MarginalLikelihood(
            self.model,
            self.batches,
            self.basis.Q if X is None else X,
            self.residual if y is None else y,
            reml=reml,
            constant=constant,
        )

    @cached_property
    def units(self) -> Array:
        """The unit of each coordinate."""
        size = self.split[2] / np.sqrt(2.0 if self.design.blocks else 1.0)
        weights, found = self.design.weights, []
        for part in self.model.parts:
            own = np.full(part.free.structure.k, size)
            if part.block >= 0:
                own = own / self.column_sizes(part.block, weights)[part.columns]
            found.append(part.free.units(own))
        gamma = self.model.gamma
        return np.concatenate([*found, np.ones(gamma.stop - gamma.start)])

    @cached_property
    def nearly_one(self) -> list[list[tuple[slice, Unconstrained, Array]]]:
        """The terms of factors with columns that are nearly one; see `lower_with_large_effects`."""
        out = []
        for t in load("fitting.search.nearly_one:blocks_nearly_one")(self.design):
            sds = self.split[2] / self.column_sizes(t, self.design.weights)
            own = [part for part in self.model.parts if part.block == t]
            out.append([(part.parameters, part.free, sds[part.columns]) for part in own])
        return out

    # Coordinates to start from.

    def starts(self) -> list[Array]:
        """Return coordinates from which to look for the minimum, the likeliest first.

        Random effects may be those of any stratum of unequal variances that leaves little else:
        with few rows each is tried.
        """
        d = self.cells.dispersion
        if d is None:
            return self._starts_beside(np.zeros(0))
        found = self._starts_beside(_first_gamma(d.columns, self.residual))
        if self.design.blocks and len(self.residual) <= MANY_ROWS * self.model.size:
            found += [self._starts_beside(gamma)[0] for gamma in _small_strata(d.columns)]
        return found

    def _starts_beside(self, gamma: Array) -> list[Array]:
        """Return starts with these coefficients of log(sd)."""
        r, model, weights = self.residual, self.model, self.design.weights
        d = self.cells.dispersion
        log_scale = np.zeros(len(r)) if d is None else d.columns @ gamma
        squares = (r * np.exp(-log_scale)) ** 2
        share = 0.5 if self.design.blocks else 1.0
        overall = max(float(np.mean(squares)), np.finfo(float).tiny)
        counts = np.bincount(self.cells.place, minlength=model.places)
        means = np.bincount(self.cells.place, squares, model.places) / np.maximum(counts, 1)
        # The variance at a place with few residuals is poorly estimated.
        sds = np.sqrt(share * (counts * means + 2.0 * overall) / (counts + 2.0))
        every: list[list[Array]] = []
        for part in model.parts:
            if part.block < 0:
                guess = sds[part.columns]
                if isinstance(part.free.structure, Unstructured) and share == 1.0:
                    own = self._correlations(r * np.exp(-log_scale), part.columns)
                    T = np.linalg.cholesky(own * np.outer(guess, guess))
                    every.append([part.free.x(T[part.free.structure.places(len(T))])])
                    continue
            else:
                size = self.column_sizes(part.block, weights)[part.columns]
                guess = np.sqrt(0.5 * np.mean(r**2)) / size / np.sqrt(len(size))
            found = part.free.structure.starts(guess)
            every.append([part.free.x(phi) for phi in found])
        tries = max(len(each) for each in every)
        out = []
        for i in range(tries):
            x = np.concatenate([each[min(i, len(each) - 1)] for each in every] + [gamma])
            out.append(x)
        return out

    def _correlations(self, r: Array, columns: slice) -> Array:
        """Return correlations of residuals at some places by their products, well inside."""
        places = self.model.places
        products, pairs = np.zeros((2, places**2))
        for batch in self.batches:
            own, place = r[batch.rows], batch.place[batch.pattern]
            at = (place[:, :, None] * places + place[:, None, :]).ravel()
            together = batch.together[batch.pattern].ravel()
            both = (own[:, :, None] * own[:, None, :]).ravel()
            products += np.bincount(at, together * both, places**2)
            pairs += np.bincount(at, together, places**2)
        C = products.reshape(places, places)[columns, columns]
        C = C / np.maximum(pairs.reshape(places, places)[columns, columns] + FEW_PAIRS, 1.0)
        sds = np.sqrt(np.maximum(np.diag(C), np.finfo(float).tiny))
        C = C / np.outer(sds, sds)
        values, vectors = np.linalg.eigh(C)
        C = (vectors * np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
        sds = np.sqrt(np.diag(C))
        return np.asarray(C / np.outer(sds, sds))


def _first_gamma(U: Array, r: Array) -> Array:
    """Return coefficients of log|r| on U, by least squares."""
    floor = 1e-3 * float(np.sqrt(np.mean(r**2)))
    centred = U - U.mean(axis=0)
    target = np.log(np.maximum(np.abs(r), floor))
    return np.asarray(np.linalg.lstsq(centred, target - target.mean(), rcond=None)[0])


def _small_strata(U: Array) -> list[Array]:
    """Return coefficients of equal deviations, and of one stratum with a small one, of few."""
    equal = np.zeros(U.shape[1])
    strata = np.unique(U, axis=0)
    if len(strata) > MOST_STRATA:
        return [equal]
    centred = strata - strata.mean(axis=0)
    targets = -np.log(SMALL) * (1.0 / len(strata) - np.eye(len(strata)))
    return [equal, *np.linalg.lstsq(centred, targets, rcond=None)[0].T]
