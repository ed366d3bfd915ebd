"""Standard deviations times correlations: Sigma = D R D, and a nugget.

D holds one standard deviation, or one for each effect; R is a correlation matrix of parameters
of its own. With a nugget n the correlations are (1 - n) R off the diagonal: a share n of each
variance is not shared with any other effect.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import OptionError
from .structure import Natural, Parameters, Structure

__all__ = ["Scaled"]


def truth(value: object, option: str) -> bool:
    """Return an option that is true or false."""
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{option}= is True or False, not {value!r}.")
    return bool(value)


class Scaled(Structure):
    """A structure with a correlation matrix; subclasses give this only.

    Parameters
    ----------
    hom : bool, optional
        One standard deviation for all effects rather than one for each; by default as the
        name says.
    nugget : bool
        With a nugget.
    """

    homogeneous: ClassVar[bool] = True

    def __init__(self, hom: bool | None = None, nugget: bool = False) -> None:
        self.hom = self.homogeneous if hom is None else truth(hom, "hom")
        self.nugget = truth(nugget, "nugget")

    @abstractmethod
    def correlation_parameters(self, k: int) -> Parameters:
        """Return the parameters psi of the correlations."""

    @abstractmethod
    def correlation(self, psi: Array) -> Array:
        """Return R, shape (k, k)."""

    @abstractmethod
    def correlation_derivatives(self, psi: Array) -> Array:
        """Return dR / dpsi_i."""

    @abstractmethod
    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return d2R / dpsi_i dpsi_j."""

    def natural_correlations(self, psi: Array) -> tuple[tuple[str, ...], Array, Array]:
        """Return names, values and Jacobian of what is reported of the correlations."""
        return tuple(self.correlation_parameters(self.k).names), psi, np.eye(len(psi))

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Return starts for psi, given that of `correlation_parameters`."""
        return [psi]

    def sd_names(self, k: int) -> list[str]:
        """Return the names of the standard deviations."""
        if self.hom:
            return ["sd"]
        labels: Sequence[str] = self.labels if len(self.labels) == k else [str(i) for i in range(k)]
        return [f"sd[{label}]" for label in labels]

    def parameters(self, k: int) -> Parameters:
        """Return names, start and bounds: standard deviations, correlations, nugget."""
        sds = self.sd_names(k)
        names, start, bounds, *_ = self.correlation_parameters(k)
        all_names = [*sds, *names]
        all_start = [1.0] * len(sds) + list(np.asarray(start, dtype=float))
        limits = [(0.0, np.inf)] * len(sds) + [
            (float(low), float(high)) for low, high in np.asarray(bounds, float).reshape(-1, 2)
        ]
        if self.nugget:
            all_names.append("nugget")
            all_start.append(0.1)
            limits.append((0.0, 1.0))
        scales = tuple(range(len(sds)))
        even = scales if len(sds) == 1 or not self.correlated else ()
        return Parameters(tuple(all_names), all_start, limits, scales, even)

    def _split(self, phi: ArrayLike) -> tuple[Array, Array, float]:
        """Return the k standard deviations, psi and the nugget."""
        phi = np.asarray(phi, dtype=float)
        count = 1 if self.hom else self.k
        share = float(phi[-1]) if self.nugget else 0.0
        psi = phi[count : len(phi) - 1 if self.nugget else len(phi)]
        return np.broadcast_to(phi[:count], (self.k,)), psi, share

    def _correlations(self, psi: Array, share: float) -> tuple[Array, Array, Array]:
        """Return R and its derivatives with respect to psi and the nugget."""
        R = self.correlation(psi)
        first = self.correlation_derivatives(psi)
        second = self.correlation_second_derivatives(psi)
        if not self.nugget:
            return R, first, second
        m = len(psi) + 1
        own = np.eye(self.k) - R
        firsts, seconds = np.empty((m, *R.shape)), np.zeros((m, m, *R.shape))
        firsts[:-1], firsts[-1] = (1.0 - share) * first, own
        seconds[:-1, :-1] = (1.0 - share) * second
        seconds[:-1, -1] = seconds[-1, :-1] = -first
        return R + share * own, firsts, seconds

    def sigma(self, phi: ArrayLike) -> Array:
        """Return Sigma, shape (k, k)."""
        sd, psi, share = self._split(phi)
        R = self.correlation(psi)
        if self.nugget:
            R = R + share * (np.eye(self.k) - R)
        return R * np.outer(sd, sd)

    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dSigma / dphi_i, shape (m, k, k)."""
        sd, psi, share = self._split(phi)
        R = self.correlation(psi)
        first = self.correlation_derivatives(psi)
        if self.nugget:
            own = np.eye(self.k) - R
            R = R + share * own
            first = np.concatenate([(1.0 - share) * first, own[None]])
        return np.concatenate([self._by_sds(sd, R), first * np.outer(sd, sd)])

    def _by_sds(self, sd: Array, R: Array) -> Array:
        """Return derivatives of D R D with respect to the standard deviations."""
        k = self.k
        if self.hom:
            return np.asarray(2.0 * sd[0] * R[None])
        out = np.zeros((k, k, k))
        at = np.arange(k)
        out[at, at, :] = R * sd
        out[at, :, at] += R * sd
        return out

    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2Sigma / dphi_i dphi_j, shape (m, m, k, k)."""
        sd, psi, share = self._split(phi)
        R, first, second = self._correlations(psi, share)
        k, count = self.k, 1 if self.hom else self.k
        m = count + len(first)
        out = np.zeros((m, m, *R.shape))
        out[count:, count:] = second * np.outer(sd, sd)
        for i, dR in enumerate(first):
            mixed = self._by_sds(sd, dR)
            out[count + i, :count] = mixed
            out[:count, count + i] = mixed
        if self.hom:
            out[0, 0] = 2.0 * R
        else:
            rows, columns = np.indices((k, k)).reshape(2, -1)
            out[rows, columns, rows, columns] += R[rows, columns]
            out[rows, columns, columns, rows] += R[rows, columns]
        return out

    def natural(self, phi: ArrayLike) -> Natural:
        """Return standard deviations, correlations and the nugget."""
        phi = np.asarray(phi, dtype=float)
        own = super().natural(phi)
        _, psi, _ = self._split(phi)
        count = 1 if self.hom else self.k
        names, values, jacobian = self.natural_correlations(psi)
        tail = 1 if self.nugget else 0
        r = len(values)
        full = np.zeros((count + r + tail, len(phi)))
        full[:count, :count] = own.jacobian[:count, :count]
        full[count : count + r, count : count + len(psi)] = jacobian
        if tail:
            full[-1, -1] = 1.0
        every = np.concatenate([own.values[:count], values, phi[len(phi) - tail :]])
        labels = (*own.names[:count], *names, *(("nugget",) if tail else ()))
        return Natural(labels, every, full, np.arange(len(every)) < count)

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return parameters to start from, with several correlations."""
        first = super().starts(sds)[0]
        count = 1 if self.hom else self.k
        end = len(first) - (1 if self.nugget else 0)
        out = []
        for psi in self.correlation_starts(first[count:end]):
            phi = first.copy()
            phi[count:end] = psi
            out.append(phi)
        return out
