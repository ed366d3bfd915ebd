"""What a fit did, for the log: a line at level INFO, its evaluations at level DEBUG."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from .progress import LOGGER

if TYPE_CHECKING:
    from .base import MixedModelResults

__all__ = ["log_fit"]


def log_fit(result: MixedModelResults) -> None:
    """Tell the log of a fit.

    Called by `MixedModel._finish`, which `fit` calls.
    """
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    report = result.report
    LOGGER.info(
        "%s; %s: %s %.6f after %d evaluations by %s (%s)",
        getattr(result.model, "formula_full", result.layout.response),
        result.method,
        result._objective_name,
        report.objective,
        report.evaluations,
        report.optimizer,
        report.status,
    )
    if LOGGER.isEnabledFor(logging.DEBUG):
        pairs = zip(report.fitlog_objective, report.fitlog_theta, strict=True)
        for number, (objective, theta) in enumerate(pairs, 1):
            shown = np.array2string(theta, precision=6, separator=", ")
            LOGGER.debug("evaluation %d: objective %.9g at theta %s", number, objective, shown)
