"""Likelihood-ratio tests of models with formulas of zeros and dispersion, against smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import chdtrc

from ..._typing import Array
from ...errors import OptionError
from ...fitting.families.spec import FamilySpec
from ...fitting.fixed_effects.column_spans import outside_span
from ...frame.design import Design
from ..difference_of_minima import difference_of_minima
from ..families_within import at_edge, is_case
from ..likelihood_ratio import LikelihoodRatio, check_same_data
from ..nesting import foreign_column, zero_covariances

__all__ = ["Fitted", "NotNested", "compare"]


# Thresholds of ordered categories that others are a case of.
_THRESHOLDS = {
    "": ("",),
    "flexible": ("flexible", "symmetric", "equidistant"),
    "symmetric": ("symmetric", "equidistant"),
    "equidistant": ("equidistant",),
}


class NotNested(OptionError):
    """A model that is no case of another."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a comparison needs of a fit.

    Parameters
    ----------
    results : object
        With `kept_design`.
    spec : FamilySpec
    link : str
        As the user has it.
    how : tuple
        The approximation of the likelihood.
    objective : float
    dof : int
    parts : mapping of str to ndarray
        The columns of its formulas.
    thresholds : str
        How ordered categories have them.
    """

    results: Any
    spec: FamilySpec
    link: str
    how: tuple[Any, ...]
    objective: float
    dof: int
    parts: Mapping[str, Array]
    thresholds: str = ""

    @property
    def design(self) -> Design:
        """The rows."""
        design: Design = self.results.kept_design()
        return design


def compare(full: Fitted, restricted: Fitted) -> LikelihoodRatio:
    """Test a model against a smaller one that is a case of it.

    Parameters
    ----------
    full, restricted : Fitted

    Returns
    -------
    LikelihoodRatio
        With the mean of two tails where a single parameter is at the edge of its range.

    Raises
    ------
    OptionError
        If the models are not nested, or their likelihoods not comparable.
    """
    if full.how != restricted.how:
        raise OptionError(
            "the likelihoods are approximated in different ways, and not comparable: fit both with "
            "the same n_agq=, and one without formulas of zeros or dispersion with "
            'hessian="observed".'
        )
    check_same_data(full.results, restricted.results)
    edges = _edges(full, restricted)
    column = foreign_column(restricted.design, _with_nominal(full))
    if column is not None:
        raise NotNested(_sentence(f"{column!r} is no combination of columns of the larger model"))
    cones = zero_covariances(restricted.design, full.design, residual=False, sigma=False)
    if cones is None:
        raise NotNested(_sentence("the larger one has no room for random effects of the smaller"))
    df_diff = full.dof - restricted.dof
    if df_diff <= 0:
        raise OptionError(
            f"the restricted model has {restricted.dof} parameters and the full one {full.dof}; "
            "give the model with fewer parameters as the argument."
        )
    statistic = difference_of_minima(restricted.objective, full.objective)
    reached = max(statistic, 0.0)
    pvalue = float(chdtrc(df_diff, reached))
    if edges + len(cones) == 1 and all(cone.size == 1 for cone in cones):
        fewer = float(chdtrc(df_diff - 1, reached)) if df_diff > 1 else float(reached == 0)
        pvalue = 0.5 * (fewer + pvalue)
    return LikelihoodRatio(statistic, pvalue, df_diff)


def _with_nominal(full: Fitted) -> Design:
    """Return the rows with columns that have an effect on each threshold, or one on all."""
    design, X = full.design, full.parts.get("nominal")
    if X is None:
        return design
    names = tuple(f"nominal: column {i}" for i in range(X.shape[1]))
    return replace(design, X=np.hstack([design.X, X]), x_names=(*design.x_names, *names))


def _edges(full: Fitted, restricted: Fitted) -> int:
    """Return how many coefficients are at the edge of their range in the smaller model."""
    large, small = full.spec, restricted.spec
    if (full.link, large.power) != (restricted.link, small.power):
        raise NotNested(_sentence("they have different links"))
    if restricted.thresholds not in _THRESHOLDS[full.thresholds]:
        raise NotNested(
            _sentence(f"{restricted.thresholds} thresholds are no case of {full.thresholds} ones")
        )
    if not is_case(small, large):
        raise NotNested(_sentence(f"{small.family} is no case of {large.family}"))
    if small.family != large.family and getattr(full.results.model.family, "df", None) is not None:
        raise NotNested(_sentence("the degrees of freedom of the larger one are given"))
    dispersion = full.parts.get("dispersion")
    edges = at_edge(small, large, 0 if dispersion is None else dispersion.shape[1])
    if large.zeros != small.zeros:
        if (large.zeros, small.zeros) != ("inflation", ""):
            raise NotNested(
                _sentence("they have different models of zeros, whose aic can be compared")
            )
        edges += full.parts["zero_inflation"].shape[1]
    for name, part in restricted.parts.items():
        if name not in full.parts:
            raise NotNested(_sentence(f"the larger one has no {name}="))
        if outside_span(part, full.parts[name]).any():
            raise NotNested(
                _sentence(f"columns of {name}= are no combinations of those of the larger")
            )
    return edges


def _sentence(reason: str) -> str:
    return (
        f"the models are not nested: {reason}; a likelihood-ratio test needs a model that is a "
        "special case of the other."
    )
