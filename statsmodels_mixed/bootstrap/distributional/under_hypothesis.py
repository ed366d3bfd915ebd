"""Fits of a model with parameters of rows in which a hypothesis on coefficients of one part holds.

L c = 0 leaves c = N a, N a basis of the null space of L: the columns of the part are multiplied by
N. Parts keep their columns apart, so that a parameter that all rows share remains one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag, null_space

from ..._typing import Array, Positions
from ...errors import DataError, OptionError
from ...fitting.crossprod import SharedStructure
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.distributional.fit import fit_distributional
from ...fitting.distributional.row_parameters import RowParameters
from ...fitting.distributional.start import coefficients_to_begin_with
from ...fitting.generalized.approximation import generalized_structure
from ...frame.design import Design
from ..replicate_tests import Hypothesis
from .refit import start_of

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["ROUNDING", "UnderHypothesis", "under_hypothesis"]


# Weights of coefficients in normalized contrasts that are none.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class UnderHypothesis:
    """A model in which a hypothesis holds.

    Parameters
    ----------
    fit : DistributionalFit
        What responses are drawn from, and where searches begin.
    design : Design
        With columns of the mean for which it holds.
    structure : SharedStructure
        Of that design.
    gamma : ndarray
        Coefficients of these columns to begin with, in the basis of the structure.
    free : ndarray, shape (K, m), or None
        Directions in the coefficients of the other parts; all of them if None.
    """

    fit: DistributionalFit
    design: Design
    structure: SharedStructure
    gamma: Array
    free: Array | None

    def fit_to(self, y: Array) -> DistributionalEstimates:
        """Fit to a response, shape (n,).

        Raises
        ------
        DataError
            If no maximum of the likelihood can be reached.
        """
        own = self.fit.estimates.conditional
        y = np.ascontiguousarray(y, dtype=float)
        usual = self.fit.model._rows(replace(self.fit.model.kept_design(), y=y))
        design = replace(self.design, y=y)
        begin, gamma = start_of(self.fit, usual), self.gamma
        try:
            return self._from(design, begin, gamma)
        except DataError:
            gamma = coefficients_to_begin_with(design, own.spec, self.structure.basis)
            return self._from(design, usual, gamma)

    def _from(self, design: Design, rows: RowParameters, gamma: Array) -> DistributionalEstimates:
        own = self.fit.estimates.conditional
        rows = rows if self.free is None else _along(rows, self.free)
        return fit_distributional(
            design, own.spec, rows, gamma, n_agq=own.n_agq, structure=self.structure
        )


def under_hypothesis(fit: DistributionalFit, hypothesis: Hypothesis) -> UnderHypothesis:
    """Return the model of a fit in which a hypothesis holds.

    Parameters
    ----------
    fit : DistributionalFit
    hypothesis : Hypothesis
        Over the coefficients in the order of `params`.

    Raises
    ------
    OptionError
        If it has coefficients of several parts.
    """
    own, design = fit.estimates.conditional, fit.model.kept_design()
    L = np.zeros((len(hypothesis.contrasts), len(fit.estimates.covariance)))
    L[:, fit._order] = hypothesis.contrasts
    L = L[:, len(own.theta) :]
    L[np.abs(L) < ROUNDING] = 0.0
    of_mean, others = L[:, : len(own.beta)], L[:, len(own.beta) :] @ own.rows.back
    blocks = _blocks(own.rows)
    touched = [block for block in blocks if others[:, block].any()]
    if len(touched) + of_mean.any() != 1:
        raise OptionError(
            f'hypotheses[{hypothesis.name!r}] has coefficients of several parts: test="lrt" is for '
            'those of one, test="wald" for any.'
        )
    if touched:
        pieces = [
            null_space(others[:, block]) if block is touched[0] else np.eye(len(block))
            for block in blocks
        ]
        free = np.empty((len(own.rows.start), sum(piece.shape[1] for piece in pieces)))
        free[np.concatenate(blocks)] = block_diag(*pieces)
        structure = generalized_structure(design)
        return UnderHypothesis(fit, design, structure, structure.basis.R @ own.beta, free)
    X = design.X[:, own.columns]
    reduced = np.ascontiguousarray(X @ null_space(of_mean))
    names = tuple(f"column {i}" for i in range(reduced.shape[1]))
    design = replace(design, X=reduced, x_names=names)
    structure = generalized_structure(design)
    nearest: Array = np.linalg.lstsq(structure.basis.Q, X @ own.beta, rcond=None)[0].astype(float)
    return UnderHypothesis(fit, design, structure, nearest, None)


def _blocks(rows: RowParameters) -> list[Positions]:
    """Return the elements of kappa by the parameters of rows that have them."""
    blocks: dict[bytes, Positions] = {}
    for X in rows.X:
        if X is not None:
            own = np.flatnonzero(X.any(axis=0))
            blocks[own.tobytes()] = own
    return list(blocks.values())


def _along(rows: RowParameters, free: Array) -> RowParameters:
    """Return parameters of rows whose coefficients are combinations of some directions."""
    moved: list[Array | None] = []
    for X in rows.X:
        if X is None:
            moved.append(None)
            continue
        whole = np.where(np.isinf(X), 0.0, X) @ free
        whole[np.isinf(X).any(axis=1)] = np.inf
        moved.append(whole)
    names = tuple(f"direction {i}" for i in range(free.shape[1]))
    return replace(
        rows, X=tuple(moved), start=free.T @ rows.start, names=names, back=np.eye(free.shape[1])
    )
