"""Newton steps along a constraint, and derivatives of a deviance in theta and log sigma."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles
from .workspace import CoreWorkspace

__all__ = ["AlongConstraint", "ConstrainedStep", "constrained_step", "derivatives_log_sigma"]


class ConstrainedStep(NamedTuple):
    """Where a quadratic model is least along a constraint a's = 0; see ``smm_constrained_step``.

    Attributes
    ----------
    step, tangent : ndarray, shape (m,)
    decrease : float
        What the model promises at the step, twice.
    """

    step: Array
    tangent: Array
    decrease: float


class AlongConstraint(NamedTuple):
    """A quadratic model along a constraint, where its curvature is not safely definite.

    Attributes
    ----------
    basis : ndarray, shape (m, k)
        The directions along the constraint.
    reduced : ndarray, shape (k, k)
        Curvature in these.
    down : ndarray, shape (k, 2)
        What is to be solved with that for step and tangent, in these.
    """

    basis: Array
    reduced: Array
    down: Array


def constrained_step(
    g: Array, H: Array, a: Array, sizes: Array, axis: int, bound: int, share: float
) -> ConstrainedStep | AlongConstraint:
    """Return the Newton step along a constraint.

    Parameters
    ----------
    g : ndarray, shape (m,)
    H : ndarray, shape (m, m)
        Symmetric.
    a : ndarray, shape (m,)
        Gradient of the constraint.
    sizes : ndarray, shape (m,)
        Units in which curvatures are one.
    axis : int
        Of the reflection, in these units; -1 for the one that a is nearest to.
    bound : int
        An element that stays where it is, or -1.
    share : float
        The least that a pivot may be of its diagonal element.
    """
    m = len(g)
    step, tangent = np.empty(m), np.empty(m)
    basis, reduced, down = np.empty(m * m), np.empty(m * m), np.empty(2 * m)
    work, count, decrease = np.empty(m + 2 * m * m), ffi.new("int32_t *"), ffi.new("double *")
    status = lib.smm_constrained_step(
        m,
        doubles(g),
        doubles(np.ascontiguousarray(H)),
        doubles(np.ascontiguousarray(a)),
        doubles(sizes),
        axis,
        bound,
        share,
        count,
        doubles(basis),
        doubles(reduced),
        doubles(down),
        doubles(step),
        doubles(tangent),
        decrease,
        doubles(work),
    )
    if status == lib.SMM_ENOTPD:
        k = count[0]
        return AlongConstraint(
            basis[: m * k].reshape(k, m).T,
            reduced[: k * k].reshape(k, k),
            down[: 2 * k].reshape(2, k).T,
        )
    check_status(status, "find a step along a constraint")
    return ConstrainedStep(step, tangent, float(decrease[0]))


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
