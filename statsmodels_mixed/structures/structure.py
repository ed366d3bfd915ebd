"""What a covariance structure is: Sigma of a few parameters, with its derivatives.

A structure gives the covariance matrix Sigma (k x k) of the k random effects of a level, or of
the k residuals of a subject, as a smooth function of parameters phi on their natural scale, such
as a standard deviation and a correlation. Everything else that is needed follows from three
functions: Sigma, its first and its second derivatives.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..errors import OptionError

__all__ = ["Natural", "Parameters", "Structure", "reported_ranges"]


class Parameters(NamedTuple):
    """The parameters of a structure, on their natural scale.

    Parameters
    ----------
    names : sequence of str
        One for each of the m parameters.
    start : array_like, shape (m,)
        Where to start.
    bounds : array_like, shape (m, 2)
        Least and greatest value; may be infinite.
    scales : sequence of int
        Positions of the standard deviations: Sigma is multiplied by c^2 when all of them are
        multiplied by c. Empty if there are none.
    even : sequence of int, optional
        Positions of those with whose signs Sigma does not change, so that a search may go through
        zero; a single standard deviation by default.
    """

    names: Sequence[str]
    start: ArrayLike
    bounds: ArrayLike
    scales: Sequence[int] = ()
    even: Sequence[int] | None = None

    @property
    def even_scales(self) -> Sequence[int]:
        """Positions of the standard deviations with whose signs Sigma does not change."""
        if self.even is not None:
            return self.even
        return self.scales if len(self.scales) == 1 else ()


@dataclass(frozen=True)
class Natural:
    """What is reported of a structure.

    Parameters
    ----------
    names : tuple of str
    values : ndarray, shape (r,)
    jacobian : ndarray, shape (r, m)
        Derivatives with respect to the m parameters.
    scales : ndarray of bool, shape (r,)
        Which are standard deviations, in units of the response.
    """

    names: tuple[str, ...]
    values: Array
    jacobian: Array
    scales: NDArray[np.bool_]


class Structure(ABC):
    """A covariance structure; a subclass is registered with `register`.

    A subclass has a `name`, the word in formulas, and four methods. What a formula gives as
    keyword options are arguments of its constructor. Before the methods other than
    `parameters` are called, `bind` has set the attributes `k`, `labels` and, unless `needs` is
    ``"columns"``, `positions`.

    Attributes
    ----------
    name : str
        As in formulas.
    needs : {"columns", "order", "steps", "coordinates"}
        What the left side of the bar means: the columns of a matrix of effects; or places, one
        effect for each: in order only, a whole number of steps apart, or at coordinates.
    definite : bool
        Whether Sigma is positive definite inside the bounds, so that it may be a covariance
        of residuals.
    correlated : bool
        Whether effects of different places may have covariances.
    linear : bool
        Whether Sigma is a linear function of some of its elements.
    of_pairs : bool
        Whether the covariance of two places is a function of these two alone, so that `bind_sets`
        is possible where places have one standard deviation.
    k : int
        Number of effects.
    labels : tuple of str
        Their names.
    positions : ndarray, shape (k, d)
        Where they are: their ranks, steps or coordinates.

    See Also
    --------
    register : Make a structure known to formulas.

    Examples
    --------
    >>> from statsmodels_mixed.structures import make
    >>> ar1 = make("ar1").bind(("1", "2", "3"), [0, 1, 2])
    >>> ar1.parameters(3).names
    ('sd', 'rho')
    >>> ar1.sigma([2.0, 0.5])
    array([[4., 2., 1.],
           [2., 4., 2.],
           [1., 2., 4.]])
    """

    name: ClassVar[str] = ""
    needs: ClassVar[str] = "columns"
    definite: ClassVar[bool] = True
    correlated: ClassVar[bool] = True
    of_pairs: ClassVar[bool] = False
    linear: bool = False
    k: int = 0
    labels: tuple[str, ...] = ()
    positions: Array = np.empty((0, 0))

    def bind(self, labels: Sequence[str], positions: ArrayLike | None = None) -> Self:
        """Return the structure for given effects.

        Parameters
        ----------
        labels : sequence of str
            A name for each of the k effects.
        positions : array_like, shape (k,) or (k, d), optional
            Where they are; by default 0, 1, 2, ...

        Raises
        ------
        OptionError
            If the structure is not possible for these effects.
        """
        bound = copy.copy(self)
        bound.k, bound.labels = len(labels), tuple(map(str, labels))
        places = np.arange(bound.k) if positions is None else np.asarray(positions, dtype=float)
        bound.positions = places.reshape(bound.k, -1).astype(float)
        bound.prepare()
        return bound

    def bind_sets(self, labels: Sequence[str], positions: ArrayLike) -> Self:
        """Return the structure for many sets of places at once.

        Sigma and its derivatives then have an axis for the sets before their last two.

        Parameters
        ----------
        labels : sequence of str
            A name for each of the k places of a set.
        positions : array_like, shape (sets, k, d)
            Where they are.

        Raises
        ------
        OptionError
            If the structure is not possible for these places, or not `of_pairs`.
        """
        if not self.of_pairs:
            raise OptionError(f"{self.name}() is for one set of places.")
        bound = copy.copy(self)
        bound.k, bound.labels = len(labels), tuple(map(str, labels))
        bound.positions = np.asarray(positions, dtype=float)
        bound.prepare()
        return bound

    def prepare(self) -> None:  # noqa: B027 - most structures need no preparation
        """Compute once what depends on the effects alone; called by `bind`."""

    @abstractmethod
    def parameters(self, k: int) -> Parameters:
        """Return names, start and bounds of the parameters for k effects."""

    def read(self) -> Parameters:
        """Return the parameters for the effects it is bound to."""
        return Parameters(*self.parameters(self.k))

    @abstractmethod
    def sigma(self, phi: ArrayLike) -> Array:
        """Return Sigma, shape (k, k), at parameters phi, shape (m,)."""

    @abstractmethod
    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dSigma / dphi_i, shape (m, k, k)."""

    @abstractmethod
    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2Sigma / dphi_i dphi_j, shape (m, m, k, k)."""

    def natural(self, phi: ArrayLike) -> Natural:
        """Return what is reported: by default the parameters themselves."""
        phi = np.asarray(phi, dtype=float)
        names, _, _, scales, _ = self.read()
        mask = np.isin(np.arange(len(phi)), np.asarray(scales, dtype=int))
        values = np.where(mask, np.abs(phi), phi)
        slopes = np.where(mask & (phi < 0), -1.0, 1.0)
        return Natural(tuple(names), values, np.diag(slopes), mask)

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return parameters from which to look for a minimum, the likeliest first.

        Parameters
        ----------
        sds : array_like, shape (k,)
            Guesses at the standard deviations of the effects.
        """
        sds = np.asarray(sds, dtype=float)
        _, start, _, scales, _ = self.read()
        phi = np.array(start, dtype=float)
        at = np.asarray(scales, dtype=int)
        if len(at) == self.k:
            phi[at] *= sds
        elif len(at):
            phi[at] *= float(np.sqrt(np.mean(sds**2)))
        return [phi]

    def at(self, positions: ArrayLike) -> Structure:
        """Return the structure at other places, to predict there.

        Raises
        ------
        OptionError
            If Sigma is defined for the effects of the data only.
        """
        raise OptionError(f"{self.name}() has no covariances for effects that are not in the data.")


def reported_ranges(structure: Structure) -> list[tuple[float, float]]:
    """Return the least and the greatest value of each parameter that is reported of a structure.

    Standard deviations are not negative; what is not a parameter itself is a correlation.
    """
    names, start, bounds, *_ = structure.read()
    given = dict(zip(names, np.asarray(bounds, dtype=float).reshape(-1, 2).tolist(), strict=True))
    shown = structure.natural(np.asarray(start, dtype=float))
    return [
        (0.0, np.inf) if scale else tuple(given.get(name, (-1.0, 1.0)))
        for name, scale in zip(shown.names, shown.scales, strict=True)
    ]
