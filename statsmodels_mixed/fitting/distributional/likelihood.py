"""The likelihood of rows with parameters besides their mean, ready to be evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..._core import CoreDesign, CoreGeneralized, one_blas_thread, row_derivatives
from ..._typing import Array
from ...errors import DataError
from ...frame.design import Design
from ..crossprod import SharedStructure
from ..families.spec import FamilySpec
from ..generalized.approximation import Approximation
from ..generalized.quadrature import gauss_hermite
from ..search.warm_start import generalized_theta
from .row_parameters import ZEROS, RowParameters

__all__ = ["RowLikelihood", "model_of_rows"]


_SHRINKAGES = 6


@dataclass(frozen=True)
class RowLikelihood:
    """An approximation to the likelihood of a design and its row parameters; made by `of`.

    Parameters
    ----------
    problem : Approximation
    design : Design
    spec : FamilySpec
    rows : RowParameters
    n_agq : int
        Points of quadrature; 1 is Laplace's approximation.
    of_zeros : ndarray of bool, shape (n_theta,)
        Which elements of theta are of random effects of zeros.
    units : ndarray, shape (n_theta,)
        The change that one row can detect at the start, in eta or in the logit of zeros.
    """

    problem: Approximation
    design: Design
    spec: FamilySpec
    rows: RowParameters
    n_agq: int
    of_zeros: NDArray[np.bool_]
    units: Array

    @classmethod
    def of(
        cls,
        design: Design,
        spec: FamilySpec,
        rows: RowParameters,
        structure: SharedStructure,
        gamma: Array,
        n_agq: int,
    ) -> RowLikelihood:
        """Prepare the likelihood, in units that suit the coefficients gamma."""
        basis = structure.basis
        with one_blas_thread():
            core = model_of_rows(structure.core, design, spec, rows, n_agq)
            unit, zeros_unit = _unit(design, spec, rows, basis.Q @ gamma), _zeros_unit(rows)
            core.set_unit(unit, zeros_unit)
        of_zeros = np.concatenate(
            [np.full(np.count_nonzero(b.pattern), bool(b.part)) for b in design.blocks]
        )
        return cls(
            problem=Approximation(core, basis, core.design.ntheta, False),
            design=design,
            spec=spec,
            rows=rows,
            n_agq=n_agq,
            of_zeros=of_zeros,
            units=np.where(of_zeros, zeros_unit, unit),
        )

    @property
    def core(self) -> CoreGeneralized:
        """Where the objective is evaluated."""
        return self.problem.core

    @property
    def patterns(self) -> list[NDArray[np.bool_]]:
        """Which elements of T are free, for each term."""
        return [block.pattern for block in self.design.blocks]

    def start(self, gamma: Array) -> Array:
        """Return parameters to begin with: theta, gamma, and the rows' own.

        Raises
        ------
        DataError
            If the objective cannot be evaluated there, nor with smaller random effects.
        """
        theta = generalized_theta(self.core.design.coordinates, self.units)
        begin = np.concatenate([theta, gamma, self.rows.start])
        for _ in range(_SHRINKAGES):
            value, gradient = self.core.value_and_gradient(begin)
            if np.isfinite(value) and np.all(np.isfinite(gradient)):
                return begin
            begin[: self.problem.ntheta] *= 0.1
        raise DataError(
            f"the likelihood of the {self.spec.family} family cannot be evaluated at the start: "
            "look for responses far from all others, or take a simpler model."
        )


def model_of_rows(
    made: CoreDesign, design: Design, spec: FamilySpec, rows: RowParameters, n_agq: int
) -> CoreGeneralized:
    """Prepare the likelihood of rows with their parameters, for evaluation.

    Parameters
    ----------
    made : CoreDesign
        The design in its working basis.
    design : Design
    spec : FamilySpec
    rows : RowParameters
    n_agq : int
        Points of quadrature.
    """
    core = CoreGeneralized(
        made,
        spec.family,
        spec.link,
        design.y,
        weights=design.weights,
        offset=design.offset,
        power=spec.power,
        observed=True,
    )
    if rows.names:
        core.set_sides(rows.X, rows.constant, rows.zeros)
    core.set_approximation(False, *gauss_hermite(int(n_agq)))
    return core


def _unit(design: Design, spec: FamilySpec, rows: RowParameters, eta: Array) -> float:
    """Return the change in eta that one row can detect, at the start."""
    if design.offset is not None:
        eta = eta + design.offset
    in_eta, _ = row_derivatives(
        spec.family,
        spec.link,
        design.y,
        eta,
        rows.values(rows.start),
        weights=design.weights,
        power=spec.power,
        zeros=rows.zeros,
    )
    information = float(np.mean(-in_eta[:, 2]))
    return 1.0 / float(np.sqrt(information)) if information > 0 else 1.0


def _zeros_unit(rows: RowParameters) -> float:
    """Return the change in the logit of zeros that one row can detect, at the start."""
    pi = expit(rows.values(rows.start)[:, ZEROS])
    return 1.0 / float(np.sqrt(np.mean(pi * (1.0 - pi))))
