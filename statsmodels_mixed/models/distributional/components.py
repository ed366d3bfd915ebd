"""The parts of a fit with several formulas, each as a fit of its own."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.genmod.families import links

from ..._typing import Array
from ...comparison.fixed_terms import with_intercept
from ...errors import OptionError
from ...fitting.distributional.row_parameters import threshold_matrix
from ...fitting.fixed_effects.basis import OnBasis
from ...fitting.separation import Separation
from ...frame.matrices.expressions import IN_FORMULA
from ...results.layout import Layout
from ..generalized.results import GeneralizedLinearMixedModelResults
from ..statsmodels_data import MixedData
from .mean_part import reference_of

if TYPE_CHECKING:
    from .model import DistributionalMixedModel
    from .results import DistributionalResults

__all__ = ["component_of", "with_columns", "with_constant"]


# The components as tidy() names them, and the options whose formulas they are.
_COMPONENTS = {"cond": (), "zi": ("zero_inflation", "hurdle"), "disp": ("dispersion",)}


def component_of(fit: DistributionalResults, name: str) -> GeneralizedLinearMixedModelResults:
    """Return a part of a fit with its columns, its coefficients and their covariance.

    Parameters
    ----------
    fit : DistributionalResults
    name : str
        ``"cond"``, the mean without the part of zeros; ``"zi"``, zeros on the scale of the logit;
        ``"disp"``, the dispersion on that of the logarithm.

    Raises
    ------
    OptionError
        If the fit has no such part.
    """
    if name not in _COMPONENTS:
        raise OptionError(f"component= is one of {', '.join(_COMPONENTS)}, not {name!r}.")
    if name == "cond":
        return fit._mean_part
    option = next((each for each in _COMPONENTS[name] if each in fit.model.formulas), None)
    if option is None:
        wanted = " or ".join(f"{each}=" for each in _COMPONENTS[name])
        raise OptionError(f"component={name!r} is for a model with {wanted}, which this has not.")
    label = fit.model._place_of(option)[0]
    own, rows = fit.estimates.conditional, fit.estimates.rows
    places = np.array([i for i, each in enumerate(rows.names) if each.startswith(label)])
    at = len(own.theta) + len(own.beta) + places
    X, names = fit.model._pieces[option]
    model = _model(fit, fit.model.matrices[option], X, names)
    model = _without_offset(model)
    model.link = links.Logit() if name == "zi" else links.Log()
    joint = np.concatenate([np.arange(len(own.theta)), at])
    return _part(
        fit,
        model,
        fit.estimates.kappa[places],
        fit._on_basis.taken(at),
        fit._infinite[at],
        joint=fit._on_basis.taken(joint),
    )


def with_constant(fit: DistributionalResults) -> GeneralizedLinearMixedModelResults:
    """Return the predictor of ordered categories with an intercept, minus the mean threshold.

    Parameters
    ----------
    fit : DistributionalResults
    """
    design, frame = fit.model.kept_design(), fit.model.frame
    assert frame is not None
    own, order = fit.estimates.conditional, fit._order
    J, _ = threshold_matrix(fit.model.categories, fit.model.threshold)
    K = J.shape[1]
    change = np.zeros((1 + len(own.beta), len(order)))
    change[0, :K] = -J.mean(axis=0)
    change[1:, len(fit.estimates.kappa) :] = np.eye(len(own.beta))
    X = np.column_stack([np.ones(len(design.y)), design.X])
    model = _model(fit, with_intercept(frame.fixed), X, ("Intercept", *design.x_names))
    covariance = fit._on_basis.taken(order).combined(change)
    columns, beta = np.concatenate([[0], 1 + own.columns]), change @ np.asarray(fit.params)
    infinite = np.sign(change) @ fit._infinite[order]
    return _part(fit, model, beta, covariance, infinite, columns)


def with_columns(
    fit: DistributionalResults, matrix: Any, X: Array, names: tuple[str, ...]
) -> GeneralizedLinearMixedModelResults:
    """Return the part of the mean as if its model had other columns; for what needs no estimates.

    Parameters
    ----------
    fit : DistributionalResults
    matrix : Matrix
        How the columns are made.
    X : ndarray, shape (n, p)
    names : tuple of str
    """
    other = copy.copy(fit._mean_part)
    other.model = _model(fit, matrix, X, names)
    return other


def _model(
    fit: DistributionalResults, matrix: Any, X: Array, names: tuple[str, ...]
) -> DistributionalMixedModel:
    """Return a model with other columns of fixed effects."""
    model, frame = copy.copy(fit.model), fit.model.frame
    assert frame is not None
    model.frame = replace(frame, fixed=matrix)
    design = replace(fit.model.kept_design(), X=np.ascontiguousarray(X), x_names=names)
    model.design = design
    model.data = MixedData(design, model.data.row_labels, model.frame)
    model.layout = Layout.of(design, model.layout.n_dropped)
    return model


def _without_offset(model: DistributionalMixedModel) -> DistributionalMixedModel:
    """Take the offset, which is the mean's, from a copy of the model."""
    assert model.frame is not None
    known = {each: known for each, known in model.frame.known.items() if each != IN_FORMULA}
    model.frame = replace(model.frame, known=known, offset=None)
    model.design = replace(model.kept_design(), offset=None)
    return model


def _part(
    fit: DistributionalResults,
    model: DistributionalMixedModel,
    beta: Array,
    covariance: OnBasis,
    infinite: Array,
    columns: NDArray[np.intp] | None = None,
    joint: OnBasis | None = None,
) -> GeneralizedLinearMixedModelResults:
    """Return the fit of such a model."""
    columns = np.arange(len(beta)) if columns is None else columns
    estimates = replace(
        fit.estimates.conditional,
        columns=columns,
        beta=beta,
        cov_conditional=covariance.covariance,
        on_basis=covariance,
        joint=fit.estimates.conditional.joint if joint is None else joint,
        linear_predictor=model.kept_design().X[:, columns] @ beta,
    )
    part = GeneralizedLinearMixedModelResults(model, estimates, model.layout)
    part.separation = Separation(infinite)  # of its own response, not of the mean's
    return part._referring_to(reference_of(fit, beta, covariance))
