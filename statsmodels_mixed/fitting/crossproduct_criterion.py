"""The criterion of a linear model on the cross-products of its rows: ML or REML."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from .._typing import Array
from ..frame.design import Design
from .covariance import factors_of, is_singular
from .crossprod import Crossproducts, SharedStructure, form_crossproducts

__all__ = ["CrossproductCriterion"]


class CrossproductCriterion(NamedTuple):
    """The ML or REML criterion of a design as a function of theta; made by `of`.

    Attributes
    ----------
    products : Crossproducts
        Of the design, with the criterion chosen.
    design : Design
    reml : bool
    sigma : float, optional
        Fixed residual standard deviation; profiled out when omitted.
    constant : float
        The criterion in user units less that in working units.
    patterns : list of ndarray of bool, shape (k, k)
        Which elements of T are free, for each term.
    """

    products: Crossproducts
    design: Design
    reml: bool
    sigma: float | None
    constant: float
    patterns: list[NDArray[np.bool_]]

    @classmethod
    def of(
        cls,
        design: Design,
        reml: bool,
        sigma: float | None,
        structure: SharedStructure | None = None,
    ) -> CrossproductCriterion:
        """Form the cross-products of a design and choose the criterion."""
        products = form_crossproducts(design, structure)
        products.set_criterion(reml, sigma)
        patterns = [block.pattern for block in design.blocks]
        return cls(products, design, reml, sigma, products.constant(reml), patterns)

    @property
    def workspace(self) -> CoreWorkspace:
        """Where the criterion is evaluated."""
        return self.products.workspace

    def is_singular(self, theta: Array) -> bool:
        """Return whether T of some term has lost rank."""
        return is_singular(factors_of(self.workspace.in_units(theta), self.patterns))
