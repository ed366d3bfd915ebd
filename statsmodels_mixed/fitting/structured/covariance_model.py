"""The covariances of all random effects of a model as functions of few parameters.

Sigma of a grouping factor is block diagonal: each of its terms has a structure, a function of
parameters phi on their natural scale. `CovarianceModel` joins them: phi of the model, and the
free coordinates x in which a minimizer moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreDesign
from ..._typing import Array
from ...frame.design import Design
from ...structures import Structure, Unconstrained
from ..covariance import factors_of, is_singular
from .fit import ReportedPart

if TYPE_CHECKING:
    from ...frame.own_places import OwnPlaces

__all__ = ["CovarianceModel", "CovariancePart", "factor", "inside_phi", "n_covariance"]


# Longest steps of coordinates that are not in units of their own: a logarithm, an angle.
LONGEST = 1.5
# Standard deviations are started at no less than this share of the largest.
LEAST_SHARE = 0.05
# A pivot below this share of its diagonal element is a rounding error.
PIVOT = 1e-14
# And so is what T T' misses of Sigma, as a share of its largest element.
MISSED = 1e-12


def factor(sigma: Array, ridge: Array | float = 0.0) -> Array:
    """Return lower-triangular T with T T' = Sigma + ridge; Sigma may be semidefinite.

    Parameters
    ----------
    sigma : ndarray, shape (k, k)
    ridge : ndarray, shape (k,), or float
        Added to the diagonal.
    """
    whole = sigma + np.diag(np.broadcast_to(ridge, len(sigma)))
    diagonal = whole.diagonal()
    plain: Array | None = None
    try:
        plain = np.asarray(np.linalg.cholesky(whole))
    except np.linalg.LinAlgError:
        pass
    else:
        # A pivot that is a rounding error may be positive as well as negative.
        if (plain.diagonal() ** 2 > PIVOT * diagonal).all():
            return plain
    S = whole.copy()
    T = np.zeros_like(S)
    for c in range(len(S)):
        if S[c, c] > PIVOT * diagonal[c]:
            T[c:, c] = S[c:, c] / np.sqrt(S[c, c])
            S[c:, c:] -= np.outer(T[c:, c], T[c:, c])
    if np.abs(T @ T.T - whole).max(initial=0.0) <= MISSED * diagonal.max(initial=0.0):
        return T
    # Rounding errors, not the rank, end the factorization of smooth functions of distance.
    if plain is not None:
        return plain
    for share in (1e-15, 1e-14, 1e-13, 1e-12):
        try:
            return np.asarray(np.linalg.cholesky(whole + share * np.diag(diagonal)))
        except np.linalg.LinAlgError:
            continue
    return T


@dataclass(frozen=True, eq=False)
class CovariancePart:
    """The structure of one term.

    Parameters
    ----------
    block : int
        Its grouping factor's number.
    columns : slice
        Its effects among those of the factor.
    group : str
        The grouping factor.
    structure : Structure
        Bound to the effects.
    phi : slice
        Its parameters among those of the model.
    reported : slice
        What is reported of it, among all.
    own : OwnPlaces, optional
        If its effects are at places of their own for every level.
    """

    block: int
    columns: slice
    group: str
    structure: Structure
    phi: slice
    reported: slice
    own: OwnPlaces | None = None

    @cached_property
    def free(self) -> Unconstrained:
        """The structure as a function of free coordinates."""
        return Unconstrained(self.structure)

    # With places of their own, of every level, and of the effects that its columns of Z have.

    def covariance(self, x: Array) -> Array:
        """Return Sigma at coordinates of the model, shape (k, k) or (l, k, k)."""
        own = x[self.phi]
        return self.free.sigma(own) if self.own is None else self.own.covariance(self.free.phi(own))

    def slopes(self, x: Array) -> Array:
        """Return dSigma / dx, shape (m, k, k) or (m, l, k, k)."""
        return self._of_columns(x, self.free.derivatives(x[self.phi]))

    def bends(self, x: Array) -> Array:
        """Return d2Sigma / dx dx, shape (m, m, k, k) or (m, m, l, k, k)."""
        return self._of_columns(x, self.free.second_derivatives(x[self.phi]))

    def _of_columns(self, x: Array, matrices: Array) -> Array:
        if self.own is None:
            return matrices
        return self.own.whitened(self.free.phi(x[self.phi]), matrices)

    def of_effects(self, phi: Array) -> Array:
        """Return Sigma of a level's columns of Z at parameters, shape (k, k)."""
        own = phi[self.phi]
        if self.own is None:
            return np.asarray(self.structure.sigma(own), dtype=float)
        return np.eye(self.structure.k) * self.own.deviation(own) ** 2


def n_covariance(design: Design) -> int:
    """Return the number of covariance parameters of a design, besides sigma."""
    if design.is_structured:
        return CovarianceModel(design).size
    return sum(int(block.pattern.sum()) for block in design.blocks)


class CovarianceModel:
    """All structures of a model.

    Parameters
    ----------
    design : Design
        Of which `is_structured` is true.

    Attributes
    ----------
    parts : tuple of CovariancePart
    size : int
        Number of parameters phi, and of coordinates x.
    related : tuple of RelatedLevels or None
        How the levels of each grouping factor are related.
    """

    def __init__(self, design: Design) -> None:
        parts, at, shown = [], 0, 0
        for t, block in enumerate(design.blocks):
            for columns, structure in zip(block.slices, block.structures, strict=True):
                m = len(structure.read().names)
                start = structure.starts(np.ones(structure.k))[0]
                r = len(structure.natural(start).names)
                own = [each for each in block.own_places if each.columns == columns]
                parts.append(
                    CovariancePart(
                        t,
                        columns,
                        block.name,
                        structure,
                        slice(at, at + m),
                        slice(shown, shown + r),
                        own[0] if own else None,
                    )
                )
                at, shown = at + m, shown + r
        self.parts = tuple(parts)
        self.size, self.n_reported = at, shown
        self.patterns = tuple(block.pattern for block in design.blocks)
        self.related = tuple(block.related for block in design.blocks)
        self._refs = tuple(block.refs for block in design.blocks)
        self._widths = tuple(len(block.names) for block in design.blocks)

    # The maps between coordinates, parameters and covariances.

    def phi(self, x: Array) -> Array:
        """Return the parameters at coordinates x."""
        return np.concatenate([part.free.phi(x[part.phi]) for part in self.parts])

    def x(self, phi: Array) -> Array:
        """Return coordinates of parameters."""
        return np.concatenate([part.free.x(phi[part.phi]) for part in self.parts])

    def slopes(self, x: Array) -> Array:
        """Return dphi_i / dx_i."""
        return np.concatenate([part.free.coordinates.slopes(x[part.phi])[0] for part in self.parts])

    def longest(self, x: Array) -> Array:
        """Return the longest step of each coordinate; standard deviations have none."""
        bounded = [part.free.coordinates.without_unit for part in self.parts]
        return np.where(np.concatenate(bounded), LONGEST, np.inf)

    def sigmas(self, phi: Array) -> tuple[Array, ...]:
        """Return Sigma of every grouping factor, (k, k)."""
        out = [np.zeros((k, k)) for k in self._widths]
        for part in self.parts:
            out[part.block][part.columns, part.columns] = part.of_effects(phi)
        return tuple(out)

    def factors(self, phi: Array, scale: float) -> tuple[Array, ...]:
        """Return T of every grouping factor with Sigma = scale^2 T T'."""
        out = [np.zeros((k, k)) for k in self._widths]
        for part in self.parts:
            out[part.block][part.columns, part.columns] = factor(part.of_effects(phi) / scale**2)
        return tuple(out)

    @property
    def has_own_places(self) -> bool:
        """Whether columns of Z are functions of parameters."""
        return any(part.own is not None for part in self.parts)

    def place(self, core: CoreDesign, phi: Array) -> bool:
        """Give the core the columns of Z at these parameters; return whether there are any."""
        for part in self.parts:
            if part.own is not None:
                core.set_columns(
                    part.block, part.columns, part.own.rows(phi[part.phi], self._refs[part.block])
                )
        return self.has_own_places

    def positive(self, x: Array) -> Array:
        """Return the same covariances with standard deviations that are not negative."""
        out = x.copy()
        for part in self.parts:
            at = part.phi.start + np.asarray(part.structure.read().even_scales, dtype=int)
            out[at] = np.abs(out[at])
        return out

    def definite(self, factors: Sequence[Array]) -> list[Array]:
        """Return the factors of the parts that are not singular by construction.

        Of smooth functions of distance, which are singular to rounding at places close together,
        only the first element: whether there is a variance at all.
        """
        out = []
        for part in self.parts:
            T = factors[part.block][part.columns, part.columns]
            if part.structure.needs == "coordinates" or part.own is not None:
                out.append(T[:1, :1])
            elif part.structure.definite:
                out.append(T)
        return out

    # What is reported.

    @cached_property
    def reported(self) -> tuple[ReportedPart, ...]:
        """What is said of each part."""
        out = []
        for part in self.parts:
            structure = part.structure
            start = structure.starts(np.ones(structure.k))[0]
            alike = structure.needs != "columns" and len(structure.read().scales) == 1
            out.append(
                ReportedPart(
                    part.block,
                    part.group,
                    structure.name,
                    part.columns.start,
                    part.columns.stop,
                    alike and structure.k > 1,
                    structure.natural(start).names,
                    (part.phi.start, part.phi.stop),
                )
            )
        return tuple(out)

    def natural(self, phi: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return what is reported, its derivatives (r, m), and which are standard deviations."""
        values, scales = np.empty(self.n_reported), np.zeros(self.n_reported, dtype=bool)
        jacobian = np.zeros((self.n_reported, self.size))
        for part in self.parts:
            own = part.structure.natural(phi[part.phi])
            values[part.reported] = own.values
            jacobian[part.reported, part.phi] = own.jacobian
            scales[part.reported] = own.scales
        return values, jacobian, scales

    def row(self, x: Array, units: Array) -> Array:
        """Return what is reported, and last 1 if a covariance matrix is singular, else 0.

        Parameters
        ----------
        x : ndarray, shape (m,)
            Coordinates.
        units : ndarray, shape (n_theta,)
            The factors there, in units of what a row can detect.
        """
        values, _, _ = self.natural(self.phi(self.positive(x)))
        singular = is_singular(self.definite(factors_of(units, self.patterns)))
        return np.append(values, float(singular))

    def units(self, sds: Sequence[Array]) -> Array:
        """Return the unit of each coordinate, given typical standard deviations by factor."""
        parts = [part.free.units(sds[part.block][part.columns]) for part in self.parts]
        return np.concatenate(parts) if parts else np.empty(0)

    # Where to start.

    def starts(self, sds: Sequence[Array]) -> list[Array]:
        """Return parameters to start from.

        Parameters
        ----------
        sds : sequence of ndarray, shape (k,)
            Guesses at the standard deviations of the effects of each grouping factor.

        Returns
        -------
        list of ndarray
            Each structure's first start, then the others, one structure at a time.
        """
        choices = [part.structure.starts(sds[part.block][part.columns]) for part in self.parts]
        first = [some[0] for some in choices]
        out = [np.concatenate(first)]
        for i, some in enumerate(choices):
            for other in some[1:]:
                out.append(np.concatenate([*first[:i], other, *first[i + 1 :]]))
        return out


def inside_phi(model: CovarianceModel, phi: Array, unit: float) -> Array:
    """Return parameters off the ends of their ranges, from which to start.

    Parameters
    ----------
    model : CovarianceModel
    phi : ndarray, shape (m,)
        Estimates. Ends of intervals are left by `CovarianceModel.x`.
    unit : float
        The residual standard deviation, or what a row can detect of the linear predictor.
    """
    out = phi.copy()
    for part in model.parts:
        scales = np.asarray(part.structure.read().scales, dtype=int)
        if not len(scales):
            continue
        at = part.phi.start + scales
        least = LEAST_SHARE * (float(np.abs(out[at]).max()) or unit)
        if part.structure.name not in ("us", "rr"):
            out[at] = np.maximum(np.abs(out[at]), least)
        elif not out[at].any():
            out[part.phi] = part.structure.starts(np.full(part.structure.k, least))[0]
        _move_to_effect(part, out)
    return out


def _move_to_effect(part: CovariancePart, phi: Array) -> None:
    """Put ranges and rates with which Sigma does not change where a fit starts.

    From where a range leaves no correlation a search finds none.
    """
    own = phi[part.phi]
    still = part.free.without_effect(part.free.x(own))
    start = part.structure.starts(np.ones(part.structure.k))[0]
    own[still] = start[still]
