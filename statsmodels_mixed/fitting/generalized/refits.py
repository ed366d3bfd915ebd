"""Fits of one generalized model to other responses, or without some rows; see `refits.Refits`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized, Minimization, one_blas_thread
from ..._typing import Array
from ...errors import CoreError
from ...frame.design import Design
from ...later import load
from ..estimates import GeneralizedEstimates
from ..refits import Fits, Fitter, Flag, Refit, RowNumbers
from ..search.optimize import FitOptions, settled
from ..search.warm_start import generalized_theta, inside
from ..separation import SolvedRows, separation
from .approximation import core_model, generalized_structure, join_parameters

__all__ = ["GeneralizedRefits"]


class GeneralizedRefits:
    """A generalized model ready to be fitted again; the methods are those of `Refits`.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Say family, approximation and weights of its information.
    theta, beta, dispersion : ndarray, ndarray, float
        Where fits start, moved inside its range.
    """

    # Number of parameters of covariance structures that are reported.
    _n_reported = 0

    def __init__(
        self,
        design: Design,
        estimates: GeneralizedEstimates,
        theta: Array,
        beta: Array,
        dispersion: float,
    ) -> None:
        self._design, self._estimates = design, estimates
        with one_blas_thread():
            structure = generalized_structure(design)
        self.basis, self.core = structure.basis, structure.core
        self._X = design.X[:, self.basis.columns]
        self._gamma = self.basis.R @ beta
        spec = estimates.spec
        at = join_parameters(spec, theta, self._gamma, dispersion, fast=estimates.fast)
        zeta = float(np.log(dispersion))
        row_unit = load("fitting.families.row_information:row_unit")  # linear fits do not need it
        self._unit = row_unit(spec, design.y, estimates.eta, design.weights, zeta)
        coordinates = self.core.coordinates
        usual = generalized_theta(coordinates, self._unit)
        self._start = inside(spec, design.y, at, usual, coordinates, design.weights)

    def _model(self, y: Array, weights: Array | None) -> CoreGeneralized:
        """Return the model of other data; a new handle, because PIRLS remembers where it was."""
        own = self._estimates
        model = core_model(
            self.core,
            replace(self._design, weights=weights),
            own.spec,
            y,
            n_agq=own.n_agq,
            fast=own.fast,
            hessian=own.hessian,
        )
        model.set_unit(self._unit)
        if own.fast:
            model.set_beta(self._gamma)
        return model

    # Other responses.

    @property
    def tail_size(self) -> int:
        """Order of the dense matrix that is factored."""
        return int(self.core.sizes["tail_size"])

    def fitter(self) -> Fitter:
        """Return what fits to responses, in one thread."""

        def fit(responses: NDArray[Any], stop: Flag) -> Fits:
            core, shown = self.core, self._n_reported
            fits = Fits.unknown(len(responses), core.p, core.ntheta, shown)
            for r, y in enumerate(responses):
                if stop[0]:
                    return fits.first(r)
                with suppress(CoreError):
                    self._fit(y, fits, r)
            return fits

        return fit

    def _minimize(self, model: CoreGeneralized) -> tuple[Minimization, Array | None]:
        """Minimize from the start, leaving the model solved at the end.

        Also return what is reported of covariance structures there, see `Fits`.
        """
        return model.minimize(self._start, FitOptions(), log_capacity=0), None

    def _fit(self, y: Array, out: Fits, r: int) -> None:
        model = self._model(y, self._design.weights)
        run, shown = self._minimize(model)
        solution = model.solution()
        R = self.basis.inverse
        out.objective[r], out.scale[r] = run.value, solution.dispersion
        out.beta[r], out.covariance[r] = R @ solution.beta, R @ solution.xvx_inverse @ R.T
        out.theta[r] = run.theta[: self.core.ntheta]
        if out.reported is not None and shown is not None:
            out.reported[r] = shown
        out.converged[r] = settled(run.value, run.decrement, run.min_eigenvalue)
        out.separated[r] = separation(
            self._X,
            y,
            self._estimates.spec,
            out.covariance[r],
            converged=bool(out.converged[r]),
            rows=SolvedRows(solution.eta, self._design.weights, solution.dispersion),
        ).sign

    # Fewer rows.

    @property
    def full(self) -> Array:
        """Coefficients on the basis of the fit to all rows."""
        return np.asarray(self.basis.R @ self._estimates.beta)

    def for_thread(self) -> Self:
        """Return this: every fit has a handle of its own."""
        return self

    def share_without(self, rows: RowNumbers) -> Array:
        """Return what is left of Q'Q = I without these rows; working weights have no part."""
        Q = self.basis.Q[rows] / np.sqrt(self.core.n)
        return np.asarray(np.eye(Q.shape[1]) - Q.T @ Q)

    def without(self, rows: RowNumbers) -> Refit:
        """Fit the model with weight zero for some rows."""
        design, basis = self._design, self.basis
        weights = np.ones(self.core.n) if design.weights is None else design.weights.copy()
        weights[rows] = 0.0
        model = self._model(design.y, weights)
        run, _ = self._minimize(model)
        raw = model.solution()
        return Refit(
            basis.coefficients(raw.beta),
            basis.covariance(raw.xvx_inverse),
            run.theta[: self.core.ntheta],
            raw.dispersion,
            run.value,
            bool(settled(run.value, run.decrement, run.min_eigenvalue)),
            raw.beta,
            raw.xvx_inverse,
            eta=np.delete(raw.eta, rows),
        )
