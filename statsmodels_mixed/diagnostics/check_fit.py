"""What may be wrong with the minimum and with the coefficients of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy as np

from ..errors import MixedModelError
from ..fitting.families.limit_of_dispersion import limit_in_words
from .report import Problem
from .simpler_formula import without_correlations
from .vif import vif

__all__ = [
    "at_limit",
    "collinear",
    "gradient",
    "infinite_coefficients",
    "not_converged",
    "rank_deficient",
    "scales",
]

# A decrease in the objective that is more than rounding.
DECREASE = 1e-4
# Standard deviations of columns that differ by more than this hinder a minimizer.
RATIO = 1e3
# Variance inflation from which standard errors are more than three times as large.
INFLATION = 10.0

# Families beside one whose dispersion is at its limit.
_THAT = "Take that family; anova() compares the models."
_MORE = 'Negative binomial counts may vary more: family="nbinom2", or zero_inflation="~ 1".'


def not_converged(result: Any) -> Iterator[Problem]:
    """Say that the fit did not reach a minimum, and what to try."""
    report = result.report
    if result.converged or result.separated:
        return
    start, optimizer = _start_there(result), _has_optimizer(result)
    other = 'optimizer= ("LN_BOBYQA", "LD_LBFGS") or start=' if optimizer else "start="
    advice = {
        "MAXEVAL_REACHED": f"Raise max_eval=, or go on with {start}.",
        "MAXTIME_REACHED": f"Raise max_time=, or go on with {start}.",
    }.get(report.status, f"Try another {other}.")
    wide = [i for i, block in enumerate(result.layout.blocks) if len(block.columns) > 1]
    formula = None
    if wide and "REACHED" not in report.status:
        formula = without_correlations(result, max(wide, key=lambda i: _width(result, i)))
    if formula:
        advice += " If that does not help, the model may be too large for the data."
    sentence = report.message.partition(" The local quadratic model")[0]
    yield Problem("not_converged", "", f"Not converged: {sentence}", advice, formula)


def _width(result: Any, block: int) -> int:
    return len(result.layout.blocks[block].columns)


def gradient(result: Any) -> Iterator[Problem]:
    """Say that the gradient did not vanish, or that the end is no minimum."""
    report = result.report
    if result.converged or result.separated:
        return
    if np.isfinite(report.gradient_norm) and report.gradient_norm > DECREASE:
        yield Problem(
            "gradient",
            "theta",
            "The gradient has not vanished: a step along it promises a decrease of "
            f"{report.gradient_norm:.2g} in the objective.",
            f"Compare with a fit from there, {_start_there(result)}"
            f"{', and with another optimizer=' if _has_optimizer(result) else ''}: if objectives "
            "agree to three decimals, so do the estimates for most purposes.",
        )


def _start_there(result: Any) -> str:
    """Return the option of a fit that starts at the estimates of this one."""
    structured = getattr(result.estimates, "structured", None)
    return f"start=fit.{'theta' if structured is None else 'estimates.structured.phi'}"


def _has_optimizer(result: Any) -> bool:
    """Return whether another optimizer may be chosen."""
    takes_it = "optimizer" in signature(type(result.model).fit).parameters
    return takes_it and getattr(result.estimates, "structured", None) is None


def infinite_coefficients(result: Any) -> Iterator[Problem]:
    """Give the coefficients that have no finite estimate."""
    if result.separated:
        names = ", ".join(result.separated)
        yield Problem(
            "separation",
            names,
            f"Separation: no finite estimate exists for the coefficients of {names}, along which "
            "the response separates into its values.",
            "Their estimates, standard errors and Wald tests mean nothing: join levels that have "
            'one response only, leave the columns out, or use conf_int(method="profile").',
        )


def at_limit(result: Any) -> Iterator[Problem]:
    """Say that the dispersion is at the limit of its family."""
    if result.limit is not None:
        sentence = limit_in_words(result.limit)
        yield Problem(
            "dispersion",
            "dispersion",
            sentence[0].upper() + sentence[1:] + ".",
            _MORE if result.limit == "geometric" else _THAT,
        )


def rank_deficient(result: Any) -> Iterator[Problem]:
    """Give the columns that were dropped because others determine them."""
    dropped = result.columns_dropped
    if dropped:
        names = ", ".join(dropped)
        yield Problem(
            "rank_deficient",
            names,
            f"Dropped, because linearly dependent on the other columns: {names}.",
            "Leave out what is redundant, or the cells without data; other coefficients refer to "
            "what is left.",
        )


def collinear(result: Any) -> Iterator[Problem]:
    """Give the terms whose estimates are hardly separable from those of others."""
    try:
        table = vif(result)
    except MixedModelError:  # fewer than two terms, or no data to make them of
        return
    size = table["GVIF^(1/(2 df))"].to_numpy() ** 2
    names = [str(name) for name in table.index[size > INFLATION]]
    if names:
        worst = float(np.sqrt(size.max()))
        yield Problem(
            "collinear",
            ", ".join(names),
            f"Collinear: standard errors of {', '.join(names)} are up to {worst:.1f} times as "
            "large as they would be without the other terms.",
            "Center covariates that are in interactions or powers; of others that say the same, "
            "keep one. vif() has the figures.",
        )


def scales(result: Any) -> Iterator[Problem]:
    """Give columns of X that vary on very different scales."""
    design = result.model.design
    if design is None:
        return
    columns = np.asarray(result.estimates.columns)
    spread = design.X[:, columns].std(axis=0)
    varying = np.flatnonzero(spread > 0)
    if len(varying) < 2:
        return
    least, most = (int(varying[i]) for i in (spread[varying].argmin(), spread[varying].argmax()))
    if spread[most] > RATIO * spread[least]:
        small, large = (design.x_names[columns[i]] for i in (least, most))
        end = (
            "The fit has converged all the same; coefficients are easier to read after dividing "
            "by 10, 1000 or the standard deviation."
            if result.converged
            else "Divide by 10, 1000 or the standard deviation, and fit again."
        )
        yield Problem(
            "scales",
            f"{small}, {large}",
            f"Columns are on very different scales: {large} has a standard deviation of "
            f"{spread[most]:.3g}, {small} of {spread[least]:.3g}.",
            end,
        )
