"""Contrasts of marginal means: differences, ratios, interactions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array
from ..errors import OptionError
from ..plots.marginal_plots import ContrastPlots
from .adjustment import adjustment_named
from .contrast_matrices import ContrastMatrix, check_number, contrast_matrix
from .estimated import Estimated, groups_of
from .response_scale import ResponseScale

__all__ = ["Contrasts", "make_contrasts"]


# Labels with these are put in parentheses, so that signs of contrasts can be read.
_SIGNS = re.compile(r"[-+/*]")


@dataclass(frozen=True, eq=False, repr=False)
class Contrasts(Estimated):
    """Contrasts of marginal means, with tests and intervals.

    On the scale of the response, those of logarithms are ratios, and those of logits odds ratios;
    tests are of the logarithms.

    Attributes
    ----------
    estimate, std_error, df, statistic, pvalue, lower, upper : ndarray, shape (m,)
        The columns of `to_frame()`.
    labels : DataFrame
        Which contrast each is, and within which values of other variables.
    matrix : ndarray, shape (m, k)
        Coefficients of the means.
    reasons : list of str
        Why a contrast is NaN.

    Examples
    --------
    >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit(
    ...     dof="satterthwaite"
    ... )
    >>> contrasts = fit.emmeans("machine").contrasts("pairwise")
    >>> contrasts.to_frame()[["contrast", "estimate", "std_error", "df"]].round(2)
      contrast  estimate  std_error    df
    0    A - B     -7.97       1.03  48.0
    1    A - C    -13.92       1.03  48.0
    2    B - C     -5.95       1.03  48.0
    """

    matrix: Array

    @property
    def plot(self) -> ContrastPlots:
        """Plots of the contrasts: `plot()`, which is `plot.estimates()`."""
        return ContrastPlots(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the contrasts as a table.

        Returns
        -------
        DataFrame
            `contrast` (for interaction contrasts a column for each factor), the variables within
            which they are, then `estimate`, `std_error`, `df`, `statistic`, `pvalue`, `lower`,
            `upper`.

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> fit.emmeans("machine").contrasts("trt.vs.ctrl").to_frame()["contrast"].tolist()
        ['B - A', 'C - A']
        """
        return self._frame(("estimate", "std_error", "df", "statistic", "pvalue", "lower", "upper"))

    def adjusted(self, adjust: str | None) -> Contrasts:
        """Return the same contrasts with another adjustment for several tests.

        Parameters
        ----------
        adjust : str or None
            As in `EstimatedMeans.contrasts`.

        Returns
        -------
        Contrasts

        Raises
        ------
        OptionError
            If there is none of this name.

        Examples
        --------
        >>> fit = mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
        >>> contrasts = fit.emmeans("machine").contrasts("pairwise", adjust="none")
        >>> contrasts.adjusted("bonferroni").pvalue / contrasts.pvalue
        array([3., 3., 3.])
        """
        return replace(self, adjust=adjustment_named(adjust))


def make_contrasts(
    means: Estimated,
    names: Sequence[str],
    method: Any,
    *,
    by: list[str],
    adjust: str | None,
    level: float,
    scale: ResponseScale | None,
    **options: Any,
) -> Contrasts:
    """Contrast marginal means within values of some variables.

    Parameters
    ----------
    means : Estimated
        The means.
    names : sequence of str
        The variables they are means of.
    method : str, mapping, array_like, or list of str
        See `contrast_matrix`; a list has one for each variable and gives interaction contrasts.
    by : list of str
        Those of the variables within whose values to compare.
    adjust : str or None
        Adjustment; None for that of the method.
    level : float
    scale : ResponseScale or None
        The scale to show contrasts on, if they have a meaning there.
    **options
        For `contrast_matrix`.
    """
    inner = [name for name in names if name not in by]
    interaction = (
        isinstance(method, list | tuple)
        and bool(method)
        and all(isinstance(m, str) for m in method)
    )
    parts: list[pd.DataFrame] = []
    blocks, sizes = [], []
    made: list[ContrastMatrix] = []
    total = 0
    for rows in groups_of(means.labels, by):
        table = means.labels.iloc[rows].reset_index(drop=True)
        if interaction:
            labels, matrix, found = _interaction(table, inner, list(method), options)
        else:
            found = [contrast_matrix(method, mean_labels(table, inner), **options)]
            # A factor may have that name.
            title = "contrast" if "contrast" not in by else "contrast1"
            labels, matrix = pd.DataFrame({title: found[0].names}), found[0].matrix
        for name in by:
            labels[name] = [table[name].iloc[0]] * len(labels)
        total += len(matrix)
        check_number(total, len(means))
        whole = np.zeros((len(matrix), len(means)))
        whole[:, rows] = matrix
        parts.append(labels)
        blocks.append(whole)
        if len(matrix):  # a single mean makes no group of contrasts
            sizes.append(len(rows))
        made += found
    if not any(len(part) for part in parts):
        raise OptionError("there is a single mean in each group: nothing to contrast.")
    labels = pd.concat(parts, ignore_index=True)
    matrix = np.vstack(blocks)
    facts = list(means.facts)
    if scale is not None:
        scale, fact = _scale(scale, all(each.sums_to_zero for each in made), labels, by)
        facts = [line for line in facts if "scale" not in line] + [fact]
    usual = "none" if interaction else made[0].adjust
    adjust = adjustment_named(usual if adjust is None else adjust)
    if adjust == "tukey" and (interaction or not made[0].pairs):
        adjust = "sidak"
        facts.append("Tukey's method is for pairwise differences only: Sidak's is used.")
    words = "interaction contrasts" if interaction else made[0].words
    return Contrasts(
        labels=labels,
        by=tuple(by),
        functions=means.functions.combined(matrix),
        scale=scale,
        adjust=adjust,
        family_size=tuple(sizes),
        level=level,
        title=f"{means.title.replace('Estimated', 'Contrasts of', 1)}: {words}",
        facts=tuple(facts),
        matrix=matrix,
    )


def mean_labels(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return a label for every mean: its levels, with the name of a factor before numbers."""
    columns = [_level_labels(name, table[name]) for name in names]
    labels = [" ".join(parts) for parts in zip(*columns, strict=True)] or ["overall"] * len(table)
    return [f"({label})" if _SIGNS.search(label) else label for label in labels]


def _level_labels(name: str, values: pd.Series) -> list[str]:
    shown = [f"{v:.15g}" if isinstance(v, float | np.floating) else str(v) for v in values]
    return [f"{name}{text}" for text in shown] if all(map(_is_number, shown)) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _interaction(
    table: pd.DataFrame, names: list[str], methods: list[str], options: dict[str, Any]
) -> tuple[pd.DataFrame, Array, list[ContrastMatrix]]:
    """Return contrasts of contrasts; those of the first factor vary fastest."""
    if len(methods) > len(names):
        raise OptionError(f"{len(methods)} kinds of contrasts for the factors {', '.join(names)}.")
    methods = [methods[i % len(methods)] for i in range(len(names))]
    levels = [table[[name]].drop_duplicates() for name in names]
    if len(table) != np.prod([len(each) for each in levels]):
        raise OptionError("interaction contrasts need all combinations of the levels.")
    made = [
        contrast_matrix(method, mean_labels(each, [name]), **options)
        for method, name, each in zip(methods, names, levels, strict=True)
    ]
    matrix: Array = np.ones((1, 1))
    for each in made:
        matrix = np.asarray(np.kron(each.matrix, matrix), dtype=float)
    columns = {}
    repeat, total = 1, len(matrix)
    for name, method, each in zip(names, methods, made, strict=True):
        size = max(len(each.names), 1)
        columns[f"{name}_{method}"] = np.tile(
            np.repeat(each.names, repeat), total // (size * repeat)
        )
        repeat *= size
    return pd.DataFrame(columns), np.asarray(matrix), made


def _scale(
    scale: ResponseScale, sums_to_zero: bool, labels: pd.DataFrame, by: Sequence[str]
) -> tuple[ResponseScale | None, str]:
    """Return the scale for contrasts, after giving ratios their names."""
    if not (scale.ratio and sums_to_zero):
        return None, f"Contrasts are on the {scale.name} scale."
    for name in labels.columns:
        if name not in by:
            labels[name] = [text.replace(" - ", " / ") for text in labels[name]]
    return scale.of_ratios(), (
        f"Estimates are {scale.ratio}s; tests are on the {scale.name} scale."
    )
