"""V of the rows as a function of all covariance parameters, with its derivatives.

For two rows a, b of one component

    V[a, b] = g_a g_b Sigma_0[place_a, place_b] [one subject] + sum_t z_a' Sigma_t z_b [one level]

with log g = Q gamma, of columns Q of the dispersion (see `Centred`); for related levels the element
of Q^-1 stands in place of [one level]. Every Sigma is a function of free coordinates x, in which
the derivatives are taken. A matrix H with one element for each of V, the derivative of something
with respect to V, is *pulled back* to the Sigmas first; second derivatives are small matrices then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..fitting.covariance import change_of_triangle
from ..structures import Unconstrained
from .components import Batch
from .dispersion import Centred

__all__ = ["CovarianceAt", "Part", "ResponseCovariance", "ends"]


@dataclass(frozen=True, eq=False)
class Part:
    """One structure: residuals of a stratum, or a term of random effects.

    Parameters
    ----------
    name : str
        What it is the covariance of.
    free : Unconstrained
        Sigma of coordinates.
    block : int
        Number of the random block; -1 for residuals.
    columns : slice
        Its places, or its columns among those of the block.
    parameters : slice
        Its coordinates.
    C : ndarray, shape (k, k), or None
        Lower triangular, where the coordinates are those of an unstructured C^-1 T; see
        `changes_of`.
    """

    name: str
    free: Unconstrained
    block: int
    columns: slice
    parameters: slice
    C: Array | None = None

    @cached_property
    def L(self) -> Array:
        """What takes the elements of C^-1 T, column by column, to those of T, shape (m, m)."""
        if self.C is None:
            return np.eye(self.free.size)
        return change_of_triangle(self.C)


class ResponseCovariance:
    """The parts of V.

    Parameters
    ----------
    parts : tuple of Part
        Those of residuals first.
    centred : Centred, optional
        The columns of the dispersion, whose coefficients are the last coordinates.
    """

    def __init__(self, parts: tuple[Part, ...], centred: Centred | None) -> None:
        self.parts, self.centred = parts, centred
        self.residuals = tuple(part for part in parts if part.block < 0)
        self.effects = tuple(part for part in parts if part.block >= 0)
        end = max(part.parameters.stop for part in parts)
        n_dispersion = 0 if centred is None else len(centred.middle)
        self.gamma = slice(end, end + n_dispersion)
        self.size = end + n_dispersion
        self.places = max(part.columns.stop for part in self.residuals)

    def at(self, x: Array) -> CovarianceAt:
        """Return V and its derivatives at coordinates x."""
        return CovarianceAt(self, np.asarray(x, dtype=float))


def _by_place(matrix: Array, place: NDArray[np.intp]) -> Array:
    """Return elements [..., place_a, place_b], shape (..., P, m, m)."""
    return matrix[..., place[:, :, None], place[:, None, :]]


class CovarianceAt:
    """V and its derivatives at given coordinates."""

    def __init__(self, model: ResponseCovariance, x: Array) -> None:
        self.model, self.x = model, x

    # Small matrices.

    @cached_property
    def sigma(self) -> Array:
        """Sigma_0 of all strata, block diagonal."""
        out = np.zeros((self.model.places,) * 2)
        for part in self.model.residuals:
            out[part.columns, part.columns] = part.free.sigma(self.x[part.parameters])
        return out

    @cached_property
    def slopes(self) -> Array:
        """Return dSigma_0 / dx of all strata, shape (m, K, K)."""
        end = self.model.residuals[-1].parameters.stop
        out = np.zeros((end, *self.sigma.shape))
        for part in self.model.residuals:
            out[part.parameters, part.columns, part.columns] = part.free.derivatives(
                self.x[part.parameters]
            )
        return out

    @cached_property
    def effects(self) -> list[Array]:
        """Return Sigma of each term of random effects."""
        return [part.free.sigma(self.x[part.parameters]) for part in self.model.effects]

    def block_sigmas(self, sizes: list[int]) -> list[Array]:
        """Return Sigma of each block of random effects, of given sizes."""
        out = [np.zeros((size, size)) for size in sizes]
        for part, sigma in zip(self.model.effects, self.effects, strict=True):
            out[part.block][part.columns, part.columns] = sigma
        return out

    @cached_property
    def effect_slopes(self) -> list[Array]:
        """Return dSigma / dx of each term."""
        return [part.free.derivatives(self.x[part.parameters]) for part in self.model.effects]

    # V of a batch.

    def _log_scales(self, batch: Batch) -> Array:
        return np.asarray(batch.u @ self.x[self.model.gamma])

    def _scales(self, batch: Batch) -> Array | None:
        """Return g_a g_b, shape (P, m, m)."""
        if not batch.u.shape[2]:
            return None
        g = np.exp(self._log_scales(batch))
        return np.asarray(g[:, :, None] * g[:, None, :])

    def residual(self, batch: Batch) -> Array:
        """Return the covariance of the residuals, shape (P, m, m)."""
        R = _by_place(self.sigma, batch.place) * batch.together
        scales = self._scales(batch)
        return R if scales is None else R * scales

    def value(self, batch: Batch) -> Array:
        """Return V of each pattern, shape (P, m, m)."""
        V = self.residual(batch)
        for part, sigma in zip(self.model.effects, self.effects, strict=True):
            z = batch.z[part.block][:, :, part.columns]
            V = V + (z @ sigma @ z.transpose(0, 2, 1)) * batch.shared[part.block]
        return V

    def derivatives(self, batch: Batch) -> Array:
        """Return dV / dx_i, shape (size, P, m, m)."""
        count, m = batch.place.shape
        out = np.zeros((self.model.size, count, m, m))
        end = len(self.slopes)
        out[:end] = _by_place(self.slopes, batch.place) * batch.together
        scales = self._scales(batch)
        if scales is not None:
            out[:end] *= scales
            sums = batch.u[:, :, None, :] + batch.u[:, None, :, :]
            out[self.model.gamma] = self.residual(batch) * np.moveaxis(sums, 3, 0)
        for part, slopes in zip(self.model.effects, self.effect_slopes, strict=True):
            z = batch.z[part.block][:, :, part.columns]
            out[part.parameters] = (z @ slopes[:, None] @ z.transpose(0, 2, 1)) * batch.shared[
                part.block
            ]
        return out

    def weighted_second(self, batch: Batch, W: Array) -> Array:
        """Return sum_ij W_ij d2V / dx_i dx_j of each pattern, shape (P, m, m)."""
        places = self.model.places
        curved = np.zeros((places, places))
        for part in self.model.residuals:
            own = W[part.parameters, part.parameters]
            second = part.free.second_derivatives(self.x[part.parameters])
            curved[part.columns, part.columns] = np.einsum("ij,ijab->ab", own, second)
        out = _by_place(curved, batch.place) * batch.together
        scales = self._scales(batch)
        if scales is not None:
            sums = batch.u[:, :, None, :] + batch.u[:, None, :, :]
            end = len(self.slopes)
            mixed = np.einsum("il,iab->lab", W[:end, self.model.gamma], self.slopes)
            mixed = _by_place(mixed, batch.place) * batch.together
            out = scales * (out + 2.0 * np.einsum("lpab,pabl->pab", mixed, sums))
            own = W[self.model.gamma, self.model.gamma]
            out += self.residual(batch) * np.einsum("pabl,lk,pabk->pab", sums, own, sums)
        for part in self.model.effects:
            second = part.free.second_derivatives(self.x[part.parameters])
            small = np.einsum("ij,ijab->ab", W[part.parameters, part.parameters], second)
            z = batch.z[part.block][:, :, part.columns]
            out = out + (z @ small @ z.transpose(0, 2, 1)) * batch.shared[part.block]
        return out

    def pulled(self) -> Pulled:
        """Return sums to which derivatives with respect to V are added, batch by batch."""
        return Pulled(self)


class Pulled:
    """Derivatives with respect to the Sigmas, summed over batches."""

    def __init__(self, at: CovarianceAt) -> None:
        self.at, model = at, at.model
        d = model.gamma.stop - model.gamma.start
        # Of Sigma_0, and of Sigma_0 together with each element of gamma.
        self.sigma = np.zeros((1 + d, model.places, model.places))
        self.gamma, self.gammas = np.zeros(d), np.zeros((d, d))
        self.effects = [np.zeros_like(sigma) for sigma in at.effects]

    def add(self, batch: Batch, H: Array) -> None:
        """Add the derivative H, (P, m, m), with respect to V of a batch."""
        places, d = self.at.model.places, len(self.gamma)
        index = (batch.place[:, :, None] * places + batch.place[:, None, :]).ravel()
        own = H * batch.together
        scales = self.at._scales(batch)
        if scales is not None:
            own = own * scales
            sums = batch.u[:, :, None, :] + batch.u[:, None, :, :]
            R = own * _by_place(self.at.sigma, batch.place)
            self.gamma += np.einsum("pab,pabl->l", R, sums)
            self.gammas += np.einsum("pab,pabl,pabk->lk", R, sums, sums)
        for i in range(1 + d):
            values = own if i == 0 else own * sums[..., i - 1]
            self.sigma[i] += np.bincount(index, values.ravel(), places * places).reshape(
                places, places
            )
        for part, out in zip(self.at.model.effects, self.effects, strict=True):
            z = batch.z[part.block][:, :, part.columns]
            out += np.sum(z.transpose(0, 2, 1) @ (H * batch.shared[part.block]) @ z, axis=0)

    def gradient(self) -> Array:
        """Return the derivative with respect to x, shape (size,)."""
        at, model = self.at, self.at.model
        out = np.zeros(model.size)
        end = len(at.slopes)
        out[:end] = at.slopes.reshape(end, -1) @ self.sigma[0].ravel()
        out[model.gamma] = self.gamma
        for part, G, slopes in zip(model.effects, self.effects, at.effect_slopes, strict=True):
            out[part.parameters] = np.einsum("iab,ab->i", slopes, G)
        return out

    def second(self) -> Array:
        """Return tr(H d2V / dx_i dx_j), shape (size, size)."""
        at, model = self.at, self.at.model
        out = np.zeros((model.size, model.size))
        for part in model.residuals:
            G = self.sigma[0][part.columns, part.columns]
            second = part.free.second_derivatives(at.x[part.parameters])
            out[part.parameters, part.parameters] = (
                second.reshape(*second.shape[:2], -1) @ G.ravel()
            )
        end = len(at.slopes)
        for i in range(len(self.gamma)):
            mixed = at.slopes.reshape(end, -1) @ self.sigma[1 + i].ravel()
            out[:end, model.gamma.start + i] = out[model.gamma.start + i, :end] = mixed
        out[model.gamma, model.gamma] = self.gammas
        for part, G in zip(model.effects, self.effects, strict=True):
            second = part.free.second_derivatives(at.x[part.parameters])
            out[part.parameters, part.parameters] = np.einsum("ijab,ab->ij", second, G)
        return out


def ends(sizes: list[int]) -> list[slice]:
    """Return consecutive slices of given lengths."""
    bounds = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in pairwise(bounds)]
