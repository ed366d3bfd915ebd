"""What follows a fit: free functions of a result, one file for each idea."""

from __future__ import annotations

from ..results.denominators import Denominators, FTest
from .anova import anova
from .bootstrap import bootstrap
from .degrees_of_freedom import coefficient_tests, denominators, f_test, varpar_cov
from .drop1 import drop1, ranova
from .new_response import refit
from .profile import Profile, profile
from .references import with_inference
from .replicates import Bootstrap
from .simulate import simulate

__all__ = [
    "Bootstrap",
    "Denominators",
    "FTest",
    "Profile",
    "anova",
    "bootstrap",
    "coefficient_tests",
    "denominators",
    "drop1",
    "f_test",
    "profile",
    "ranova",
    "refit",
    "simulate",
    "varpar_cov",
    "with_inference",
]
