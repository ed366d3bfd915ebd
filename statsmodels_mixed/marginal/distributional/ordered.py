"""Marginal means of ordered categories.

In a cell of the reference grid with linear predictor eta, P(Y <= j) = F(a_j), a_j = tau_j - eta.
Every kind of mean is linear in a, or in F(a): c + B a or c + B F(a), with B of one row for each
mean of a cell. They are averaged over cells, and have the covariance G C G' with C that of the
parameters (kappa, beta), tau = J kappa, and G = B diag(F') [J, -x'], averaged as well.
Where effects w differ between thresholds, those of a cell are ([1, w'] (x) J) kappa.
Slopes of a in a covariate are the same with the derivatives of x and w, and 0 in place of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._typing import Array
from ...errors import OptionError
from ...fitting.fixed_effects.basis import OnBasis
from ..averaging import Averaging
from ..combinations import SHOW_LEVELS
from ..estimated import check_level, groups_of
from ..linear_functions import LinearFunctions
from ..means import EstimatedMeans
from ..request import Request, read_request
from ..response_scale import ResponseScale
from ..specs import Specs, read_specs
from ..trends import slopes_of_rows
from ..variables import grid_variables

if TYPE_CHECKING:
    import pandas as pd

    from ...results.base import MixedModelResults

__all__ = ["MODES", "Cuts", "ordered_means"]


# Of means that are linear in a, which have slopes.
LINEAR = ("latent", "linear.predictor")
MODES = (*LINEAR, "cum.prob", "exc.prob", "prob", "mean.class")
_SAID = {
    "latent": "Means are of the latent variable less the mean of the thresholds.",
    "linear.predictor": "Means are thresholds less the linear predictor, on the {scale} scale.",
    "cum.prob": "Means are probabilities of categories up to the cut.",
    "exc.prob": "Means are probabilities of categories beyond the cut.",
    "prob": "Means are probabilities of the categories.",
    "mean.class": "Means are of the number of the category, from 1.",
}
_TRENDS_SAID = {
    "latent": (
        "Trends are of the latent variable less the mean of the thresholds, on the {scale} scale."
    ),
    "linear.predictor": "Trends are of thresholds less the linear predictor, on the {scale} scale.",
}


@dataclass(frozen=True, eq=False)
class Cuts:
    """The thresholds of a fit.

    Parameters
    ----------
    J : ndarray, shape (m, k)
        The thresholds are J kappa, without effects that differ between them.
    kappa : ndarray, shape (K,)
    covariance : OnBasis
        Of kappa and the estimable coefficients.
    scale : ResponseScale
        Its inverse is F.
    categories : tuple
        The m + 1 categories in their order.
    whole : MixedModelResults
        The fit as if columns w of effects that differ between thresholds followed those of the
        linear predictor: the reference grid has the variables of both.
    """

    J: Array
    kappa: Array
    covariance: OnBasis
    scale: ResponseScale
    categories: tuple[Any, ...]
    whole: MixedModelResults

    def of_cells(self, W: Array, constant: float) -> Array:
        """Return the matrices that give thresholds from kappa, shape (cells, m, K)."""
        ones = np.column_stack([np.full(len(W), constant), W])
        products = np.einsum("ic,jk->ijck", ones, self.J)
        return np.asarray(products.reshape(len(W), len(self.J), -1))

    def column(self, mode: str, response: str) -> tuple[str, list[Any]]:
        """Return the variable that the means of one cell differ in, and its values."""
        if mode == "prob":
            return response, list(self.categories)
        if mode in ("latent", "mean.class"):
            return "", [None]
        pairs = zip(self.categories, self.categories[1:], strict=False)
        return "cut", [f"{low}|{high}" for low, high in pairs]

    def weights(self, mode: str) -> tuple[Array, Array]:
        """Return c, shape (r,), and B, shape (r, m)."""
        m = len(self.J)
        match mode:
            case "latent":
                return np.zeros(1), np.full((1, m), -1.0 / m)
            case "mean.class":
                return np.full(1, m + 1.0), np.full((1, m), -1.0)
            case "exc.prob":
                return np.ones(m), -np.eye(m)
            case "prob":
                whole = np.eye(m + 1, m) - np.eye(m + 1, m, k=-1)
                return np.eye(m + 1)[m], whole
        return np.zeros(m), np.eye(m)


def ordered_means(
    part: MixedModelResults,
    cuts: Cuts,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
    weights: str | ArrayLike,
    type: str,
    mode: str,
    level: float,
    offset: float | None,
    var: str | None = None,
) -> EstimatedMeans:
    """Estimate marginal means of ordered categories, or slopes of those of `LINEAR`.

    Parameters
    ----------
    part : MixedModelResults
        The part of the linear predictor.
    cuts : Cuts
    specs, by, at, weights, level, offset
        As in `emmeans`; they may name the response, or ``"cut"``, as `mode` has them.
    type : {"link", "response"}
        Takes means of ``mode="linear.predictor"`` back by F.
    mode : str
        One of `MODES`.
    var : str, optional
        The covariate in which there are slopes, in place of means.

    Raises
    ------
    OptionError
        For what is not possible.
    """
    modes = MODES if var is None else LINEAR
    if mode not in modes:
        raise OptionError(f"mode= is one of {', '.join(modes)}, not {mode!r}.")
    if isinstance(weights, str) and weights == SHOW_LEVELS:
        raise OptionError(f"weights={SHOW_LEVELS!r} is for means of other families.")
    name, values = cuts.column(mode, part.layout.response)
    asked, own = _without(_read(cuts.whole, specs, by, at, name), name)
    request = read_request(
        cuts.whole,
        list(asked.names) or "1",
        by=list(asked.by),
        at=at,
        weights=weights,
        offset=offset,
    )
    if var is None:
        grid = request.grid
        functions = _functions(
            part, cuts, grid.matrix(), request.averaging, mode, 1.0, grid.offsets
        )
    else:
        both = slopes_of_rows(request.grid, var)
        functions = _functions(part, cuts, both, request.averaging, mode, 0.0, np.zeros(len(both)))
    labels, names, inner, order = _labelled(request, own, name, values)
    back = mode == "linear.predictor" and type == "response"
    said = (_SAID if var is None else _TRENDS_SAID)[mode].format(scale=cuts.scale.name)
    if back:
        said = f"Means are back from the {cuts.scale.name} scale: probabilities up to the cut."
    return EstimatedMeans(
        labels=labels,
        by=tuple(inner),
        functions=functions.taken(order),
        scale=cuts.scale if back else None,
        adjust="none",
        family_size=tuple(len(rows) for rows in groups_of(labels, inner)),
        level=check_level(level),
        title=(
            f"Estimated marginal means of {part.layout.response}"
            if var is None
            else f"Estimated marginal trends of {part.layout.response} in {var}"
        ),
        facts=(*request.facts, said),
        names=tuple(names),
        averaged=request.averaging.averaged,
        method=asked.method,
    )


def _read(
    part: MixedModelResults,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
    name: str,
) -> Specs:
    """Return what was asked for, by names of variables and of what means of one cell differ in."""
    frame = part.model.frame
    known = [] if frame is None else [v.name for v in grid_variables(frame, at)]
    return read_specs(specs, by, [*known, *([name] if name else [])])


def _without(specs: Specs, name: str) -> tuple[Specs, str]:
    """Return the specs without a variable, and where they had it."""
    if not name or name not in (*specs.names, *specs.by):
        return specs, ""
    rest = replace(
        specs,
        names=tuple(each for each in specs.names if each != name),
        by=tuple(each for each in specs.by if each != name),
    )
    return rest, "by" if name in specs.by else "names"


def _labelled(
    request: Request, own: str, name: str, values: list[Any]
) -> tuple[pd.DataFrame, list[str], list[str], NDArray[np.intp]]:
    """Return labels of the means, variables they are of and within, and the order of the means.

    Before, those of one cell stand side by side, and differ in `name`; `own` says where the specs
    had it.
    """
    labels, order = request.labels, np.arange(len(request.labels))
    names, inner = list(request.specs.names), list(request.specs.by)
    if not name:
        return labels, names, inner, order
    within = own == "by" or (own == "" and bool(names))
    names, inner = (names, [name, *inner]) if within else ([name, *names], inner)
    r, m = len(values), len(labels)
    order = np.arange(m * r)
    if within:  # it varies slowest
        order = order.reshape(m, r).T.ravel()
    labels = labels.loc[labels.index.repeat(r)].assign(**{name: values * m})
    return labels[[*names, *inner]].iloc[order].reset_index(drop=True), names, inner, order


def _functions(
    part: MixedModelResults,
    cuts: Cuts,
    rows: Array,
    averaging: Averaging,
    mode: str,
    one: float,
    offsets: Array,
) -> LinearFunctions:
    """Return the means of the groups of an average, those of one group side by side.

    Of the cells there are rows (x', w'), or their derivatives, and then 0 in place of 1.
    """
    p = part.model.kept_design().X.shape[1]
    cells = LinearFunctions.of(part, rows[:, :p], offsets)
    J = cuts.of_cells(rows[:, p:], one)
    constant, B = cuts.weights(mode)
    a = J @ cuts.kappa - cells.estimates[:, None]
    value, slope = a, np.ones_like(a)
    if mode not in ("latent", "linear.predictor"):
        value, slope = cuts.scale.inverse(a), cuts.scale.slope(a)
    r, m = B.shape
    inner = np.concatenate(
        [
            J,
            np.broadcast_to(-cells.reduced[:, None, :], (len(a), m, cells.reduced.shape[1])),
        ],
        axis=2,
    )
    means = averaging.of(constant + value @ B.T)
    slopes = averaging.of(np.einsum("rm,im,imk->irk", B, slope, inner).reshape(len(a), -1))
    G = slopes.reshape(len(means) * r, -1)
    reasons = cells.reasons
    return LinearFunctions.of_estimates(
        means.ravel(), cuts.covariance.combined(G).covariance, float("inf"), reasons
    )
