"""Newton steps along a constraint, constraints on rows of T, and derivatives in log sigma."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles, integers
from .workspace import CoreWorkspace

__all__ = [
    "AlongConstraint",
    "ConstrainedStep",
    "CurvatureMemory",
    "constrained_step",
    "curvature_sizes",
    "derivatives_log_sigma",
    "row_angle",
    "row_length_derivatives",
]


class ConstrainedStep(NamedTuple):
    """Where a quadratic model is least along a constraint a's = 0; see ``smm_constrained_step``.

    Attributes
    ----------
    curvature : ndarray, shape (m, m)
        That of the model, without the bend of the constraint.
    step, tangent : ndarray, shape (m,)
    decrease : float
        What the model promises at the step, twice.
    """

    curvature: Array
    step: Array
    tangent: Array
    decrease: float


class AlongConstraint(NamedTuple):
    """A quadratic model along a constraint, where its curvature is not safely definite.

    Attributes
    ----------
    curvature : ndarray, shape (m, m)
        That of the model, without the bend of the constraint.
    basis : ndarray, shape (m, k)
        The directions along the constraint.
    reduced : ndarray, shape (k, k)
        Curvature in these.
    down : ndarray, shape (k, 2)
        What is to be solved with that for step and tangent, in these.
    """

    curvature: Array
    basis: Array
    reduced: Array
    down: Array


def constrained_step(
    g: Array, H: Array, a: Array, bent: Array | None, bound: int, share: float
) -> ConstrainedStep | AlongConstraint:
    """Return the Newton step along a constraint.

    Parameters
    ----------
    g : ndarray, shape (m,)
    H : ndarray, shape (m, m)
        Symmetric.
    a : ndarray, shape (m,)
        Gradient of the constraint.
    bent : ndarray, shape (m, m), or None
        Its Hessian; None for a linear one.
    bound : int
        An element that stays where it is, or -1.
    share : float
        The least that a pivot may be of its diagonal element.
    """
    m = len(g)
    all_of_H = m * m
    step, model = np.empty(2 * m + 1), np.empty(3 * all_of_H + 2 * m)
    work, count = np.empty(2 * m + 2 * all_of_H), ffi.new("int32_t *")
    status = lib.smm_constrained_step(
        m,
        doubles(g),
        doubles(np.ascontiguousarray(H)),
        doubles(np.ascontiguousarray(a)),
        ffi.NULL if bent is None else doubles(bent),
        bound,
        share,
        count,
        doubles(step),
        doubles(model),
        doubles(work),
    )
    curvature = model[:all_of_H].reshape(m, m)
    if status == lib.SMM_ENOTPD:
        k = count[0]
        _, basis, reduced, down = np.split(model, all_of_H * np.arange(1, 4))
        return AlongConstraint(
            curvature,
            basis[: m * k].reshape(k, m).T,
            reduced[: k * k].reshape(k, k),
            down[: 2 * k].reshape(2, k).T,
        )
    check_status(status, "find a step along a constraint")
    return ConstrainedStep(curvature, step[:m], step[m:-1], float(step[-1]))


def curvature_sizes(H: Array) -> Array:
    """Return the units of variables in which their curvatures are one, shape (m,).

    Those of theta, coefficients and log sigma may differ by any number of orders.
    """
    sizes = np.empty(len(H))
    status = lib.smm_curvature_sizes(len(H), doubles(np.ascontiguousarray(H)), doubles(sizes))
    check_status(status, "find units of variables")
    return sizes


class CurvatureMemory:
    """What a known curvature of m variables leaves out, as changes of gradients tell.

    Parameters
    ----------
    m : int
    """

    def __init__(self, m: int) -> None:
        self._m = m
        self._memory, self._work = np.zeros(1 + 2 * m + 2 * m * m), np.empty(3 * m)

    @property
    def left_out(self) -> Array:
        """What was learned, shape (m, m)."""
        m = self._m
        return self._memory[-m * m :].reshape(m, m)

    def learned(self, x: Array, gradient: Array, H: Array) -> Array:
        """Return H (m, m) and what it leaves out, with what the gradient at x tells of that."""
        out = np.empty((self._m, self._m))
        status = lib.smm_learn_curvature(
            self._m,
            doubles(np.ascontiguousarray(x)),
            doubles(np.ascontiguousarray(gradient)),
            doubles(np.ascontiguousarray(H)),
            doubles(self._memory),
            doubles(out),
            doubles(self._work),
        )
        check_status(status, "learn of a curvature")
        return out


def derivatives_log_sigma(workspace: CoreWorkspace) -> tuple[Array, Array]:
    """Return gradient and approximate Hessian in theta and log sigma.

    Parameters
    ----------
    workspace : CoreWorkspace
        Evaluated by maximum likelihood at a fixed sigma.

    Returns
    -------
    gradient : ndarray, shape (ntheta + 1,)
    hessian : ndarray, shape (ntheta + 1, ntheta + 1)
    """
    m = workspace.design.ntheta + 1
    gradient, hessian = np.empty(m), np.empty((m, m))
    with workspace.threads, workspace.lock:
        status = lib.smm_derivatives_log_sigma(
            workspace.handle, doubles(gradient), doubles(hessian)
        )
    check_status(status, "differentiate the deviance")
    coordinates = workspace.design.coordinates
    return coordinates.gradient_outward(gradient), coordinates.curvature_outward(hessian)


def row_length_derivatives(
    x: Array, at: NDArray[np.int32], row: Array, sigma: float | None
) -> tuple[Array, Array]:
    """Return gradient (n,) and Hessian (n, n) of sigma |M x[at]|.

    Parameters
    ----------
    x : ndarray, shape (n,)
    at : ndarray of int32, shape (m,)
    row : ndarray, shape (k, m)
        The M.
    sigma : float or None
        None for the exponential of the last of x.
    """
    n, (k, m) = len(x), row.shape
    gradient, hessian, work = np.empty(n), np.empty((n, n)), np.empty(2 * k + k * k)
    status = lib.smm_row_length(
        n,
        doubles(x),
        k,
        m,
        integers(at),
        doubles(row),
        sigma or 0.0,
        doubles(gradient),
        doubles(hessian),
        doubles(work),
    )
    check_status(status, "differentiate a standard deviation")
    return gradient, hessian


def row_angle(
    x: Array, at: NDArray[np.int32], rows: Array, derivatives: bool
) -> tuple[float, Array, Array]:
    """Return the angle between two rows, its gradient (n,) and its Hessian (n, n).

    Parameters
    ----------
    x : ndarray, shape (n,)
    at : ndarray of int32, shape (m,)
    rows : ndarray, shape (2k, m)
        What x[at] is multiplied by to give one row and the other below it.
    derivatives : bool
        Whether they are wanted; else what is returned for them is undefined.
    """
    n, m = len(x), len(at)
    k = len(rows) // 2
    angle, gradient, hessian = ffi.new("double *"), np.empty(n), np.empty((n, n))
    work = np.empty(4 * k + 4 * k * k)
    status = lib.smm_row_angle(
        n,
        doubles(x),
        k,
        m,
        integers(at),
        doubles(rows),
        angle,
        doubles(gradient) if derivatives else ffi.NULL,
        doubles(hessian),
        doubles(work),
    )
    check_status(status, "differentiate a correlation")
    return float(angle[0]), gradient, hessian
