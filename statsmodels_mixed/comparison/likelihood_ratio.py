"""Likelihood-ratio test of two fitted mixed models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import chdtrc

from ..errors import OptionError
from ..options import answering
from .difference_of_minima import difference_of_minima
from .families_within import at_edge
from .without_random_effects import read_plain

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

# Sums over the same rows in another order differ by less than this share.
SAME = 1e-9

__all__ = ["LikelihoodRatio", "check_same_data", "likelihood_ratio"]


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test.

    Attributes
    ----------
    statistic : float
        Difference of the objectives; zero where it is not above their rounding errors.
    pvalue : float
        Upper tail of the chi-squared distribution with `df_diff` degrees of freedom. It is
        too large when the smaller model puts a variance at zero, the edge of its range. Where it
        leaves out all random effects and there is one variance, or is Poisson and the full model
        negative binomial, or binomial and beta-binomial, so that a single parameter is at the edge
        of its range, the mean of the tails with `df_diff` - 1 and `df_diff` degrees of freedom
        (Self and Liang 1987).
    df_diff : int
        Difference of the numbers of parameters.

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> smaller = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> round(fit.compare_lr_test(smaller).statistic, 2)
    42.14
    """

    statistic: float
    pvalue: float
    df_diff: int


@answering({})
def likelihood_ratio(full: Any, restricted: Any) -> LikelihoodRatio:
    """Compare two fits to the same data by their likelihoods.

    Parameters
    ----------
    full : MixedModelResults
        The larger model.
    restricted : MixedModelResults, or results of statsmodels' OLS, WLS or GLM
        A smaller model nested in it: also one without random effects, or of a family that is a
        case of its own, such as a Poisson model in a negative binomial one. That it is nested is
        not checked beyond the number of parameters.

    Returns
    -------
    LikelihoodRatio
        The test.

    Raises
    ------
    OptionError
        If the likelihoods are not comparable (models of different kinds or families, fits
        by different methods, REML fits with different fixed effects, which `anova` refits,
        different data), or there is no parameter to test.

    See Also
    --------
    anova

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> smaller = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> test = fit.compare_lr_test(smaller)
    >>> round(test.statistic, 2), test.df_diff
    (42.14, 2)
    """
    full = getattr(full, "_results", full)
    plain = read_plain(full, restricted)
    if plain is not None:
        return _tested(full, plain.dof, -2.0 * plain.llf, at_bound=full.estimates.n_covariance == 1)
    restricted = _results(restricted, full)
    if not _approximated_alike(full, restricted):
        refits = ", or call anova(), which does" if full.estimates.linear else ""
        raise OptionError(
            f"one model was fitted by {full.method} and the other by {restricted.method}: "
            f"their likelihoods are not comparable, refit both in the same way{refits}."
        )
    check_same_data(full, restricted)
    full._check_comparable(restricted)
    at_bound = _dispersion_at_bound(full, restricted)
    return _tested(full, restricted.dof_identified, restricted.objective, at_bound=at_bound)


def _approximated_alike(full: Any, restricted: Any) -> bool:
    """Return whether two likelihoods are approximated in the same way.

    With a canonical link the observed information is the expected one, and goes with both.
    """
    ways = [full._approximated_by, restricted._approximated_by]
    specs = [fit.estimates.spec for fit in (full, restricted)]
    if any(spec is not None and spec.canonical for spec in specs):
        ways = [way.replace(", observed information", "") for way in ways]
    return bool(ways[0] == ways[1])


def check_same_data(full: Any, restricted: Any) -> None:
    """Make sure that two models have the same response, weights and offset.

    Raises
    ------
    OptionError
        If they have not.
    """
    a, b = full.sufficient_design(), restricted.sufficient_design()
    if a.reduced is not None or b.reduced is not None:
        same = a.counted == b.counted and np.isclose(a.log_weights, b.log_weights, rtol=SAME)
        if same and np.isclose(np.linalg.norm(a.y), np.linalg.norm(b.y), rtol=SAME, atol=0):
            return
        raise OptionError(
            "the models were fitted to different rows, weights or offsets, or one of them to data "
            "in memory: read both by batches."
        )
    same_rows = np.array_equal(a.y, b.y) and _equal(a.weights, b.weights)
    if not same_rows or not _equal(a.offset, b.offset):
        raise OptionError(
            "the models were fitted to different data: response, weights, offset and the rows "
            "used must be the same."
        )


def _dispersion_at_bound(full: Any, restricted: Any) -> bool:
    """Return whether a dispersion, and nothing else of the smaller model, is at its edge."""
    ours, theirs = (each.estimates.spec for each in (full, restricted))
    return bool(ours != theirs and at_edge(theirs, ours)) and bool(
        full.estimates.n_covariance == restricted.estimates.n_covariance
    )


def _tested(full: Any, dof: int, objective: float, *, at_bound: bool) -> LikelihoodRatio:
    """Test against a model with `dof` parameters."""
    df_diff = full.dof_identified - dof
    if df_diff <= 0:
        raise OptionError(
            f"the restricted model has {dof} parameters that the data determine and the full one "
            f"{full.dof_identified}; "
            "give the model with fewer parameters as the argument."
        )
    statistic = difference_of_minima(objective, full.objective)
    pvalue = float(chdtrc(df_diff, max(statistic, 0.0)))
    if at_bound:  # no degrees of freedom are a point mass at zero
        fewer = float(chdtrc(df_diff - 1, max(statistic, 0.0))) if df_diff > 1 else statistic <= 0
        pvalue = 0.5 * (fewer + pvalue)
    return LikelihoodRatio(statistic, pvalue, df_diff)


def _results(fit: Any, like: MixedModelResults) -> MixedModelResults:
    """Return the results behind statsmodels' wrapper, of the same kind as `like`."""
    unwrapped: MixedModelResults = getattr(fit, "_results", fit)
    is_fit = getattr(unwrapped, "takes_correlated", None) is not None
    both = is_fit and unwrapped.estimates.linear and like.estimates.linear
    if is_fit and isinstance(like, type(unwrapped)) and not like.sufficient_design().has_rows:
        return unwrapped  # of rows in memory, which `check_same_data` refuses
    if not both and not isinstance(unwrapped, type(like)):
        if hasattr(type(unwrapped), "_refusal"):
            raise OptionError(
                "the other fit has formulas of zeros or dispersion, thresholds or shapes: call its "
                "own compare_lr_test() or anova() with this one."
            )
        raise OptionError(
            f"a fitted {like.kind} is needed for the comparison, not {type(fit).__name__}."
        )
    return unwrapped


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)
