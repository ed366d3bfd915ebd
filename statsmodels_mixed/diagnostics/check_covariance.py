"""What may be wrong with the random effects of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..fitting.covariance import SINGULAR
from .report import Problem
from .simpler_formula import as_fixed, intercepts_only, without_correlations, without_effects

__all__ = ["few_levels", "singular", "too_many_effects", "unidentified_parameters"]


# With fewer levels than this a variance among them is hardly estimable.
FEW = 5


def singular(result: Any) -> Iterator[Problem]:
    """Give the grouping factors whose covariance matrix is singular, and which effect is."""
    if not result.issingular() or result.report.not_identified:
        return
    factors = [_in_units(result, i) for i in range(len(result.layout.blocks))]
    least = [float(np.linalg.svd(T, compute_uv=False)[-1]) for T in factors]
    found = [i for i, value in enumerate(least) if value < SINGULAR] or [int(np.argmin(least))]
    for i in found:
        yield _of_block(result, i, np.linalg.norm(factors[i], axis=1) < SINGULAR)


def _in_units(result: Any, block: int) -> Array:
    """Return T of a block where the columns of Z have unit mean square, shape (k, k)."""
    T = np.asarray(result.estimates.factors[block])
    design = result.model.sufficient
    if design is None:
        return T
    sizes = design.blocks[block].column_sizes(design.weights, design.nobs)
    return np.asarray(sizes[:, None] * T)


def _of_block(result: Any, i: int, lost: NDArray[np.bool_]) -> Problem:
    block = result.layout.blocks[i]
    names = [name for name, gone in zip(block.columns, lost, strict=True) if gone]
    if lost.all():
        formula = without_effects(result, i, np.flatnonzero(lost).tolist())
        advice = (
            f"Leave {block.name} out, or keep it if the design asks for it: the estimates of "
            "everything else are the same."
        )
        if formula is None and len(result.layout.blocks) == 1:
            advice += " Without it there are no random effects: "
            alone = "residual= or dispersion= fits" if result.takes_correlated else ""
            advice += f"{alone or 'smf.ols or smf.glm fit'} the rest."
        what = "variance" if len(block.columns) == 1 else "variances"
        message = f"Singular: the estimated {what} of {block.name} {_are(what)} zero."
        return Problem("singular", block.name, message, advice, formula)
    if names:
        shown = ", ".join(names)
        message = (
            f"Singular: the estimated standard deviation of {shown} among levels of "
            f"{block.name} is zero."
        )
        advice = f"Leave {shown} out of the random effects of {block.name}."
        where = ", ".join(f"{block.name}: {name}" for name in names)
        formula = without_effects(result, i, np.flatnonzero(lost).tolist())
        return Problem("singular", where, message, advice, formula)
    pairs = _tied(result.varcorr[block.name].correlation, block.columns)
    tied = f" ({'; '.join(pairs)})" if pairs else ""
    message = (
        f"Singular: the random effects of {block.name} vary in fewer than {len(block.columns)} "
        f"directions{tied}."
    )
    formula = without_correlations(result, i)
    advice = "Fix their correlations at zero" if formula else "Leave out one of them"
    advice += ", then leave out those that hardly vary; re_pca() shows the directions."
    return Problem("singular", block.name, message, advice, formula)


def _are(noun: str) -> str:
    return "are" if noun.endswith("s") else "is"


def _tied(correlation: Array, names: tuple[str, ...]) -> list[str]:
    """Return the pairs of effects whose correlation is one or minus one."""
    k = len(names)
    return [
        f"the correlation of {names[c]} and {names[r]} is {correlation[r, c]:.0f}"
        for c in range(k)
        for r in range(c + 1, k)
        if abs(correlation[r, c]) > 1.0 - 1e-6
    ]


def unidentified_parameters(result: Any) -> Iterator[Problem]:
    """Give what the data do not determine, for any response."""
    for reason in result.report.not_identified:
        yield Problem(
            "not_identified",
            "covariance parameters",
            f"Not identified: {reason}.",
            "Leave out all but one of what is confounded; `identified` says of each parameter "
            "whether the data determine it.",
        )


def too_many_effects(result: Any) -> Iterator[Problem]:
    """Give the grouping factors that have as many random effects as there are rows."""
    estimates, n = result.estimates, result.nobs
    spec = estimates.spec
    if estimates.structured is not None:
        return  # serial effects fade with distance; others are said not to be identified
    if not estimates.scale_estimated and (estimates.linear or spec.family != "binomial"):
        return  # counts have an effect for each row to be overdispersed
    design = result.model.design
    if not estimates.linear and (design is None or design.weights is not None):
        return  # and so have proportions of several trials
    for i, block in enumerate(result.layout.blocks):
        count = len(block.levels) * len(block.columns)
        if len(block.levels) == n == count and estimates.linear:
            # Others are refused; their variances are not in proportion to those of residuals.
            unweighted = design is not None and design.weights is None
            apart = f"sizes of {block.columns[0]}" if unweighted else "prior weights"
            yield Problem(
                "known_by_weights",
                block.name,
                f"{block.name} has a level for each row: its variance and that of the residuals "
                f"are distinguished by the {apart} only.",
                "Trust the two no more than the weights, and look at their sum; or give sigma=, "
                "if it is known.",
            )
        elif count >= n:
            yield Problem(
                "too_many_effects",
                block.name,
                f"{block.name} has {count} random effects ({len(block.columns)} for each of "
                f"{len(block.levels)} levels), as many as there are rows ({n}) or more: they "
                "cannot be distinguished from the residuals.",
                "Leave random effects out.",
                intercepts_only(result, i) if len(block.levels) < n else None,
            )


def few_levels(result: Any) -> Iterator[Problem]:
    """Give the grouping factors with so few levels that their variances are poorly known."""
    structured = result.estimates.structured
    # A level of these has an effect at each of many places, and they have one variance.
    fields = {part.block for part in structured.parts if part.alike} if structured else set()
    for i, block in enumerate(result.layout.blocks):
        count = len(block.levels)
        if count < FEW and i not in fields:
            levels = "a single level" if count == 1 else f"only {count} levels"
            values = "one value" if count == 1 else f"{count} values"
            yield Problem(
                "few_levels",
                block.name,
                f"{block.name} has {levels}: its variance is estimated from {values}, and tests of "
                "what varies among its levels are unreliable.",
                'Make it a fixed effect, or use dof="kenward-roger" with reml=True for tests '
                "and bootstrap() for the variance."
                if result.estimates.linear
                else "Make it a fixed effect, or use bootstrap() for the variance.",
                as_fixed(result, i),
            )
