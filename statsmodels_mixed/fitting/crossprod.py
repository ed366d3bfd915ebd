"""Design -> a workspace that holds the cross-products, and the way back to user units."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from .._core import CoreDesign, CoreWorkspace, TermArrays, blas_threads, one_blas_thread
from .._frozen import quickly_made
from .._typing import Array
from ..errors import DataError
from ..frame.design import NEEDS_ROWS, Design
from .fixed_effects.basis import (
    FixedBasis,
    orthonormal_basis,
    refuse_few_rows,
    residual_response,
    root_mean_square,
)

__all__ = [
    "Crossproducts",
    "SharedStructure",
    "core_design",
    "form_crossproducts",
    "linear_structure",
    "one_thread_if_small",
    "refuse_digits",
    "require_digits",
    "rounding",
]


# Rounding errors of what is computed from a number, as a share of it.
ROUNDING = 16.0 * float(np.finfo(float).eps)


@quickly_made
@dataclass(frozen=True, eq=False)
class SharedStructure:
    """What fits to different responses have in common; copied or saved it becomes None.

    Parameters
    ----------
    basis : FixedBasis
        X = Q R of the independent columns.
    core : CoreDesign
        The random effects beside Q, analysed.
    """

    basis: FixedBasis
    core: CoreDesign

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return type(None), ()


@quickly_made
@dataclass(frozen=True)
class Crossproducts:
    """[Z X y]'W[Z X y] in working units, inside a workspace.

    Parameters
    ----------
    workspace : CoreWorkspace
        Works on the residual response of unit variance and an orthonormal X.
    basis : FixedBasis
        X = Q R of the independent columns.
    gamma : ndarray, shape (rank,)
        Coefficients of the response on Q before any mixed model.
    y_scale : float
        What the residual response was divided by.
    log_weights : float
        Sum of the logarithms of the prior weights.
    rounding : float
        A residual standard deviation that rounding errors of the response can make.
    """

    workspace: CoreWorkspace
    basis: FixedBasis
    gamma: Array
    y_scale: float
    log_weights: float
    rounding: float

    @property
    def n(self) -> int:
        """Number of rows of the data."""
        return self.workspace.nobs

    @property
    def rank(self) -> int:
        """Rank of X."""
        return self.workspace.design.p

    def constant(self, reml: bool) -> float:
        """Return the objective in user units less the objective in working units.

        The Jacobians of the scaling of y, of the weights and, under REML, of the
        change of basis.
        """
        dof = self.n - self.rank if reml else self.n
        shift = 2.0 * dof * math.log(self.y_scale) - self.log_weights
        return shift + self.basis.logdet if reml else shift

    def set_criterion(self, reml: bool, sigma: float | None) -> None:
        """Choose ML or REML and a fixed sigma, given in user units."""
        self.workspace.set_criterion(reml, 0.0 if sigma is None else sigma / self.y_scale)


def core_design(
    design: Design, X: Array, weights: Array | None = None, *, by_factors: bool = False
) -> CoreDesign:
    """Analyse the random effects of a design beside these fixed-effects columns, (n, p).

    With `by_factors` for objectives at given T only; see `CoreDesign`.

    Raises
    ------
    DataError
        If the rows of the design are not in memory.
    """
    if not design.has_rows:
        raise DataError(NEEDS_ROWS)
    terms = [
        TermArrays(
            block.n_levels,
            block.refs,
            block.z.copy() if block.own_places else block.z,  # the core's may change
            block.pattern,
            None if block.related is None else block.related.lower,
            block.level_sd,
            predictor=int(bool(block.part)),
            prior_logdet=None if block.related is None else block.related.log_determinant,
        )
        for block in design.blocks
    ]
    return CoreDesign(terms, X, weights, by_factors=by_factors)


def linear_structure(design: Design) -> SharedStructure:
    """Analyse the structure of a linear model."""
    with one_blas_thread():
        basis = orthonormal_basis(design.X, design.weights)
        core = core_design(design, basis.Q, design.weights, by_factors=design.is_structured)
        return SharedStructure(basis, core)


def one_thread_if_small(design: Design) -> AbstractContextManager[None]:
    """Return a context for a whole fit, where BLAS has one thread if all of it needs one at most.

    What a fit consists of asks for its own threads; within this context it does so at no cost.
    """
    return blas_threads(sum([block.z.shape[1] * block.n_levels for block in design.blocks]))


def form_crossproducts(design: Design, structure: SharedStructure | None = None) -> Crossproducts:
    """Form everything that evaluations need, in one pass over the rows.

    Parameters
    ----------
    design : Design
    structure : SharedStructure, optional
        That of the design, if it is known.

    Raises
    ------
    DataError
        If there are not more rows than independent fixed-effects columns, or the fixed
        effects reproduce the response.
    """
    structure = structure or linear_structure(design)
    basis = structure.basis
    refuse_few_rows(design.nobs, basis.Q.shape[1], design.x_names)
    y = design.y_less_offset
    gamma, residual, scale = residual_response(y, design.X, basis, design.weights, design.counted)
    workspace = CoreWorkspace(structure.core, residual, design.weights, design.counted)
    return Crossproducts(workspace, basis, gamma, scale, design.log_weights, rounding(design))


def rounding(design: Design) -> float:
    """Return a residual standard deviation that rounding errors of the response can make."""
    total = ROUNDING * root_mean_square(design.y, design.weights)
    if design.offset is not None:
        total += ROUNDING * root_mean_square(design.offset, design.weights)
    return total * float(np.sqrt(len(design.y) / design.nobs))


def require_digits(sigma: float, y_scale: float, share: float, what: str) -> None:
    """Refuse what is a difference of rows, where nothing but rounding errors is left of it.

    Parameters
    ----------
    sigma : float
        Residual standard deviation.
    y_scale : float
        Standard deviation of the response less its fixed effects; see `Crossproducts`.
    share : float
        The least share of it that sigma may be.
    what : str
        What is asked for, for the message.

    Raises
    ------
    DataError
        If sigma is less than that.
    """
    if sigma < share * y_scale:
        refuse_digits(sigma, y_scale, what)


def refuse_digits(sigma: float, y_scale: float, what: str) -> NoReturn:
    """Say that rounding errors are all that is left of something; see `require_digits`.

    Raises
    ------
    DataError
        Always.
    """
    raise DataError(
        f"{what} cannot be computed in double precision here: the residual standard "
        f"deviation is {sigma / y_scale:.1e} of that of the response."
    )
