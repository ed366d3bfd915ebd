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
from scipy.linalg import solve_triangular
from scipy.special import chdtrc, ndtr

from .._typing import Array
from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..fitting.fixed_effects.column_spans import outside_span
from ..fitting.problem import problem_of
from ..frame.design import Design, RandomBlock
from ..later import load
from ..results.base import MixedModelResults, unwrap
from ..results.own_function import own_first
from ..standard_errors.contrast_tests import FixedContrastTests

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
        If there is no such factor, no covariate varies within its levels and between them, or it
        has too few levels beside their means.

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
    _refuse_saturated(np.hstack([X, means]), block)
    mean_names = tuple(f"mean of {name}" for name in names)
    wider = replace(
        design,
        X=np.hstack([X, means]),
        x_names=(*(design.x_names[i] for i in result.estimates.columns), *mean_names),
    )
    fitted = problem_of(wider, result.estimates).fit()
    difference = fitted.beta[p:]
    tests = _tests(fitted)
    rows = np.eye(len(fitted.beta))[p:]
    part = tests.covariance_of(rows)
    statistic = tests.f_test(rows).wald
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
    centered = _centered(X, block, weights)
    others = [i for i in range(X.shape[1]) if i not in own and _varies(centered[:, [i]], X[:, i])]
    # Columns within groups are Q T, those compared the last, and D their part of T. On Q the
    # coefficients have no more in common than they must, wherever zero is for the columns.
    Q, T = _orthonormal(centered[:, [*others, *own]], weights, block.name)
    k = len(own)
    D = T[-k:, -k:]
    if result.takes_correlated:
        solved: Any = problem_of(design, result.estimates)
        fixed, covariance = solved.within(Q, block.refs)
    else:
        sigma = result.estimates.fixed_sigma
        fixed, covariance = _within(Q, design, block, weights, sigma)
    fixed, covariance = fixed[-k:], covariance[-k:, -k:]
    rows = np.zeros((k, X.shape[1]))
    rows[:, own] = D
    gap = fixed - D @ result.estimates.beta[own]
    excess = covariance - _tests(result.estimates).covariance_of(rows)
    statistic = float(gap @ np.linalg.pinv(excess, hermitian=True) @ gap)
    within, difference = (solve_triangular(D, values) for values in (fixed, gap))
    half = solve_triangular(D, excess)
    part = solve_triangular(D, half.T)
    table = _table(names, part, {"fixed": within, "random": within - difference}, difference)
    return _tested("Hausman", block.name, statistic, table)


def _tests(estimates: Estimates) -> FixedContrastTests:
    """Return Wald tests of the coefficients, with the covariance given the covariance parameters.

    Robust standard errors of a result have no part in them.
    """
    known, covariance = estimates.on_basis, estimates.cov_conditional
    return FixedContrastTests(estimates.beta, covariance, np.inf, on_basis=known)


def _orthonormal(centered: Array, weights: Array, group: str) -> tuple[Array, Array]:
    """Return Q and T of columns Q T, shape (n, m), with Q'WQ = I.

    Raises
    ------
    OptionError
        If they depend on one another.
    """
    root = np.sqrt(weights)[:, None]
    Q, T = np.linalg.qr(root * centered)
    lengths = np.linalg.norm(T, axis=0)
    if np.any(np.abs(np.diag(T)) <= _VARIES * lengths):
        raise OptionError(
            f"covariates depend on one another within the levels of {group}: fixed effects of "
            "these leave nothing to compare; mundlak_test is for such covariates."
        )
    return Q / root, T


def _within(
    Q: Array, design: Design, block: RandomBlock, weights: Array, sigma: float | None
) -> tuple[Array, Array]:
    """Return coefficients of Q beside fixed effects of the groups by least squares, and covariance.

    Its columns are centered within groups, and Q'WQ = I. The residual variance is estimated, unless
    sigma is known.
    """
    y = design.y_less_offset
    response = _centered(y[:, None], block, weights)[:, 0]
    fixed = Q.T @ (weights * response)
    if sigma is not None:
        return np.asarray(fixed), sigma**2 * np.eye(Q.shape[1])
    left = response - Q @ fixed
    df_resid = len(y) - len(np.unique(block.refs)) - Q.shape[1]
    variance = float(weights @ left**2) / df_resid
    return np.asarray(fixed), variance * np.eye(Q.shape[1])


def _block(result: MixedModelResults, by: str | None) -> RandomBlock:
    blocks = _groups(result)
    names = ", ".join(block.name for block in blocks)
    if not blocks:
        raise OptionError("the model has no grouping factor whose levels could differ.")
    for block in blocks:
        if block.name == by:
            return block
    if by is not None:
        raise OptionError(f"by={by!r} is no grouping factor of the model ({names}).")
    with_effects = [block for block in blocks if block.names]
    choice = [block for block in with_effects if not block.part] or with_effects or blocks
    if len(choice) > 1:
        raise OptionError(f"by= is needed to choose one of the grouping factors {names}.")
    return choice[0]


def _groups(result: MixedModelResults) -> tuple[RandomBlock, ...]:
    """Return the grouping factors, and the subjects of correlated residuals."""
    blocks = result.kept_design().blocks
    if not result.takes_correlated:
        return blocks
    estimates: Any = result.estimates
    subjects = load("residual_covariance.subjects:subjects_of")(estimates.cells)
    known = subjects.name in {block.name for block in blocks}
    several = 1 < len(subjects.levels) < len(subjects.refs)
    return (*blocks, subjects) if several and not known else blocks


def _covariates(result: MixedModelResults, block: RandomBlock) -> tuple[list[str], Array, Array]:
    """Return the covariates that vary within groups and between, X, and their means, (n, m)."""
    design: Design = result.kept_design()
    X = design.X[:, result.estimates.columns]
    weights = np.ones(len(X)) if design.weights is None else design.weights
    means = X - _centered(X, block, weights)
    base, names, chosen = X, [], []
    if result.estimates.spec is not None and result.estimates.spec.family == "ordered":
        base = np.column_stack([np.ones(len(X)), X])  # the thresholds have a constant
    # An orthonormal basis of what means are to differ from.
    basis = np.linalg.qr(base)[0]
    for i, name in enumerate(result.fixefnames):
        mean = outside = means[:, i]
        for _ in range(2):
            outside = outside - basis @ (basis.T @ outside)
        if _varies(X[:, i] - mean, X[:, i]) and _varies(outside, mean):
            names.append(name)
            chosen.append(mean)
            basis = np.column_stack([basis, outside / np.linalg.norm(outside)])
    if not names:
        raise OptionError(
            f"no covariate varies both within the levels of {block.name} and between them: there "
            "is nothing to compare."
        )
    return names, X, np.column_stack(chosen)


def _refuse_saturated(X: Array, block: RandomBlock) -> None:
    """Refuse columns that distinguish all groups: no variance between these is left to estimate.

    Raises
    ------
    OptionError
        If they do.
    """
    groups, codes = np.unique(block.refs, return_inverse=True)
    if len(groups) > X.shape[1]:
        return
    indicators = np.eye(len(groups))[codes]
    if not outside_span(indicators, X, _VARIES).any():
        raise OptionError(
            f"the covariates and their means tell all {len(groups)} levels of {block.name} apart, "
            "which leaves no variance between these to judge the differences by: it takes more "
            "levels, or fewer covariates."
        )


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
