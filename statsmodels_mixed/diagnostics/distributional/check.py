"""What is wrong with a fit whose rows have parameters besides their mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...simulation.streams import Seed
from ..check import DISTRIBUTION, checks_of, compared_with_draws
from ..check_fit import at_limit, infinite_coefficients
from ..report import Problem, Report

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["check"]

# What fits with several parts can be given; they have no start=.
_ADVICE = {
    "not_converged": "Raise max_eval=, or leave terms out: of zero_inflation=, hurdle= and "
    "dispersion= first, and random effects whose variance is large or zero.",
    "gradient": "Compare with fits of smaller models: what their estimates have in common is to be "
    "relied on.",
}


def check(
    self: DistributionalFit, *, simulate: bool = False, n: int = 250, seed: Seed = None
) -> Report:
    """Say in words what is wrong with the fit, and what to try.

    Looked for is what `check` of other generalized models looks for, in the part of the mean, and
    zero inflation at its boundary; with `simulate` also overdispersion, too many zeros, and
    responses that do not have the distribution of the model.

    Parameters
    ----------
    simulate : bool
        Whether to compare the response with draws from the fit, too.
    n, seed
        Number of draws, and their seed, as in `simulated_residuals`.

    Returns
    -------
    Report

    See Also
    --------
    GeneralizedLinearMixedModelResults.check

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "nbinom2", zero_inflation="~ 1")
    >>> model.fit().check().problems[-1].message
    'No zero inflation: its probability is estimated as 0, the boundary.'
    """
    checks = checks_of(self._spec.family)
    problems = [
        replace(problem, advice=_ADVICE.get(problem.code, problem.advice))
        for _, look in checks
        for problem in look(self if look is at_limit else self._mean_part)
    ]
    if self.separated != self._mean_part.separated:  # in the part of zeros too
        problems = [problem for problem in problems if problem.code != "separation"]
        problems += infinite_coefficients(self)
    problems += _without_zeros(self)
    looked_for = tuple(name for name, _ in checks)
    if self._zeros is not None:
        looked_for += ("zero inflation at its boundary",)
    hint = ""
    if simulate:
        problems += compared_with_draws(self, n, seed)
        looked_for += (DISTRIBUTION,)
    elif not self._ordered:
        hint = "check(simulate=True) compares the response with draws as well."
    title = f"{self.model.formula_full}; {self._mean_part.method}"
    return Report(title, problems, looked_for, hint)


def _without_zeros(self: DistributionalFit) -> Iterator[Problem]:
    """Say that the data have no more zeros than the distribution."""
    if self.without_zeros:
        yield Problem(
            "zero_inflation",
            "zi",
            "No zero inflation: its probability is estimated as 0, the boundary.",
            "Leave zero_inflation= out; anova() compares the models.",
        )
