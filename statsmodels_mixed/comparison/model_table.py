"""Several fits in one table: criteria of all, and tests where one model is a case of the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ..errors import MixedModelWarning, OptionError, warn_caller
from ..results.base import unwrap
from .boundary_test import fixed_sigma, nested_pvalue
from .families_within import is_case
from .likelihood_ratio import LikelihoodRatio, check_same_data, likelihood_ratio
from .refit import by_maximum_likelihood
from .without_random_effects import Plain, is_plain, read_plain

__all__ = ["model_table"]

_CRITERIA = ["npar", "aic", "bic", "llf", "objective"]
_TEST = ["statistic", "df_diff", "pvalue", "pvalue_boundary"]
# Part of the length of a column of a smaller model that may be foreign to a larger one.
_FOREIGN = 1e-7


@dataclass(frozen=True, eq=False)
class _Row:
    """A fit in the table.

    Parameters
    ----------
    fit : object
        The results, mixed or not.
    plain : Plain or None
        What a fit without random effects says; None for a mixed one.
    npar, tested : int
        Its parameters, and those of them that tests count.
    """

    fit: Any
    plain: Plain | None
    npar: int
    tested: int

    @property
    def spec(self) -> Any:
        """The family and the link of a generalized mixed model."""
        return None if self.plain is not None else self.fit.estimates.spec

    def cells(self, nobs: int) -> dict[str, Any]:
        """Return the criteria."""
        fit = self.fit
        if self.plain is None:
            return {"npar": fit.dof, **{name: getattr(fit, name) for name in _CRITERIA[1:]}}
        objective = -2.0 * self.plain.llf
        aic, bic = objective + 2 * self.npar, objective + self.npar * np.log(nobs)
        return dict(zip(_CRITERIA, (self.npar, aic, bic, self.plain.llf, objective), strict=True))


def model_table(fits: Sequence[Any], *, refit: bool = True) -> pd.DataFrame:
    """Return the table of several fits; see `anova`."""
    mixed = [unwrap(fit, correlated=True) for fit in fits if not is_plain(fit)]
    if not mixed:
        raise OptionError(
            "a fitted mixed model is needed; anova_lm of statsmodels compares others."
        )
    others = [fit for fit in fits if is_plain(fit)]
    if refit:
        mixed = _by_likelihood(mixed, others)
    for fit in mixed[1:]:
        both = fit.estimates.linear and mixed[0].estimates.linear
        if not both and type(fit) is not type(mixed[0]):
            raise OptionError(f"a {mixed[0].kind} is not compared with a {fit.kind}.")
        check_same_data(mixed[0], fit)
    rows = [_Row(fit, None, fit.dof, fit.dof_identified) for fit in mixed]
    for fit in others:
        plain = _read(mixed, fit)
        rows.append(_Row(getattr(fit, "_results", fit), plain, plain.dof, plain.dof))
    rows.sort(key=lambda row: (row.tested, row.plain is None))
    cells = [row.cells(mixed[0].nobs) for row in rows]
    for cell, small, large in zip(cells[1:], rows[:-1], rows[1:], strict=True):
        cell |= _test(small, large)
    table = pd.DataFrame(cells, index=_names(rows), columns=[*_CRITERIA, *_TEST])
    return table.astype({"df_diff": "Int64"})


def _by_likelihood(mixed: list[Any], others: list[Any]) -> list[Any]:
    """Refit fits by REML by maximum likelihood."""
    if not any(fit.estimates.reml for fit in mixed):
        return mixed
    message = "fits by REML were refitted by maximum likelihood to be compared"
    if not others:
        message += "; refit=False compares REML criteria of the same fixed effects"
    warn_caller(f"{message}.", MixedModelWarning)
    return [by_maximum_likelihood(fit) for fit in mixed]


def _read(mixed: list[Any], fit: Any) -> Plain:
    """Read a fit without random effects, in comparison with the first mixed fit that allows it."""
    refused: OptionError | None = None
    for full in mixed:
        try:
            plain = read_plain(full, fit)
        except OptionError as error:
            refused = refused or error
            continue
        assert plain is not None
        return plain
    assert refused is not None
    raise refused


def _test(small: _Row, large: _Row) -> dict[str, Any]:
    """Return the test of a model against a smaller one, if there is one."""
    difference = large.tested - small.tested
    if difference <= 0 or (large.plain is not None and small.plain is None):
        return {"df_diff": difference}
    if large.plain is not None:
        return _plain_test(small, large)
    test: LikelihoodRatio
    if small.plain is not None:
        try:
            test = likelihood_ratio(large.fit, small.fit)
        except OptionError:  # of another family than the model it is beside
            return {"df_diff": difference}
        design = large.fit.kept_design()
        exog = np.asarray(small.fit.model.exog, dtype=float)
        names = tuple(map(str, small.fit.model.exog_names))
        restricted, sigma = replace(design, X=exog, x_names=names, blocks=()), None
    else:
        if not _one_family(small.spec, large.spec):
            return {"df_diff": difference}
        test = likelihood_ratio(large.fit, small.fit)
        restricted, sigma = small.fit.kept_design(), fixed_sigma(small.fit)
    if any(row.fit.takes_correlated for row in (small, large) if row.plain is None):
        boundary = _beside_residuals(small, large, test)
        return {**test._asdict(), "pvalue_boundary": boundary}
    boundary = nested_pvalue(restricted, large.fit, test.statistic, test.df_diff, sigma=sigma)
    if small.plain is None and small.spec != large.spec:
        boundary = test.pvalue  # a dispersion may be at the edge of its range too
    return {**test._asdict(), "pvalue_boundary": boundary}


def _beside_residuals(small: _Row, large: _Row, test: LikelihoodRatio) -> float:
    """Return the p-value that knows of variances at zero, with correlated residuals.

    Where random effects are the same, the smaller covariance of the residuals lies inside the
    range of the larger, and chi-squared holds; where the residuals are the same, variances of
    random effects are at the edge. Otherwise it is not known what is.
    """
    if small.plain is not None:
        return np.nan
    ours, theirs = large.fit, small.fit
    if _effects(ours) == _effects(theirs):
        return float(test.pvalue)
    if ours.takes_correlated and theirs.takes_correlated and _residuals(ours) == _residuals(theirs):
        return nested_pvalue(theirs.kept_design(), ours, test.statistic, test.df_diff, sigma=None)
    return np.nan


def _effects(fit: Any) -> list[tuple[Any, ...]]:
    return sorted(
        (block.name, *block.columns, block.pattern.tobytes()) for block in fit.layout.blocks
    )


def _residuals(fit: Any) -> tuple[str, ...]:
    return tuple(fit.estimates.how[1:])


def _one_family(small: Any, large: Any) -> bool:
    """Return whether the family of a model is that of a larger one, or a case of it."""
    return small == large or bool(
        is_case(small, large)
        and (small.link, small.power, small.zeros) == (large.link, large.power, large.zeros)
    )


def _plain_test(small: _Row, large: _Row) -> dict[str, Any]:
    """Test two fits without random effects against each other."""
    assert small.plain is not None and large.plain is not None
    difference = large.tested - small.tested
    X, Z = (np.asarray(row.fit.model.exog, dtype=float) for row in (large, small))
    left = Z - X @ np.linalg.lstsq(X, Z, rcond=None)[0]
    nested = np.linalg.norm(left, axis=0) <= _FOREIGN * np.linalg.norm(Z, axis=0)
    if type(small.fit) is not type(large.fit) or not nested.all():
        return {"df_diff": difference}
    statistic = 2.0 * (large.plain.llf - small.plain.llf)
    pvalue = float(chdtrc(difference, max(statistic, 0.0)))
    return dict(zip(_TEST, (statistic, difference, pvalue, pvalue), strict=True))


def _names(rows: Sequence[_Row]) -> list[str]:
    """Name the models by their formulas, and by their families where these differ."""
    names = []
    for number, row in enumerate(rows, 1):
        model = row.fit.model
        formula = "formula_full" if row.plain is None else "formula"
        name = str(getattr(model, formula, f"model {number}"))
        names.append(name if row.plain is None else f"{name} [{type(model).__name__}]")
    specs = [row.spec for row in rows if row.plain is None]
    if any(spec != specs[0] for spec in specs):
        names = [
            name if row.spec is None else f"{name} [{row.spec.family}, {row.spec.link}]"
            for name, row in zip(names, rows, strict=True)
        ]
    return names
