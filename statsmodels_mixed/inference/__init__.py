"""What follows a fit: free functions of a result, one file for each idea."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..later import attributes

if TYPE_CHECKING:
    from ..bootstrap.bootstrap import bootstrap
    from ..bootstrap.power import Power, power
    from ..bootstrap.refit import refit
    from ..bootstrap.replicates import Bootstrap
    from ..comparison.anova import anova
    from ..comparison.drop1 import drop1, ranova
    from ..comparison.panel import PanelTest, hausman_test, mundlak_test
    from ..diagnostics.check import check
    from ..diagnostics.cooks_distance import cooks_distance
    from ..diagnostics.influence import Influence, influence
    from ..diagnostics.leverage import leverage
    from ..diagnostics.re_pca import PrincipalComponents, re_pca
    from ..diagnostics.report import Problem, Report
    from ..diagnostics.residuals import residuals
    from ..diagnostics.row_influence import RowInfluence, get_influence
    from ..diagnostics.simulated_residuals import (
        SimulatedResiduals,
        SimulationTest,
        simulated_residuals,
    )
    from ..diagnostics.variance_explained import ICC, R2, icc, r2
    from ..diagnostics.vif import vif
    from ..marginal.contrasts import Contrasts
    from ..marginal.emmeans import emmeans
    from ..marginal.joint_tests import joint_tests
    from ..marginal.means import EstimatedMeans
    from ..marginal.trends import emtrends
    from ..profile.profile import Profile, profile
    from ..results.degrees_of_freedom import coefficient_tests, denominators, f_test, varpar_cov
    from ..results.with_inference import with_inference
    from ..simulation.simulate import simulate
    from ..standard_errors.contrast_tests import ContrastTests, FTest
    from ..tidy.augment import augment
    from ..tidy.glance import glance
    from ..tidy.tidy import tidy
else:
    __getattr__, __dir__ = attributes(
        __name__,
        "bootstrap.bootstrap:bootstrap",
        "bootstrap.power:Power",
        "bootstrap.power:power",
        "bootstrap.refit:refit",
        "bootstrap.replicates:Bootstrap",
        "comparison.anova:anova",
        "comparison.drop1:drop1",
        "comparison.drop1:ranova",
        "comparison.panel:PanelTest",
        "comparison.panel:hausman_test",
        "comparison.panel:mundlak_test",
        "diagnostics.check:check",
        "diagnostics.cooks_distance:cooks_distance",
        "diagnostics.influence:Influence",
        "diagnostics.influence:influence",
        "diagnostics.leverage:leverage",
        "diagnostics.re_pca:PrincipalComponents",
        "diagnostics.re_pca:re_pca",
        "diagnostics.report:Problem",
        "diagnostics.report:Report",
        "diagnostics.residuals:residuals",
        "diagnostics.row_influence:RowInfluence",
        "diagnostics.row_influence:get_influence",
        "diagnostics.simulated_residuals:SimulatedResiduals",
        "diagnostics.simulated_residuals:SimulationTest",
        "diagnostics.simulated_residuals:simulated_residuals",
        "diagnostics.variance_explained:ICC",
        "diagnostics.variance_explained:R2",
        "diagnostics.variance_explained:icc",
        "diagnostics.variance_explained:r2",
        "diagnostics.vif:vif",
        "marginal.contrasts:Contrasts",
        "marginal.emmeans:emmeans",
        "marginal.joint_tests:joint_tests",
        "marginal.means:EstimatedMeans",
        "marginal.trends:emtrends",
        "profile.profile:Profile",
        "profile.profile:profile",
        "results.degrees_of_freedom:coefficient_tests",
        "results.degrees_of_freedom:denominators",
        "results.degrees_of_freedom:f_test",
        "results.degrees_of_freedom:varpar_cov",
        "results.with_inference:with_inference",
        "simulation.simulate:simulate",
        "standard_errors.contrast_tests:ContrastTests",
        "standard_errors.contrast_tests:FTest",
        "tidy.augment:augment",
        "tidy.glance:glance",
        "tidy.tidy:tidy",
    )

__all__ = [
    "ICC",
    "R2",
    "Bootstrap",
    "ContrastTests",
    "Contrasts",
    "EstimatedMeans",
    "FTest",
    "Influence",
    "PanelTest",
    "Power",
    "PrincipalComponents",
    "Problem",
    "Profile",
    "Report",
    "RowInfluence",
    "SimulatedResiduals",
    "SimulationTest",
    "anova",
    "augment",
    "bootstrap",
    "check",
    "coefficient_tests",
    "cooks_distance",
    "denominators",
    "drop1",
    "emmeans",
    "emtrends",
    "f_test",
    "get_influence",
    "glance",
    "hausman_test",
    "icc",
    "influence",
    "joint_tests",
    "leverage",
    "mundlak_test",
    "power",
    "profile",
    "r2",
    "ranova",
    "re_pca",
    "refit",
    "residuals",
    "simulate",
    "simulated_residuals",
    "tidy",
    "varpar_cov",
    "vif",
    "with_inference",
]
