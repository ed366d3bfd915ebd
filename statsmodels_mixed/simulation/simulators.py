"""What draws responses of a fit, by the kind of its estimates."""

from __future__ import annotations

from functools import singledispatch

from ..fitting.estimates import Estimates, GeneralizedEstimates, LinearEstimates
from ..frame.design import Design
from ..residual_covariance.estimates import ResidualEstimates
from .residual_simulator import residual_simulator
from .simulator import Simulator, Truth, check_effects, independent_simulator

__all__ = ["simulator_of"]


def simulator_of(design: Design, estimates: Estimates, truth: Truth, re: str) -> Simulator:
    """Prepare the drawing of responses.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : Estimates
    truth : Truth
        Parameters to draw from.
    re : {"new", "conditional"}

    Raises
    ------
    OptionError
        If `re` is something else, or theta is given although random effects are kept.
    """
    check_effects(re, truth, estimates)
    return _simulator(estimates, design, truth, re)


@singledispatch
def _simulator(estimates: Estimates, design: Design, truth: Truth, re: str) -> Simulator:
    """Return what draws, by the kind of estimates."""
    raise NotImplementedError(type(estimates).__name__)


@_simulator.register(LinearEstimates)
@_simulator.register(GeneralizedEstimates)
def _(
    estimates: LinearEstimates | GeneralizedEstimates, design: Design, truth: Truth, re: str
) -> Simulator:
    return independent_simulator(design, estimates, truth, re)


@_simulator.register(ResidualEstimates)
def _(estimates: ResidualEstimates, design: Design, truth: Truth, re: str) -> Simulator:
    return residual_simulator(design, estimates, truth, re)
