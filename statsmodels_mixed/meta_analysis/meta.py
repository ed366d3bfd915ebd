"""Meta-analysis in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from patsy.eval import EvalEnvironment

from ..errors import DataError, OptionError
from ..formula.parse import parse
from ..formula.tokens import fail
from ..frame.design_checks import LARGEST_COLUMN, SMALLEST_COLUMN
from ..frame.table.alignment import align, common_index
from ..frame.table.columns import as_numbers
from ..models.linear.model import LinearMixedModel
from ..options import MAKING, answering, described
from .results import MetaAnalysis
from .sampling import sampling_covariance, whitened

__all__ = ["meta"]

DEFAULT = "~ 1 + (1 | study)"


@answering(MAKING)
def meta(
    estimate: str | ArrayLike,
    variance: str | ArrayLike | None = None,
    formula: str = DEFAULT,
    data: Any = None,
    *,
    V: Any = None,
    reml: bool = True,
    relationship: Mapping[str, Any] | None = None,
    precision: Mapping[str, Any] | None = None,
    pedigree: Any = None,
) -> MetaAnalysis:
    """Combine estimates with known sampling variances.

    The estimates are X beta + Z b + e, where e has the given covariance and nothing is estimated
    of it; the formula says what X and the random effects are. Estimators that are not those of
    a likelihood (DerSimonian and Laird's, Paule and Mandel's, ...) are not offered.

    Parameters
    ----------
    estimate : str or array_like, shape (n,)
        A column of `data`, or the numbers.
    variance : str or array_like, shape (n,), optional
        Sampling variances, if the errors are independent.
    formula : str
        Moderators and random effects. By the default every study has an effect of its own, and
        each row is a study unless the data have a column ``study``.
    data : DataFrame or mapping of str to array_like, optional
        Columns of the formula.
    V : array_like, shape (n, n), or sequence of matrices, optional
        The covariance of the sampling errors, or its diagonal blocks in the order of the rows,
        in place of `variance`. Estimates with dependent errors belong to the same level of a
        grouping factor, or each to a level of its own.
    reml : bool
        Maximize the restricted likelihood rather than the likelihood.
    relationship, precision, pedigree : optional
        How levels are related, as species of a phylogeny are; see `LinearMixedModel.from_formula`.

    Returns
    -------
    MetaAnalysis

    Raises
    ------
    OptionError
        If not exactly one of `variance` and `V` is given, or V does not go with the formula.
    DataError
        If there is not one for each estimate, they are not positive (definite), or labels of
        pandas objects cannot be matched.
    FormulaError
        If the formula cannot be read or has a left side.

    See Also
    --------
    LinearMixedModel.from_formula

    References
    ----------
    Viechtbauer (2010), Journal of Statistical Software 36(3). Higgins, Thompson and Spiegelhalter
    (2009), Journal of the Royal Statistical Society A 172, 137-159.

    Examples
    --------
    >>> effects, variances = [0.12, 0.55, 0.31, 0.9], [0.02, 0.05, 0.03, 0.04]
    >>> found = meta(effects, variances)
    >>> found.params.round(3).to_dict(), round(found.I2, 1)
    ({'Intercept': 0.449}, 72.0)
    """
    if (variance is None) == (V is None):
        raise OptionError("give variance=, sampling variances, or V=, their covariance matrix.")
    left, tilde, right = formula.partition("~")
    if left.strip() or not tilde:
        told = f"formula= has a right side only, such as {DEFAULT!r}: the left is estimate=."
        raise fail(told, formula, 0, len(left) + len(tilde))
    try:
        table = pd.DataFrame() if data is None else pd.DataFrame(data)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"data must be a data frame or a dict of columns of one length, not {described(data)}."
        ) from error
    # Estimates, variances and data are joined by their labels.
    labels = common_index([*([table] if len(table.columns) else []), estimate, variance, V])
    estimate, variance = align(estimate, labels, "estimate="), align(variance, labels, "variance=")
    if isinstance(V, pd.DataFrame):
        V = align(align(V, labels, "V=").T, labels, "V=").T
    response = estimate if isinstance(estimate, str) else "estimate"
    if isinstance(estimate, str):
        if estimate not in table:
            raise DataError(f"the data have no column {estimate!r} of estimates.")
    else:
        numbers = as_numbers(estimate, "estimate=")
        if numbers.ndim != 1:
            raise DataError(
                f"estimate= is a column of the data or one number for each row, not of shape "
                f"{numbers.shape}."
            )
        table = _with(table, response, numbers)
    if formula == DEFAULT and "study" not in table:
        table = _with(table, "study", np.arange(len(table)))
    if labels is not None and len(labels) == len(table):
        table = table.set_axis(labels)
    name = response if response.isidentifier() else f"Q({response!r})"
    options = {
        "eval_env": EvalEnvironment.capture(2),
        "relationship": relationship,
        "precision": precision,
        "pedigree": pedigree,
    }
    text = f"{name} ~ {right}"
    if not parse(text).random:
        told = (
            "formula= has no random effects: add those of studies, such as (1 | study); the model "
            "of one common effect is smf.wls(..., weights=1 / variance) with "
            'fit(cov_type="fixed scale").'
        )
        raise fail(told, formula, len(left) + len(tilde), len(formula))
    if V is not None:
        return _dependent(text, table, options, V, reml)
    weights = 1.0 / _variances(variance, table)
    model: Any = LinearMixedModel.from_formula(text, table, weights=weights, **options)
    return MetaAnalysis(model, model.fit(reml, sigma=1.0), 1.0 / np.asarray(model.weights))


def _with(table: pd.DataFrame, name: str, values: Any) -> pd.DataFrame:
    if len(table.columns) and len(values) != len(table):
        raise DataError(f"{name}= has {len(values)} numbers for {len(table)} rows of data.")
    return table.assign(**{name: values}) if len(table.columns) else pd.DataFrame({name: values})


def _variances(variance: Any, table: pd.DataFrame) -> Any:
    if isinstance(variance, str):
        if variance not in table:
            raise DataError(f"the data have no column {variance!r} of variances.")
        variance = table[variance]
    values = np.asarray(as_numbers(variance, "variance="), dtype=float)
    if values.shape != (len(table),):
        raise DataError(f"variance= has shape {values.shape} for {len(table)} estimates.")
    if np.any(values <= 0) or np.isinf(values).any():
        raise DataError("sampling variances must be positive and finite.")
    with np.errstate(over="ignore"):
        weights = 1.0 / values
    if weights.min(initial=1.0) < np.finfo(float).tiny or np.isinf(weights.sum()):
        extreme = values.min() if values.min() < 1 else values.max()
        raise DataError(_beyond_range("variance=", extreme))
    return values


def _beyond_range(name: str, variance: float) -> str:
    size, change = ("small", "multiply") if variance < 1 else ("large", "divide")
    return (
        f"sampling variances of {name} are so {size} ({variance:.3g}) that their inverses are "
        f"beyond the range of numbers: {change} the estimates by a power of ten, and these by its "
        "square."
    )


def _dependent(
    formula: str, table: pd.DataFrame, options: dict[str, Any], V: Any, reml: bool
) -> MetaAnalysis:
    """Fit rows with independent errors, whitened by the known covariance."""
    sampling = sampling_covariance(V, len(table))
    original = LinearMixedModel.from_formula(formula, table, **options)
    frame, design = original.frame, original.kept_design()
    assert frame is not None
    if frame.n_dropped:  # labels may occur twice, numbers do not
        numbered = LinearMixedModel.from_formula(formula, table.reset_index(drop=True), **options)
        assert numbered.frame is not None
        sampling = sampling.of_rows(np.asarray(numbered.frame.index, dtype=np.intp))
    sizes = np.concatenate([np.diag(root) for root in sampling.roots])
    for size in (sizes.min(), sizes.max()):
        if not SMALLEST_COLUMN < 1.0 / size < LARGEST_COLUMN:
            raise DataError(_beyond_range("V=", size**2))
    model = LinearMixedModel.__new__(LinearMixedModel)
    model._attach(whitened(design, frame.random, sampling), None, None, frame.n_dropped)
    model._note_sources()
    model.formula_full = original.formula_full
    fit = model.fit(reml, sigma=1.0)
    if fit.columns_dropped:
        original.data.keep_columns(fit.estimates.columns, design.X)
    return MetaAnalysis(original, fit, sampling)
