"""Plots of fits and of what follows them; matplotlib is loaded when the first is drawn.

Functions of a fit are methods of `fit.plot`, those of a profile, a bootstrap, of influence and
of simulated residuals methods of their `plot`.
"""

from __future__ import annotations

from .caterpillar import caterpillar, qq_caterpillar
from .coefficients import coefficients
from .fit_plots import FitPlots, checks, influence, simulated_residuals
from .fitted_lines import fitted_lines
from .influence_plots import InfluencePlots, cooks_distance, dfbetas
from .marginal_plots import ContrastPlots, MeansPlots, estimates, interaction
from .profile_plots import ProfilePlots, density, zeta
from .random_effects import random_effects
from .replicate_plots import BootstrapPlots, densities, ridge
from .residual_plots import qq, residuals, scale_location
from .shrinkage import shrinkage
from .simulated_plots import SimulatedPlots, both, uniform_against, uniform_qq

__all__ = [
    "BootstrapPlots",
    "ContrastPlots",
    "FitPlots",
    "InfluencePlots",
    "MeansPlots",
    "ProfilePlots",
    "SimulatedPlots",
    "both",
    "caterpillar",
    "checks",
    "coefficients",
    "cooks_distance",
    "densities",
    "density",
    "dfbetas",
    "estimates",
    "fitted_lines",
    "influence",
    "interaction",
    "qq",
    "qq_caterpillar",
    "random_effects",
    "residuals",
    "ridge",
    "scale_location",
    "shrinkage",
    "simulated_residuals",
    "uniform_against",
    "uniform_qq",
    "zeta",
]
