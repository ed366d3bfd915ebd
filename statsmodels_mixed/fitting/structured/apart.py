"""Models with covariance structures whose random slopes are far from dependent on intercepts.

With x far from zero, elements of T of (1 + x | g) are lengths of nearly parallel vectors, and
searches beside other structures stop anywhere on the way. As for models without structures (see
`TermCoordinates`) the fit is that of z C in place of z, with C lower triangular and columns of z C
that are orthogonal: C^-1 T in place of T, which is lower triangular again. An unstructured
covariance matrix is one in any columns; those of other structures are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..._core.coordinates import orthogonalizer
from ..._typing import Array
from ...frame.design import Design
from ..covariance import change_of_triangle, factors_of, theta_of
from ..estimates import GeneralizedEstimates, LinearEstimates
from .covariance_model import CovarianceModel, CovariancePart

__all__ = ["ColumnsApart"]

AnyEstimates = TypeVar("AnyEstimates", bound=LinearEstimates | GeneralizedEstimates)


@dataclass(frozen=True, eq=False)
class ColumnsApart:
    """A design with other columns, and the way back to parameters of the user's.

    Parameters
    ----------
    user, design : Design
        With the user's columns z, and with z C.
    parts : tuple of (CovariancePart, ndarray)
        Structures with other columns, and C of each, shape (k, k).
    """

    user: Design
    design: Design
    parts: tuple[tuple[CovariancePart, Array], ...]

    @classmethod
    def of(cls, design: Design, weights: Array | None) -> ColumnsApart | None:
        """Return the design with other columns; None where all are far enough from dependent.

        Parameters
        ----------
        design : Design
            With structures.
        weights : ndarray, shape (n,), or None
            By which rows count.
        """
        blocks, found = list(design.blocks), []
        for part in CovarianceModel(design).parts:
            block, structure = blocks[part.block], part.structure
            if structure.name != "us" or structure.k < 2 or part.own is not None:
                continue
            made = orthogonalizer(block.z[:, part.columns], weights)
            if made is None:
                continue
            C, z = made[0], block.z.copy()
            z[:, part.columns] = made[1]
            blocks[part.block] = replace(block, z=z)
            found.append((part, C))
        return cls(design, replace(design, blocks=tuple(blocks)), tuple(found)) if found else None

    def _changed(self, phi: Array, inward: bool) -> Array:
        """Return parameters of the structures, or free coordinates, which are the same of these."""
        out = phi.copy()
        for part, C in self.parts:
            L = change_of_triangle(C)
            own = phi[part.phi]
            out[part.phi] = np.linalg.solve(L, own) if inward else L @ own
        return out

    def inward(self, phi: Array) -> Array:
        """Return parameters of the structures of the other columns, shape (m,)."""
        return self._changed(phi, True)

    def start(self, given: ArrayLike | None) -> Array | None:
        """Return a start for the other columns; one of another length as it is, to be refused."""
        if given is None:
            return None
        phi = np.asarray(given, dtype=float)
        return self.inward(phi) if phi.shape == (CovarianceModel(self.user).size,) else phi

    def outward(self, phi: Array) -> Array:
        """Return parameters of the user's columns, free coordinates, or rows of such."""
        return self._changed(phi, False)

    def theta_inward(self, theta: Array) -> Array:
        """Return theta, perhaps followed by others, of the other columns."""
        return self._theta(theta, True)

    def theta_outward(self, theta: Array) -> Array:
        """Return theta, perhaps followed by others, of the user's columns."""
        return self._theta(theta, False)

    def change(self, part: CovariancePart) -> Array:
        """Return what takes parameters of a structure to those of the user's columns, (m, m)."""
        for own, C in self.parts:
            if own.phi == part.phi:
                return change_of_triangle(C)
        return np.eye(part.free.size)

    def _factors(self, factors: tuple[Array, ...], inward: bool) -> tuple[Array, ...]:
        out = [T.copy() for T in factors]
        for part, C in self.parts:
            at = part.columns
            own = factors[part.block][at, at]
            out[part.block][at, at] = np.linalg.solve(C, own) if inward else C @ own
        return tuple(out)

    def _theta(self, theta: Array, inward: bool) -> Array:
        patterns = [block.pattern for block in self.user.blocks]
        n = int(sum(pattern.sum() for pattern in patterns))
        factors = self._factors(tuple(factors_of(theta[:n], patterns)), inward)
        return np.concatenate([theta_of(list(factors), patterns), theta[n:]])

    def inner(self, estimates: AnyEstimates) -> AnyEstimates:
        """Return estimates as those of the other columns."""
        structured = estimates.structured
        assert structured is not None
        m = len(structured.phi)
        z = np.concatenate([self.inward(structured.z[:m]), structured.z[m:]])
        structured = replace(structured, phi=self.inward(structured.phi), z=z)
        return replace(
            estimates,
            theta=self._theta(estimates.theta, True),
            factors=self._factors(estimates.factors, True),
            structured=structured,
        )

    def back(self, found: AnyEstimates) -> AnyEstimates:
        """Return the estimates of the other columns as those of the user's."""
        structured = found.structured
        assert structured is not None
        m, model = len(structured.phi), CovarianceModel(self.user)
        phi = self._changed(structured.phi, False)
        z = np.concatenate([self._changed(structured.z[:m], False), structured.z[m:]])
        gradient = structured.gradient.copy()
        for part, C in self.parts:
            gradient[part.phi] = np.linalg.solve(change_of_triangle(C).T, gradient[part.phi])
        b = [modes.copy() for modes in found.b]
        for part, C in self.parts:
            b[part.block][:, part.columns] = found.b[part.block][:, part.columns] @ C.T
        own = found.report
        report = replace(
            own,
            start=self._theta(own.start, False),
            end=self._theta(own.end, False),
            gradient=gradient,
            fitlog_theta=np.array([self._theta(each, False) for each in own.fitlog_theta]),
        )
        return replace(
            found,
            theta=self._theta(found.theta, False),
            factors=self._factors(found.factors, False),
            b=tuple(b),
            report=report,
            structured=replace(
                structured, phi=phi, z=z, values=model.natural(phi)[0], gradient=gradient
            ),
        )
