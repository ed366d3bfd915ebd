"""Fits of one linear model to many responses, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles, floats, integers
from .options import FitOptions, c_options

if TYPE_CHECKING:
    from .workspace import CoreWorkspace

__all__ = ["CoreFits", "refit"]


class CoreFits(NamedTuple):
    """Fits of one model to m responses; NaN where a fit failed.

    Attributes
    ----------
    facts : ndarray, shape (m, 6)
        Objective, pwrss, its degrees of freedom, promised decrease, least eigenvalue of the
        curvature, why it ended (``smm_stop``).
    theta : ndarray, shape (m, ntheta)
    beta : ndarray, shape (m, p)
    xvx_inverse : ndarray, shape (m, p, p)
    """

    facts: Array
    theta: Array
    beta: Array
    xvx_inverse: Array


def refit(
    self: CoreWorkspace,
    responses: Array,
    theta: Array,
    stop: NDArray[np.int32],
    options: FitOptions,
) -> CoreFits:
    """Fit the model to many responses by Newton steps, each from theta.

    Parameters
    ----------
    responses : ndarray, shape (m, n)
    theta : ndarray, shape (ntheta,)
        Start.
    stop : ndarray of int32, shape (1,)
        Another thread sets it to end the run; the fits done by then are returned.
    options : FitOptions
        The tolerances; limits have no effect.
    """
    count, p, nt = len(responses), self.design.p, self.design.ntheta
    responses = floats(responses, (count, self.design.n), "responses")
    start = floats(self.inward(theta), (nt,), "theta")
    facts, ends = np.empty((count, 6)), np.empty((count, nt))
    beta, inverse = np.empty((count, p)), np.empty((count, p, p))
    done = ffi.new("int64_t *")
    self.lent = (*self.lent, responses)
    with self.threads, self.lock:
        status = lib.smm_refit(
            self.handle,
            count,
            doubles(responses),
            self.weight_pointer(),
            c_options(options),
            doubles(start),
            integers(stop),
            doubles(ends),
            doubles(beta),
            doubles(inverse),
            doubles(facts),
            done,
        )
    check_status(status, "fit the model to responses")
    rows = slice(int(done[0]))
    if np.isfinite(facts[rows, 0]).any():  # C keeps one of these, and none of those before
        self.lent = (responses,)
    ends = self.design.coordinates.outward(ends[rows])
    return CoreFits(facts[rows], ends, beta[rows], inverse[rows])
