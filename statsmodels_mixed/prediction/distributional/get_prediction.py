"""Standard errors and intervals of predictions of models with parameters of rows.

A prediction is f(psi, b) with psi = (theta, beta, kappa). With random effects b at their modes
its variance is, as for the R package glmmTMB,

    f_b Var(b | y, psi) f_b' + g C g',    g = f_psi + f_b db/dpsi,

C the covariance of psi; without random effects f_psi C f_psi'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from statsmodels.genmod.families.links import Identity, Log, Logit

from ..._typing import Array
from ...errors import OptionError
from ...fitting.distributional.problem import modes_along
from ...fitting.distributional.row_parameters import ZEROS
from ...fitting.families.spec import OF_SHARES
from ...standard_errors.contrast_tests import root_of
from ..categories import CategoryPrediction
from ..results import MixedPrediction
from ..which_effects import choose_random
from .effects import variance_of_modes
from .new_responses import new_categories, new_responses
from .predict import all_predictors, default_of, predict, slope_at, trials_for

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit
    from ..drawn_responses import DrawnResponses

__all__ = ["get_prediction"]


# Step of central differences of modes, in standard errors.
_STEP = 1e-3
_NO_NEW = "a new response goes with which='mean'"


def get_prediction(
    self: DistributionalFit,
    exog: Any = None,
    transform: bool = True,
    *,
    which: str | None = None,
    re: bool | str | Sequence[str] = False,
    new_levels: str = "error",
    row_labels: Sequence[Any] | None = None,
    offset: Any = None,
    exposure: Any = None,
) -> MixedPrediction | CategoryPrediction:
    """Predict with standard errors and intervals.

    Parameters
    ----------
    exog, transform, re, new_levels, offset, exposure
        As for `predict`.
    which : str, optional
        As for `predict`, but ``"class"``.
    row_labels : sequence, optional
        Index of the table that `summary_frame()` returns.

    Returns
    -------
    MixedPrediction or CategoryPrediction
        With `predicted_mean`, `se_mean`, `conf_int()` and `summary_frame()`; for probabilities of
        ordered categories these have a column for each category. Standard errors are by the
        delta method in all parameters, with `re` also of the random effects given the data.
        Intervals are symmetric on the scale of the linear predictor, on that of the logarithm for
        positive means and of the logit for probabilities. ``conf_int(obs=True)`` has intervals for
        a new response, by 10 000 draws given the estimated variances and parameters of the rows:
        of random effects that are left out, as of levels the fit has not seen, they have the
        whole variance. Of ordered categories it has the first and the last one.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If a column is missing, or data that are needed were removed.

    See Also
    --------
    DistributionalResults.predict

    References
    ----------
    Kass and Steffey (1989), Journal of the American Statistical Association 84, 717-726.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().get_prediction(ticks.head(1)).summary_frame().round(2)
       mean  mean_se  mean_ci_lower  mean_ci_upper
    0  1.69     0.27           1.23           2.32
    """
    if which == "class":
        raise OptionError('a class has no standard error: which="probabilities" has them.')
    asked = {
        "exog": exog,
        "transform": transform,
        "which": which,
        "re": re,
        "new_levels": new_levels,
        "offset": offset,
        "exposure": exposure,
    }
    center = predict(self, **asked)
    value = np.asarray(center, dtype=float)
    if row_labels is not None and len(row_labels) != len(value):
        raise OptionError(
            f"row_labels= has {len(row_labels)} labels for {len(value)} predicted rows."
        )
    labels = getattr(center, "index", None) if row_labels is None else row_labels
    columns = value.reshape(len(value), value.shape[1] if value.ndim == 2 else 1)
    random = which != "dispersion" and any(
        mask.any() for mask in choose_random(re, self.layout, self.model.frame)
    )
    variance = np.sum(_slopes(self, asked, columns, random) ** 2, axis=2)
    if random:
        variance = variance + variance_of_modes(self, asked, columns.shape[1])
    variance = np.where(np.isnan(columns), np.nan, variance)
    if value.ndim == 2:
        return CategoryPrediction(
            value,
            variance,
            categories=self.model.categories,
            row_labels=labels,
            new=partial(_new_categories, self, asked),
        )
    prediction = _prediction(self, which, value, variance[:, 0], labels)
    if which in (None, "mean"):
        prediction.new = partial(_new_responses, self, asked)
    return prediction


def _new_responses(fit: DistributionalFit, asked: dict[str, Any]) -> DrawnResponses | str:
    return new_responses(fit, asked, _linear(fit, asked))


def _new_categories(fit: DistributionalFit, asked: dict[str, Any]) -> Array:
    return new_categories(fit, asked, _linear(fit, asked))


def _linear(fit: DistributionalFit, asked: dict[str, Any]) -> MixedPrediction:
    about: dict[str, Any] = {**asked, "which": "linear"}
    return cast(MixedPrediction, get_prediction(fit, **about))


def _prediction(
    fit: DistributionalFit, which: str | None, value: Array, variance: Array, labels: Any
) -> MixedPrediction:
    """Return predictions with the scale on which their intervals are symmetric."""
    link = _scale(fit, which)
    about: dict[str, Any] = {
        "new": _NO_NEW,
        "df": np.inf,
        "df_new": np.inf,
        "dist": "norm",
        "row_labels": labels,
        "one_signed": False,
    }
    if isinstance(link, Identity):
        return MixedPrediction(value, variance, linear=None, link=link, **about)
    with np.errstate(all="ignore"):
        slope = link.deriv(value)
        linear = MixedPrediction(
            link(value), slope**2 * variance, linear=None, link=Identity(), **about
        )
    return MixedPrediction(value, variance, linear=linear, link=link, **about)


def _scale(fit: DistributionalFit, which: str | None) -> Any:
    """Return the link to the scale on which an interval is symmetric."""
    support = fit._spec.support
    if which == "linear":
        return Identity()
    if which == "dispersion":
        return Log()
    if which in ("zero_probability", "inflation") or support in OF_SHARES:
        return Logit()
    return Identity() if support == "real" else Log()


def _slopes(fit: DistributionalFit, asked: dict[str, Any], columns: Array, random: bool) -> Array:
    """Return derivatives along independent directions, each a standard error long.

    One after the other, coefficients of covariates far from zero leave all data behind: the
    intercept of dates has an error of thousands. Predictors are linear in coefficients and random
    effects, so that what they change by is found with steps as long as these errors: of shorter
    ones rounding of products with such covariates leaves less. Predictions are then functions of
    predictors, which are of size one.
    """
    first = 0 if random else len(fit.theta)
    directions = np.nan_to_num(root_of(fit._on_basis))
    if not random:  # the same covariance in fewer directions
        R = np.asarray(np.linalg.qr(directions[first:].T, mode="r"))
        directions = np.vstack([np.zeros((first, len(R))), R.T])
    which = asked["which"] or default_of(fit)
    given = {name: value for name, value in asked.items() if name != "which"}
    center, _ = all_predictors(fit, **given)
    trials = trials_for(fit, which, asked["exog"])
    out = np.zeros((*columns.shape, directions.shape[1]))
    for at, moved in enumerate(_moved_along(fit, directions.T, random)):
        there, _ = all_predictors(moved, **given)
        change = np.zeros(center.shape)
        np.subtract(there, center, out=change, where=there != center)  # some may be infinite
        slope = slope_at(fit, which, center, change, trials)
        out[..., at] = slope.reshape(columns.shape)
    return out


def _moved_along(
    fit: DistributionalFit, directions: Array, random: bool
) -> Iterator[DistributionalFit]:
    """Yield the fit moved along each direction of all parameters, modes too if wanted."""
    mean, rows = fit.estimates.conditional, fit.estimates.rows
    nt, rank = len(mean.theta), len(mean.beta)
    follow = modes_along(fit.model.kept_design(), mean) if random else None
    assert mean.kappa is not None
    for direction in directions:
        theta, beta, kappa = np.split(direction, [nt, nt + rank])
        inner = np.linalg.solve(rows.back, kappa) if len(kappa) else kappa
        b = mean.b
        if follow is not None:
            ends = [follow(s * theta, s * beta, s * inner) for s in (_STEP, -_STEP)]
            pairs = zip(mean.b, *ends, strict=True)
            b = tuple(own + (above - below) / (2.0 * _STEP) for own, above, below in pairs)
        yield _moved(fit, mean.beta + beta, mean.kappa + inner, b)


def _moved(
    fit: DistributionalFit, beta: Array, inner: Array, b: tuple[Array, ...]
) -> DistributionalFit:
    """Return the fit with other coefficients, those of rows in their basis, and modes."""
    estimates, design = fit.estimates, fit.model.kept_design()
    linear = design.X[:, list(estimates.conditional.columns)] @ beta
    if design.offset is not None:
        linear = linear + design.offset
    eta, zeta = linear, np.zeros(len(linear))
    for block, modes in zip(design.blocks, b, strict=True):
        effect = np.einsum("ij,ij->i", block.z, modes[block.refs])
        eta, zeta = (eta, zeta + effect) if block.part else (eta + effect, zeta)
    mean = replace(estimates.conditional, beta=beta, linear_predictor=linear, b=b, eta=eta)
    outer, kappa = estimates.outer, estimates.rows.back @ inner if len(inner) else inner
    if len(inner):
        outer = estimates.rows.values(inner)
    zeros = None if estimates.zeros is None else outer[:, ZEROS] + zeta
    return fit._changed(
        estimates=replace(estimates, conditional=mean, kappa=kappa, outer=outer, zeros=zeros)
    )
