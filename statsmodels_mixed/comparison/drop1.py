"""What each term of a model contributes: fits without it, and likelihood-ratio tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ..errors import ConvergenceWarning, DataError, MixedModelWarning, warn_caller
from ..fitting.estimates import Estimates
from ..fitting.problem import problem_of
from ..fitting.structured.covariance_model import n_covariance
from ..formula.terms import RandomTerm
from ..frame.design import Design, RandomBlock
from ..results.base import unwrap
from ..results.own_function import own_first
from ..structures import Structure
from .boundary_test import boundary_pvalue
from .difference_of_minima import difference_of_minima
from .fixed_terms import scope, terms_of
from .hypotheses import treatment_coding
from .refit import by_maximum_likelihood

if TYPE_CHECKING:
    from ..frame.own_places import OwnPlaces

__all__ = ["drop1", "ranova", "row_of", "tail"]


@own_first
def drop1(result: Any) -> pd.DataFrame:
    """Test each term of the fixed part by leaving it out.

    Terms that are part of an interaction stay. Every test is a fit of the model without the
    term.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit. One by REML is refitted by maximum likelihood, as lme4 does, with a warning that
        says so.

    Returns
    -------
    DataFrame
        A row for the fit itself, ``"<none>"``, and for each term that can be left out:
        `npar`, `llf`, `aic`, and `statistic`, `df_diff` and `pvalue` of the test.

    Raises
    ------
    DataError
        If there is no fit without a term, or the data of the fit were removed.

    See Also
    --------
    ranova, anova

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.drop1()[["npar", "statistic", "df_diff"]].round(2)
            npar  statistic  df_diff
    <none>     6        NaN     <NA>
    days       5      23.54        1
    """
    result = unwrap(result, correlated=True)
    if result.estimates.reml:
        message = "the fit by REML was refitted by maximum likelihood to be compared"
        warn_caller(f"{message}.", MixedModelWarning)
        result = by_maximum_likelihood(result)
    design, estimates = result.sufficient_design(), result.estimates
    coding = treatment_coding(result)
    X = design.X[:, estimates.columns]
    rows = [row_of("<none>", result.objective, result.dof)]
    for term in scope(coding.terms):
        combinations = coding.without(coding.terms.index(term))
        fewer = X.shape[1] - combinations.shape[1]
        if not fewer:
            continue
        names = tuple(f"column {i}" for i in range(combinations.shape[1]))
        own = np.isin(estimates.columns, np.arange(len(design.x_names))[term.columns])
        # Columns as they are, where they span the other terms, keep digits of a response far
        # from zero.
        whole = combinations.shape[1] == np.count_nonzero(~own)
        columns = X[:, ~own] if whole else X @ combinations
        reduced = replace(design, X=np.ascontiguousarray(columns), x_names=names)
        objective = _objective(reduced, design, estimates, term.name)
        lost = fewer - _flat(design, estimates) + _flat(reduced, estimates)
        row = row_of(term.name, objective, result.dof - fewer)
        statistic = difference_of_minima(objective, result.objective)
        row |= {"statistic": statistic, "df_diff": lost, "pvalue": tail(lost, statistic)}
        rows.append(row)
    return _table(rows, ["statistic", "df_diff", "pvalue"])


@own_first
def ranova(result: Any) -> pd.DataFrame:
    """Test each random-effects term by leaving it out.

    Of a term with several effects each but the intercept is left out, with its variance and
    covariances; one that is part of an interaction stays. Of a term without correlations, and
    of one with a single effect, all of it; but the levels of a factor alone, ``(0 + f | g)``,
    leave an intercept, ``(1 | g)``. Every test is a fit without the effect, by the
    method of the given fit, REML included.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.

    Returns
    -------
    DataFrame
        A row for the fit itself, ``"<none>"``, and for each effect: `npar`, `llf`, `aic`, and
        of the likelihood-ratio test `statistic`, `df_diff`, `pvalue` by the chi-squared
        distribution, which is too large, and `pvalue_boundary` by the mixture that accounts
        for variances not being negative. Only parameters that the data determine count; p-values
        are NaN where there are none.

    Raises
    ------
    OptionError
        If `result` is not a fitted mixed model.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    drop1, anova

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610; `ranova` of
    the R package lmerTest.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.ranova()[["npar", "statistic", "df_diff"]].round(2)
                               npar  statistic  df_diff
    <none>                        6        NaN     <NA>
    days in (1 + days | subj)     4      42.14        2
    """
    result = unwrap(result, correlated=True)
    design, estimates = result.sufficient_design(), result.estimates
    rows = [row_of("<none>", result.objective, result.dof)]
    for label, left_out in _random_effects(result):
        reduced = _without(design, left_out)
        fewer = n_covariance(design) - n_covariance(reduced)
        lost = fewer - _flat(design, estimates) + _flat(reduced, estimates)
        objective = _objective(reduced, design, estimates, label)
        row = row_of(label, objective, result.dof - fewer)
        statistic = difference_of_minima(objective, result.objective)
        row |= {"statistic": statistic, "df_diff": lost, "pvalue": tail(lost, statistic)}
        row["pvalue_boundary"] = boundary_pvalue(reduced, design, estimates, statistic, lost)
        rows.append(row)
    return _table(rows, ["statistic", "df_diff", "pvalue", "pvalue_boundary"])


def _flat(design: Design, estimates: Any) -> int:
    """Return how many parameters of a design the data do not determine.

    A model in which they determine all has no part in which they do not.
    """
    if not (estimates.identification.dimension and design.blocks):
        return 0
    return problem_of(design, estimates).identification().dimension


def tail(df: int, statistic: float) -> float:
    """Return the upper tail of the chi-squared distribution, NaN without degrees of freedom."""
    return float(chdtrc(df, max(statistic, 0.0))) if df > 0 else np.nan


def row_of(name: str, objective: float, npar: int) -> dict[str, Any]:
    """Return the cells of a model besides those of a test."""
    return {"name": name, "npar": npar, "llf": -objective / 2, "aic": objective + 2 * npar}


def _table(rows: list[dict[str, Any]], tests: list[str]) -> pd.DataFrame:
    index = pd.Index([row["name"] for row in rows], dtype=object)
    table = pd.DataFrame(rows, columns=["npar", "llf", "aic", *tests])
    return table.set_axis(index).astype({"df_diff": "Int64"})


# Which random effects can be left out.


@dataclass(frozen=True)
class _LeftOut:
    """Random effects to be left out.

    Parameters
    ----------
    block : int
    columns : list of int
        Of the block.
    but_intercept : bool
        Whether their sum, which is constant, stays.
    """

    block: int
    columns: list[int]
    but_intercept: bool = False


def _random_effects(result: Any) -> Iterator[tuple[str, _LeftOut]]:
    """Yield everything that can be left out, with a label."""
    frame = result.model.frame
    if frame is None:
        for at, block in enumerate(result.sufficient_design().blocks):
            yield from _effects_of_arrays(at, block)
        return
    for at, part in enumerate(frame.random):
        start, of_part = 0, f"{part.part}: " if part.part else ""
        for term, matrix in zip(part.terms, part.matrices, strict=True):
            width = len(matrix.names)
            if term.structure is not None:
                yield f"{of_part}{term}", _LeftOut(at, list(range(start, start + width)))
                start += width
                continue
            effects = terms_of(matrix)
            if term.correlated:
                effects = scope(effects) or effects
            for effect in effects:
                columns = list(range(start, start + width))[effect.columns]
                whole = len(columns) == width
                constant = whole and width > 1 and not effect.numbers and term.correlated
                constant = constant and not _has_intercept(part.matrices)
                name = "1" if effect.is_intercept else effect.name
                label = str(term) if whole and not constant else f"{name} in {term}"
                yield of_part + label, _LeftOut(at, columns, constant)
            start += width


def _has_intercept(matrices: Sequence[Any]) -> bool:
    return any(effect.is_intercept for matrix in matrices for effect in terms_of(matrix))


def _effects_of_arrays(at: int, block: RandomBlock) -> Iterator[tuple[str, _LeftOut]]:
    """Yield the same for a block of a model made from arrays: every column is an effect."""
    varying = [i for i in range(len(block.names)) if np.ptp(block.z[:, i]) > 0]
    for i in varying or range(len(block.names)):
        name = block.names[i] if varying else "1"
        label = f"({name} | {block.name})"
        label = label if len(block.names) == 1 else f"{name} in {block.name}"
        yield label, _LeftOut(at, [i])


def _without(design: Design, left_out: _LeftOut) -> Design:
    """Return a design without some columns of a block, or without the block."""
    blocks = list(design.blocks)
    at, dropped = left_out.block, left_out.columns
    block = blocks.pop(at)
    if left_out.but_intercept:
        z, names, first = block.z.copy(), list(block.names), dropped[0]
        z[:, first], names[first] = z[:, dropped].sum(axis=1), "Intercept"
        block, dropped = replace(block, z=z, names=tuple(names)), dropped[1:]
    kept = [i for i in range(len(block.names)) if i not in dropped]
    if kept:
        terms, structures = _terms_without(block, dropped)
        blocks.insert(
            at,
            replace(
                block,
                z=np.ascontiguousarray(block.z[:, kept]),
                names=tuple(block.names[i] for i in kept),
                pattern=block.pattern[np.ix_(kept, kept)],
                terms=terms,
                structures=structures,
                own_places=_own_places_without(block, kept),
            ),
        )
    if not any(term.structure for one in blocks for term in one.terms):
        blocks = [replace(one, structures=()) for one in blocks]
    blocks.sort(key=lambda one: -len(one.names) * len(one.levels))
    return replace(design, blocks=tuple(blocks))


def _own_places_without(block: RandomBlock, kept: list[int]) -> tuple[OwnPlaces, ...]:
    """Return what is left of terms at places of their own, which are left out as a whole."""
    whole = [own for own in block.own_places if own.columns.start in kept]
    return tuple(own.at(kept.index(own.columns.start)) for own in whole)


def _terms_without(
    block: RandomBlock, dropped: list[int]
) -> tuple[tuple[RandomTerm, ...], tuple[Structure, ...]]:
    """Return the terms of a block, and their structures, without some columns."""
    if not block.structures:
        return block.terms, ()
    terms, structures = [], []
    for term, columns, structure in zip(block.terms, block.slices, block.structures, strict=True):
        kept = [i for i in range(columns.start, columns.stop) if i not in dropped]
        if len(kept) == structure.k:
            structures.append(structure)
        elif kept:
            structures.append(structure.bind([block.names[i] for i in kept]))
        if kept:
            terms.append(term)
    return tuple(terms), tuple(structures)


# Fits of the smaller models.


def _objective(reduced: Design, full: Design, estimates: Estimates, name: str) -> float:
    """Return the least objective of a design, fitted as the given fit of `full` was."""
    try:
        return _least(reduced, full, estimates, name)
    except DataError as error:
        raise DataError(f"there is no fit without {name}: {error}") from error


def _least(reduced: Design, full: Design, estimates: Estimates, name: str) -> float:
    if not reduced.blocks:
        whole = replace(reduced, blocks=full.blocks)
        return problem_of(whole, estimates).objective_without_random_effects()
    report = problem_of(reduced, estimates).fit().report
    if not report.converged:
        message = f"the fit without {name} did not converge: {report.message}"
        warn_caller(message, ConvergenceWarning)
    return report.objective
