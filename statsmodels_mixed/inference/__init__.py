"""What follows a fit: free functions of a result, one file for each idea."""

from __future__ import annotations

from ..results.afterwards import Afterwards
from ..results.denominators import Denominators, FTest
from .anova import anova
from .bootstrap import bootstrap
from .cooks_distance import cooks_distance
from .degrees_of_freedom import coefficient_tests, denominators, f_test, varpar_cov
from .drop1 import drop1, ranova
from .influence import Influence, influence
from .leverage import leverage
from .methods import document
from .power import Power, power
from .profile import Profile, profile
from .re_pca import PrincipalComponents, re_pca
from .references import with_inference
from .refit import refit
from .replicates import Bootstrap
from .residuals import residuals
from .simulate import simulate
from .simulated_residuals import SimulatedResiduals, SimulationTest, simulated_residuals
from .variance_explained import ICC, R2, icc, r2
from .vif import vif

__all__ = [
    "ICC",
    "R2",
    "Bootstrap",
    "Denominators",
    "FTest",
    "Influence",
    "Power",
    "PrincipalComponents",
    "Profile",
    "SimulatedResiduals",
    "SimulationTest",
    "anova",
    "bootstrap",
    "coefficient_tests",
    "cooks_distance",
    "denominators",
    "drop1",
    "f_test",
    "icc",
    "influence",
    "leverage",
    "power",
    "profile",
    "r2",
    "ranova",
    "re_pca",
    "refit",
    "residuals",
    "simulate",
    "simulated_residuals",
    "varpar_cov",
    "vif",
    "with_inference",
]

for _function in (
    anova,
    bootstrap,
    cooks_distance,
    drop1,
    icc,
    influence,
    leverage,
    power,
    profile,
    r2,
    ranova,
    re_pca,
    refit,
    residuals,
    simulate,
    simulated_residuals,
    vif,
    with_inference,
):
    document(Afterwards, _function)
