"""What is wrong with a fit, in words, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..fitting.families.limit_of_dispersion import limit_of
from ..results.base import unwrap
from ..results.own_function import own_first
from ..simulation.streams import Seed
from .check_covariance import few_levels, singular, too_many_effects, unidentified_parameters
from .check_fit import (
    at_limit,
    collinear,
    gradient,
    infinite_coefficients,
    not_converged,
    rank_deficient,
    scales,
)
from .report import Problem, Report

__all__ = ["DISTRIBUTION", "check", "checks_of", "compared_with_draws"]

Checks = tuple[tuple[str, Callable[[Any], Iterator[Problem]]], ...]

CHECKS: Checks = (
    ("convergence", not_converged),
    ("the gradient", gradient),
    ("separation", infinite_coefficients),
    ("parameters that the data do not determine", unidentified_parameters),
    ("singular covariances", singular),
    ("as many random effects as rows", too_many_effects),
    ("grouping factors of few levels", few_levels),
    ("dependent columns", rank_deficient),
    ("collinear terms", collinear),
    ("scales of columns", scales),
)
AT_LIMIT = ("a dispersion at its boundary", at_limit)
# What is looked for by draws.
DISTRIBUTION = "the distribution of the response"
# p-values below this are worth a sentence.
SMALL = 0.01


@own_first
def check(result: Any, *, simulate: bool = False, n: int = 250, seed: Seed = None) -> Report:
    """Say in words what is wrong with a fit, and what to try.

    Looked for are: a fit that did not converge, a gradient that did not vanish, separation,
    covariance parameters that the data do not determine, singular covariances and which term
    they belong to, as many random effects as rows, grouping factors of fewer than five levels,
    columns that depend on each other, exactly or nearly, and columns on very different scales;
    with `simulate` also overdispersion and too many zeros of counts, and responses that do not
    have the distribution of the model.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    simulate : bool
        Whether to compare the response with draws from the fit, too.
    n, seed
        Number of draws, and their seed, as in `simulated_residuals`.

    Returns
    -------
    Report
        Prints as sentences; its `problems` have `code`, `where`, `message`, `advice` and,
        where there is one to suggest, a simpler `formula`.

    Raises
    ------
    DataError
        If draws are asked for and the data of the fit were removed.

    See Also
    --------
    simulated_residuals, vif, re_pca

    References
    ----------
    Bates, Kliegl, Vasishth and Baayen (2015), Parsimonious mixed models, arXiv:1506.04967.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> print(fit.check())
    reaction ~ 1 + days + (1 + days | subj); ML
    Nothing to say against this fit. Looked for: convergence, the gradient, separation,
    parameters that the data do not determine, singular covariances, as many random effects
    as rows, grouping factors of few levels, dependent columns, collinear terms, scales of
    columns.
    """
    result = unwrap(result, correlated=True)
    spec = result.estimates.spec
    checks = CHECKS if spec is None else checks_of(spec.family)
    problems = [problem for _, look in checks for problem in look(result)]
    looked_for = tuple(name for name, _ in checks)
    hint = ""
    if simulate:
        problems += compared_with_draws(result, n, seed)
        looked_for += (DISTRIBUTION,)
    elif spec is not None and spec.discrete:
        hint = "check(simulate=True) looks for overdispersion and too many zeros as well."
    formula = getattr(result.model, "formula_full", result.layout.response)
    return Report(f"{formula}; {result.method}", problems, looked_for, hint)


def checks_of(family: str) -> Checks:
    """Return what is looked for in a fit of a family.

    Parameters
    ----------
    family : str
    """
    return CHECKS if limit_of(family) is None else (*CHECKS, AT_LIMIT)


def compared_with_draws(result: Any, n: int, seed: Seed) -> Iterator[Problem]:
    """Compare the response with draws from the fit.

    Parameters
    ----------
    result : results with `simulated_residuals`
    n, seed
        As there.
    """
    drawn = result.simulated_residuals(n, seed=seed)
    over = zeros = None
    if drawn.discrete:
        # Given the modes, which have seen the response, draws vary too much if anything; with
        # new random effects large variances among levels would hide those within.
        given = result.simulated_residuals(n, seed=seed, re="conditional")
        over, zeros = given.dispersion("greater"), drawn.zero_inflation("greater")
    found = False
    response = result.model.layout.response
    if over is not None and over.pvalue < SMALL:
        found = True
        counts = result.model.spec.support == "counts"
        other = 'family="negative_binomial", or ' if counts else ""
        yield Problem(
            "overdispersion",
            response,
            f"Overdispersed: the response varies {over.statistic:.2f} times as much about its "
            f"means, given the random effects, as the model says (p = {over.pvalue:.2g}); "
            "standard errors are too small.",
            f"Try {other}a random effect for each row, (1 | row) with a column that numbers them.",
        )
    if zeros is not None and zeros.pvalue < SMALL:
        found = True
        yield Problem(
            "zero_inflation",
            response,
            f"Too many zeros: {zeros.statistic:.2f} times as many as the model has "
            f"(p = {zeros.pvalue:.2g}).",
            "If a family with more variance does not have them either, model them by themselves.",
        )
    uniform = drawn.uniformity()
    if not found and uniform.pvalue < SMALL:
        yield Problem(
            "distribution",
            response,
            "The response does not have the distribution of the model (simulated residuals are "
            f"not uniform, p = {uniform.pvalue:.2g}).",
            "plot.simulated_residuals() shows where: try a transformation, another family or "
            "link, or what the mean lacks.",
        )
