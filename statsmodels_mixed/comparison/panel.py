"""Whether random effects of groups are correlated with covariates: Mundlak's and Hausman's tests.

A random-effects model takes for granted that the effects of the groups have nothing to do with the
covariates. If they do, a covariate has another slope within groups than between them. Mundlak adds
the group means of the covariates, whose coefficients are the differences of these slopes; Hausman
compares the coefficients with those of dummy variables for the groups, which see what is within
them alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from .._typing import Array
from ..errors import OptionError
from ..fitting.problem import problem_of
from ..frame.design import Design, RandomBlock
from ..results.base import MixedModelResults, unwrap
from ..results.own_function import own_first

__all__ = ["PanelTest", "hausman_test", "mundlak_test"]


# Part of its length by which a column varies within groups, and differs from others.
_VARIES = 1e-8


@dataclass(frozen=True, eq=False)
class PanelTest:
    """A test of whether the effects of groups are correlated with covariates.

    Parameters
    ----------
    name : str
        Of the test.
    group : str
        The grouping factor.
    statistic : float
        Wald statistic, chi-squared if the effects are not correlated with the covariates.
    df : int
        Number of covariates that vary within groups and between them.
    pvalue : float
    table : DataFrame
        By covariate.

    Examples
    --------
    >>> fit = mixedlm2("normexam ~ standlrt + (1 | school)", datasets.load("exam")).fit()
    >>> inference.mundlak_test(fit)
    Mundlak test of the effects of school: chi-squared(1) = 10.5619, p = 0.0012
              within  between  difference  std_error  statistic  pvalue
    standlrt  0.5595   0.9178      0.3583     0.1103     3.2499  0.0012
    """

    name: str
    group: str
    statistic: float
    df: int
    pvalue: float
    table: pd.DataFrame

    def __repr__(self) -> str:
        head = f"{self.name} test of the effects of {self.group}"
        test = f"chi-squared({self.df}) = {self.statistic:.4f}, p = {self.pvalue:.4f}"
        return f"{head}: {test}\n{self.table.to_string(float_format='{:.4f}'.format)}"


@own_first
def mundlak_test(result: Any, by: str | None = None) -> PanelTest:
    """Test whether covariates have the same slopes within groups and between them.

    The model is fitted again with the group means of its covariates; the coefficients of the means
    are the differences of the slopes between groups and within them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        A fit, with its data.
    by : str, optional
        The grouping factor; needed when there are several.

    Returns
    -------
    PanelTest
        Its table has for each covariate the slope ``within`` groups, ``between`` them, their
        ``difference``, ``std_error``, ``statistic`` and ``pvalue``.

    Raises
    ------
    OptionError
        If there is no such factor, or no covariate varies within its levels and between them.

    See Also
    --------
    hausman_test, anova

    References
    ----------
    Mundlak (1978), Econometrica 46, 69-85.

    Examples
    --------
    >>> fit = mixedlm2("normexam ~ standlrt + (1 | school)", datasets.load("exam")).fit()
    >>> inference.mundlak_test(fit).table[["within", "between"]].round(3)
              within  between
    standlrt   0.559    0.918
    """
    result = unwrap(result, correlated=True)
    design, block = result.kept_design(), _block(result, by)
    names, X, means = _covariates(result, block)
    p = X.shape[1]
    mean_names = tuple(f"mean of {name}" for name in names)
    wider = replace(
        design,
        X=np.hstack([X, means]),
        x_names=(*(design.x_names[i] for i in result.estimates.columns), *mean_names),
    )
    fitted = problem_of(wider, result.estimates).fit()
    covariance = fitted.cov_conditional
    difference = fitted.beta[p:]
    part = covariance[p:, p:]
    statistic = float(difference @ np.linalg.solve(part, difference))
    own = [result.fixefnames.index(name) for name in names]
    within = fitted.beta[own]
    table = _table(names, part, {"within": within, "between": within + difference}, difference)
    return _tested("Mundlak", block.name, statistic, table)


@own_first
def hausman_test(result: Any, by: str | None = None) -> PanelTest:
    """Compare the coefficients of a fit with those of fixed effects of the groups.

    Parameters
    ----------
    result : LinearMixedModelResults
        A fit of a linear model, with its data.
    by : str, optional
        The grouping factor; needed when there are several.

    Returns
    -------
    PanelTest
        Its table has for each covariate that varies within groups the coefficient with ``fixed``
        effects of the groups (the within estimator) and with ``random`` ones, their
        ``difference``, ``std_error``, ``statistic`` and ``pvalue``. Where the difference of the
        covariances is not positive definite, which happens in small samples, the statistic is
        that of its generalized inverse; `mundlak_test` has no such trouble. With correlated
        residuals the fixed effects are estimated with the covariance of the fit, where it is
        always positive semidefinite.

    Raises
    ------
    OptionError
        If the model is not linear, there is no such factor, or no covariate varies within its
        levels and between them.

    See Also
    --------
    mundlak_test

    References
    ----------
    Hausman (1978), Econometrica 46, 1251-1271.

    Examples
    --------
    >>> fit = mixedlm2("normexam ~ standlrt + (1 | school)", datasets.load("exam")).fit()
    >>> inference.hausman_test(fit).table[["fixed", "random"]].round(3)
              fixed  random
    standlrt  0.559   0.563
    """
    result = unwrap(result, correlated=True)
    if not result.estimates.linear:
        raise OptionError("Hausman's test is for linear models: mundlak_test is for others too.")
    design, block = result.kept_design(), _block(result, by)
    names, X, _ = _covariates(result, block)
    own = [result.fixefnames.index(name) for name in names]
    weights = np.ones(len(X)) if design.weights is None else design.weights
    y = design.y if design.offset is None else design.y - design.offset
    inside = [
        i for i in range(X.shape[1]) if _varies(_centered(X[:, [i]], block, weights), X[:, i])
    ]
    if result.takes_correlated:
        solved: Any = problem_of(design, result.estimates)
        fixed, covariance = solved.within(X[:, inside], block.refs)
    else:
        fixed, covariance = _within(X[:, inside], y, block, weights)
    places = [inside.index(i) for i in own]
    difference = fixed[places] - result.estimates.beta[own]
    model_based = np.asarray(result.estimates.cov_conditional)
    part = covariance[np.ix_(places, places)] - model_based[np.ix_(own, own)]
    statistic = float(difference @ np.linalg.pinv(part, hermitian=True) @ difference)
    columns = {"fixed": fixed[places], "random": result.estimates.beta[own]}
    table = _table(names, part, columns, difference)
    return _tested("Hausman", block.name, statistic, table)


def _within(X: Array, y: Array, block: RandomBlock, weights: Array) -> tuple[Array, Array]:
    """Return coefficients beside fixed effects of the groups, by least squares, and covariance."""
    centered, response = (_centered(v, block, weights) for v in (X, y[:, None]))
    root = np.sqrt(weights)[:, None]
    fixed, *_ = np.linalg.lstsq(root * centered, (root * response)[:, 0], rcond=None)
    left = response[:, 0] - centered @ fixed
    df_resid = len(X) - len(np.unique(block.refs)) - X.shape[1]
    variance = float(weights @ left**2) / df_resid
    inverse = np.linalg.inv((weights[:, None] * centered).T @ centered)
    return np.asarray(fixed), np.asarray(variance * inverse)


def _block(result: MixedModelResults, by: str | None) -> RandomBlock:
    blocks = result.kept_design().blocks
    names = ", ".join(block.name for block in blocks)
    if by is None and len(blocks) > 1:
        raise OptionError(f"by= is needed to choose one of the grouping factors {names}.")
    for block in blocks:
        if by is None or block.name == by:
            return block
    raise OptionError(f"by={by!r} is no grouping factor of the model ({names}).")


def _covariates(result: MixedModelResults, block: RandomBlock) -> tuple[list[str], Array, Array]:
    """Return the covariates that vary within groups and between, X, and their means, (n, m)."""
    design: Design = result.kept_design()
    X = design.X[:, result.estimates.columns]
    weights = np.ones(len(X)) if design.weights is None else design.weights
    means = X - _centered(X, block, weights)
    base, names, chosen = X, [], []
    if result.estimates.spec is not None and result.estimates.spec.family == "ordered":
        base = np.column_stack([np.ones(len(X)), X])  # the thresholds have a constant
    for i, name in enumerate(result.fixefnames):
        mean = means[:, i]
        outside = mean - base @ np.linalg.lstsq(base, mean, rcond=None)[0]
        if _varies(X[:, i] - mean, X[:, i]) and _varies(outside, mean):
            names.append(name)
            chosen.append(mean)
            base = np.column_stack([base, mean])
    if not names:
        raise OptionError(
            f"no covariate varies both within the levels of {block.name} and between them: there "
            "is nothing to compare."
        )
    return names, X, np.column_stack(chosen)


def _centered(values: Array, block: RandomBlock, weights: Array) -> Array:
    """Return columns, shape (n, m), less their weighted means by group."""
    total = np.bincount(block.refs, weights)
    sums = np.column_stack([np.bincount(block.refs, weights * column) for column in values.T])
    return np.asarray(values - (sums / total[:, None])[block.refs])


def _varies(part: Array, whole: Array) -> bool:
    return bool(np.linalg.norm(part) > _VARIES * np.linalg.norm(whole))


def _table(
    names: list[str], covariance: Array, columns: dict[str, Array], difference: Array
) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.diag(covariance))
    table = pd.DataFrame({**columns, "difference": difference, "std_error": error}, index=names)
    table["statistic"] = table["difference"] / table["std_error"]
    table["pvalue"] = 2 * ndtr(-np.abs(table["statistic"]))
    return table


def _tested(name: str, group: str, statistic: float, table: pd.DataFrame) -> PanelTest:
    df = len(table)
    return PanelTest(name, group, statistic, df, float(chdtrc(df, max(statistic, 0.0))), table)
