"""What follows a fit: free functions of a result, one file for each idea."""

from __future__ import annotations

from .anova import anova
from .bootstrap import bootstrap
from .degrees_of_freedom import coefficient_tests, denominators, f_test, varpar_cov
from .denominators import Denominators, FTest
from .drop1 import drop1, ranova
from .profile import Profile, profile
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
    "simulate",
    "varpar_cov",
]
