"""What a reader must know about a fit besides its numbers, as sentences and as warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import (
    ConvergenceWarning,
    IdentificationWarning,
    MixedModelWarning,
    RankWarning,
    SeparationWarning,
    SingularFitWarning,
    warn_caller,
)

if TYPE_CHECKING:
    from ..standard_errors.contrast_tests import FTest
    from .base import MixedModelResults

__all__ = ["facts", "warn", "warn_dropped", "warn_no_distribution", "warn_not_estimable"]


def facts(result: MixedModelResults) -> list[str]:
    """Return one sentence for each thing about the fit that a reader must know."""
    sentences = []
    if not result.converged:
        sentences.append(f"Not converged: {result.report.message}")
    if result.report.not_identified:
        sentences.append(f"Not identified: {'; '.join(result.report.not_identified)}.")
    if result.issingular():
        sentences.append(
            "Singular: an estimated covariance matrix of random effects is not of full rank."
        )
    if result.report.other_optima:
        sentences.append(_several_maxima(result.report.objective, result.report.other_optima))
    if result.estimates.structured is not None:
        sentences += result.estimates.structured.at_bounds
    if result.n_dropped:
        sentences.append(
            f"{_count(result.n_dropped, 'row')} with missing values left out, "
            f"{result.layout.nobs} used{_without_value(result)}."
        )
    if result.columns_dropped:
        sentences.append(
            "Dropped, because linearly dependent on the other columns: "
            + ", ".join(result.columns_dropped)
            + "."
        )
    own = result._own_facts()
    return [*sentences, *own, *filter(None, [result.reference.fact])]


def _several_maxima(objective: float, others: Sequence[float]) -> str:
    """Say how far below the highest maximum that was found others are."""
    lower = f"{0.5 * (min(others) - objective):.3g} lower in log-likelihood"
    found = "another maximum" if len(others) == 1 else f"{len(others)} other maxima"
    where = "the next one " if len(others) > 1 else ""
    return (
        f"Several maxima: searches from other starts ended at {found}"
        f" of the likelihood, {where}{lower}; the highest that was found is taken."
    )


def _without_value(result: MixedModelResults) -> str:
    """Say which expressions had no value in how many of the rows left out."""
    frame = result.model.frame
    lost = {} if frame is None else frame.without_value
    shown = ", ".join(f"{label} has no value in {count}" for label, count in lost.items())
    return f"; {shown} of those left out" if shown else ""


def warn_dropped(columns: Sequence[str]) -> None:
    """Warn of columns of X that depend on the others, if there are some."""
    if columns:
        message = f"X is rank deficient: dropped {', '.join(columns)}; coef has NaN there."
        warn_caller(message, RankWarning)


def warn_not_estimable(number: int, noun: str) -> None:
    """Warn that something asked of a fit is not estimable."""
    which = "this combination" if number == 1 else "these combinations"
    message = (
        f"{_count(number, noun)} of what is asked for cannot be estimated: X is rank deficient and "
        f"the data do not determine {which} of the coefficients; the answer is NaN there."
    )
    warn_caller(message, RankWarning)


def warn_no_distribution(names: Sequence[str], tests: Sequence[FTest]) -> None:
    """Warn of joint tests for which Kenward and Roger's method finds no F distribution."""
    lost = [
        name
        for name, test in zip(names, tests, strict=True)
        if np.isnan(test.pvalue) and np.isfinite(test.wald)
    ]
    if lost:
        message = (
            f"no F distribution approximates the test of {', '.join(lost)}, which is NaN: the "
            "levels are too few for Kenward and Roger's method."
        )
        warn_caller(message, MixedModelWarning)


def _count(number: int, noun: str) -> str:
    plural = "hypotheses" if noun == "hypothesis" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def warn(result: MixedModelResults) -> None:
    """Warn the caller of `fit`, at most once of each kind.

    Called by `MixedModel._finish`, which `fit` calls, which refuses unknown options first.
    """
    warn_dropped(result.columns_dropped)
    if result.separated:
        message = (
            f"no finite estimate exists for the coefficients of {', '.join(result.separated)}: "
            "the response separates along them."
        )
        warn_caller(message, SeparationWarning)
    if not result.converged:
        message = f"the fit did not converge: {result.report.message}"
        warn_caller(message, ConvergenceWarning)
    if result.report.not_identified:
        structured = result.estimates.structured is not None or result.takes_correlated
        message = (
            f"the data do not determine all covariance parameters: "
            f"{'; '.join(result.report.not_identified)}. "
        )
        if structured:
            message += "Other values of these have the same likelihood: leave some out."
        else:
            message += "What depends on them is NaN; see identified."
        warn_caller(message, IdentificationWarning)
    elif result.issingular():  # which, if not all is identified, may be chance
        message = "a covariance matrix of random effects is singular; see summary()."
        warn_caller(message, SingularFitWarning)
