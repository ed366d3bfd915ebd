"""The Laplace approximation of an iterative fit at given parameters, and its derivatives.

    d = -2 loglik + |u|^2 + log|Omega|

Modes and everything else that solves equations are as exact as conjugate gradients; log|Omega|, the
traces of its inverse and the variances a_i of rows come from the probes. Formulas are those
of ``csrc/src/generalized/glmm_gradient.c``: with c_i = a_i dw_i/d eta and (v, x) the adjoint of
the modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ..covariance import factors_of
from ..search.probe_newton import ProbedPoint, free_places
from ..summed.criterion import along_theta, second_order
from ..summed.level_products import apply_lambda, by_term
from .modes import GeneralizedRows, ModesAndRows, WorkingModel, find_modes
from .schur_complement import OF_PROBES, TOLERANCE
from .trace import TraceEstimates, estimated_traces, quadratic_control
from .trace_variances import RowVariances, row_variances

__all__ = ["LaplaceCriterion", "LaplacePoint"]


# Step of the difference of a score in the log dispersion.
DIFFERENCE = 1e-4


@dataclass(frozen=True)
class LaplaceCriterion:
    """What is minimized.

    Parameters
    ----------
    rows : GeneralizedRows
    patterns : list of ndarray of bool, shape (k, k)
    fast : bool
        Whether beta is profiled out together with u.
    probes : ndarray, shape (q2, probes)
    scale : ndarray
        Typical sizes of the parameters: theta, beta unless `fast`, log dispersion if there is one.
    """

    rows: GeneralizedRows
    patterns: list[NDArray[np.bool_]]
    fast: bool
    probes: Array
    scale: Array

    @property
    def n_theta(self) -> int:
        """Number of theta."""
        return sum(int(pattern.sum()) for pattern in self.patterns)

    @property
    def beta(self) -> slice:
        """Positions of the coefficients; none with `fast`."""
        return slice(self.n_theta, self.n_theta + (0 if self.fast else self.rows.Q.shape[1]))


class LaplacePoint(ProbedPoint):
    """The objective at given parameters.

    Parameters
    ----------
    criterion : LaplaceCriterion
    parameters : ndarray
        In the coordinates of the pattern and the basis Q.
    u, beta : ndarray, shape (q,) and (rank,)
        Where the search for the modes begins; beta with `fast` only.
    probes : ndarray, shape (q2, probes), optional
        Some of the probes; all when omitted.
    """

    def __init__(
        self,
        criterion: LaplaceCriterion,
        parameters: Array,
        u: Array,
        beta: Array,
        probes: Array | None = None,
    ) -> None:
        self.probes = criterion.probes if probes is None else probes
        self.criterion, self.parameters, self.scale = criterion, parameters, criterion.scale
        self.factors = factors_of(parameters[: criterion.n_theta], criterion.patterns)
        self.zeta = float(parameters[-1]) if criterion.rows.spec.has_dispersion else 0.0
        self._begin = u, beta if criterion.fast else parameters[criterion.beta]

    def moved(self, parameters: Array) -> LaplacePoint:
        """Return another point, whose modes are looked for from those of this one."""
        assert self.modes is not None
        begin = self.modes.u, self.modes.beta
        return LaplacePoint(self.criterion, parameters, *begin, self.probes)

    def thorough(self) -> LaplacePoint:
        """Return the same point with all probes."""
        if self.probes is self.criterion.probes:
            return self
        return LaplacePoint(self.criterion, self.parameters, self._at.u, self._at.beta)

    def forget(self) -> None:
        """Drop what takes memory."""
        names = ("values", "criterion", "parameters", "scale", "steps", "probes")
        kept = {name: getattr(self, name) for name in names}
        vars(self).clear()
        vars(self).update(kept)

    @cached_property
    def modes(self) -> ModesAndRows | None:
        """The conditional modes; None where there are none."""
        c = self.criterion
        return find_modes(c.rows, self.factors, self.zeta, *self._begin, fast=c.fast)

    @cached_property
    def steps(self) -> int:
        """Penalized least squares problems solved for the modes."""
        return 0 if self.modes is None else self.modes.steps

    @property
    def _at(self) -> ModesAndRows:
        assert self.modes is not None
        return self.modes

    @cached_property
    def newton_model(self) -> WorkingModel:
        """The equations with the observed weights."""
        return WorkingModel(self.criterion.rows, self.factors, self._at.rows["wo"])

    @cached_property
    def model(self) -> WorkingModel:
        """Those with the weights of Omega."""
        if np.array_equal(self._at.rows["w"], self._at.rows["wo"]):
            return self.newton_model
        return WorkingModel(self.criterion.rows, self.factors, self._at.rows["w"])

    @cached_property
    def expected(self) -> WorkingModel:
        """Those with the expected weights."""
        rows = self.criterion.rows
        if not rows.observed or rows.spec.own:
            return self.model
        return WorkingModel(rows, self.factors, rows.expected(self._at.eta, self.zeta))

    @cached_property
    def traces(self) -> TraceEstimates:
        """What the probes say of Omega."""
        return estimated_traces(self.model.schur, self.probes)

    @cached_property
    def values(self) -> Array:
        """The objective by each probe."""
        if self.modes is None:
            return np.full(self.probes.shape[1], np.nan)
        fixed = float(self.modes.u @ self.modes.u) - 2.0 * float(self.modes.rows["loglik"].sum())
        return np.asarray(self.traces.logdet + fixed)

    @cached_property
    def final_values(self) -> Array:
        """The same with smaller Monte Carlo errors, worth their time at the end only."""
        return self.values + quadratic_control(self.model.schur, self.traces)

    @cached_property
    def variances(self) -> RowVariances:
        """The variances a_i of the rows."""
        return row_variances(self.model.schur, self.traces)

    @cached_property
    def _mean_variances(self) -> Array:
        return self.variances.mean()

    @cached_property
    def _scores(self) -> Array:
        """Z'l, (q,)."""
        return self.criterion.rows.pattern.transposed(self._at.rows["l"][:, None])[:, 0]

    @cached_property
    def _adjoint(self) -> tuple[Array, Array, Array]:
        """v, x and s = Z Lambda v + Q x."""
        rows, at = self.criterion.rows, self._at
        c = self._mean_variances * at.rows["dw"]
        of_u = self.newton_model.schur.apply_lambda(
            rows.pattern.transposed(c[:, None]), transposed=True
        )
        of_beta = (rows.Q.T @ (c - 2.0 * at.rows["l"]))[:, None] if self.criterion.fast else None
        v, x = self.newton_model.solve(of_u, of_beta, TOLERANCE)
        b = apply_lambda(self.factors, v, rows.pattern.shapes)
        s = rows.pattern.rows(b)[:, 0] + rows.Q @ x[:, 0]
        return v[:, 0], x[:, 0], s

    @cached_property
    def _residual(self) -> Array:
        """C - wo s, (n,)."""
        at = self._at.rows
        return np.asarray(self._mean_variances * at["dw"] - at["wo"] * self._adjoint[2])

    @cached_property
    def _in_factors(self) -> list[Array]:
        """Derivatives in all elements of T, (k, k) for each term."""
        pattern = self.criterion.rows.pattern
        shapes = pattern.shapes
        zc = pattern.transposed(self._residual[:, None])[:, 0]
        parts = (by_term(each, shapes) for each in (self._at.u, self._scores, zc, self._adjoint[0]))
        out = []
        for T, blocks, u, zl, c, v in zip(self.factors, self.traces.blocks, *parts, strict=True):
            trace = _trace(T, blocks.mean(axis=0), len(u))
            out.append(2.0 * (trace - zl.T @ u) + c.T @ u + zl.T @ v)
        return out

    @cached_property
    def gradient(self) -> Array:
        """The mean of the gradients by each probe."""
        c, at = self.criterion, self._at.rows
        parts = [_free(self._in_factors, c.patterns)]
        if not c.fast:
            parts.append(c.rows.Q.T @ (self._residual - 2.0 * at["l"]))
        if c.rows.spec.has_dispersion:
            zeta = -2.0 * at["loglik_zeta"].sum() + self._mean_variances @ at["w_zeta"]
            parts.append(np.array([zeta + self._adjoint[2] @ at["l_zeta"]]))
        return np.concatenate(parts)

    @cached_property
    def _along_theta(self) -> tuple[Array, Array]:
        shapes = self.criterion.rows.pattern.shapes
        return along_theta(
            self.criterion.patterns, by_term(self._at.u, shapes), by_term(self._scores, shapes)
        )

    @cached_property
    def hessian(self) -> Array:
        """That of the working linear model with unit variance, the dispersion apart."""
        c, model = self.criterion, self.expected
        Du, De = self._along_theta
        W = Du + apply_lambda(self.factors, De, c.rows.pattern.shapes)
        AW = model.products.multiply(W)
        right = model.schur.apply_lambda(AW, transposed=True)
        HW = W.T @ model.H
        K = W.T @ AW - right.T @ model.schur.solve(right, OF_PROBES)
        gammas = [
            0.5 * full @ np.linalg.inv(T)
            for full, T in zip(self._in_factors, self.factors, strict=True)
        ]
        K += second_order(c.patterns, gammas)
        if c.fast:
            K -= HW @ np.linalg.solve(model.xvx, HW.T)
        out = np.zeros((len(self.parameters),) * 2)
        theta = slice(0, c.n_theta)
        out[theta, theta] = K
        if not c.fast:
            out[c.beta, c.beta] = 2.0 * model.xvx
            out[theta, c.beta], out[c.beta, theta] = HW, HW.T
        if c.rows.spec.has_dispersion:
            out[-1, -1] = self._zeta_curvature()
        return out

    def _zeta_curvature(self) -> float:
        """Return the second derivative in the log dispersion, the modes following it."""
        rows, at = self.criterion.rows, self._at
        above, below = (
            rows.at(at.eta, self.zeta + step)["loglik_zeta"].sum()
            for step in (DIFFERENCE, -DIFFERENCE)
        )
        scores = at.rows["loglik_zeta"]
        of_u, of_beta = self._of_zeta
        u, beta = self.newton_model.solve(of_u, of_beta, OF_PROBES)
        gained = float(np.vdot(of_u, u)) + (
            0.0 if of_beta is None else float(np.vdot(of_beta, beta))
        )
        curvature = -2.0 * (float(above - below) / (2.0 * DIFFERENCE) + gained)
        return max(curvature, 1e-3 * float(scores @ scores), 1e-8)

    @property
    def _of_zeta(self) -> tuple[Array, Array | None]:
        """How the scores of u and beta change with the log dispersion."""
        rows, slope = self.criterion.rows, self._at.rows["l_zeta"]
        of_u = apply_lambda(
            self.factors,
            rows.pattern.transposed(slope[:, None]),
            rows.pattern.shapes,
            transposed=True,
        )
        return of_u, (rows.Q.T @ slope)[:, None] if self.criterion.fast else None

    @cached_property
    def mode_slopes(self) -> tuple[Array, Array]:
        """Derivatives of b, (q, parameters), and of beta, (rank, parameters)."""
        c, model = self.criterion, self.newton_model
        Du, De = self._along_theta
        moved = [Du]
        of_u = [De - model.schur.apply_lambda(model.products.multiply(Du), transposed=True)]
        of_beta = [-model.ZX.T @ Du] if c.fast else []
        if not c.fast:
            moved.append(np.zeros_like(model.ZX))
            of_u.append(-model.schur.apply_lambda(model.ZX, transposed=True))
        if c.rows.spec.has_dispersion:
            moved.append(np.zeros((len(Du), 1)))
            slope_u, slope_beta = self._of_zeta
            of_u.append(slope_u)
            of_beta += [] if slope_beta is None else [slope_beta]
        right = np.concatenate(of_beta, axis=1) if c.fast else None
        u, beta = model.solve(np.concatenate(of_u, axis=1), right, OF_PROBES)
        if not c.fast:
            beta[:, c.beta] = np.eye(len(beta))
        return np.concatenate(moved, axis=1) + model.schur.apply_lambda(u), beta

    def deviations(self) -> Array:
        """Return the gradient by each probe less their mean, (probes, parameters)."""
        c, at = self.criterion, self._at.rows
        b, beta = self.mode_slopes
        out = np.zeros((self.probes.shape[1], len(self.parameters)))
        for part, added in self.variances.parts():
            eta = c.rows.pattern.rows(b, part) + c.rows.Q[part] @ beta
            out += added.T @ (at["dw"][part, None] * eta)
            if c.rows.spec.has_dispersion:
                out[:, -1] += added.T @ at["w_zeta"][part]
        traces = [
            [2.0 * _trace(T, each, levels) for each in blocks]
            for T, blocks, (levels, _) in zip(
                self.factors, self.traces.blocks, c.rows.pattern.shapes, strict=True
            )
        ]
        for probe, row in enumerate(out):
            row[: c.n_theta] += _free([each[probe] for each in traces], c.patterns)
        return np.asarray(out - out.mean(axis=0))


def _trace(T: Array, blocks: Array, levels: int) -> Array:
    """Return tr(Omega^-1 Lambda'Z'WZ dLambda/dT), (k, k)."""
    return np.asarray(np.linalg.solve(T.T, levels * np.eye(len(T)) - blocks))


def _free(matrices: list[Array], patterns: list[NDArray[np.bool_]]) -> Array:
    """Return the free elements of matrices like T."""
    places = free_places(patterns)
    return np.concatenate([M[at] for M, at in zip(matrices, places, strict=True)])
