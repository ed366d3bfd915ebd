"""Covariance structures: what a covariance matrix is a function of.

`Structure` is the interface, `register` makes one known to formulas; the kinds that come with
the package have a file each, or one for a family of them.
"""

from .antedependence import Antedependence, HeterogeneousAntedependence
from .arma import AutoregressiveMovingAverage
from .autoregressive import Autoregressive, HeterogeneousAutoregressive
from .compound_symmetry import CompoundSymmetry, HeterogeneousCompoundSymmetry
from .coordinates import FreeCoordinates, Unconstrained
from .diagonal import Diagonal, HomogeneousDiagonal
from .distances import common_step, whole_steps
from .matern import Matern
from .reduced_rank import ReducedRank
from .registry import kind_of, known, make, register
from .relative import Relative
from .spatial import Exponential, Gaussian, OrnsteinUhlenbeck, RationalQuadratic, Spherical
from .structure import Natural, Parameters, Structure, reported_ranges
from .toeplitz import HeterogeneousToeplitz, Toeplitz
from .unstructured import Unstructured

__all__ = [
    "Antedependence",
    "Autoregressive",
    "AutoregressiveMovingAverage",
    "CompoundSymmetry",
    "Diagonal",
    "Exponential",
    "FreeCoordinates",
    "Gaussian",
    "HeterogeneousAntedependence",
    "HeterogeneousAutoregressive",
    "HeterogeneousCompoundSymmetry",
    "HeterogeneousToeplitz",
    "HomogeneousDiagonal",
    "Matern",
    "Natural",
    "OrnsteinUhlenbeck",
    "Parameters",
    "RationalQuadratic",
    "ReducedRank",
    "Relative",
    "Spherical",
    "Structure",
    "Toeplitz",
    "Unconstrained",
    "Unstructured",
    "common_step",
    "kind_of",
    "known",
    "make",
    "register",
    "reported_ranges",
    "whole_steps",
]
