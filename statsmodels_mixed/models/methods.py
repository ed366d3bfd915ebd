"""What users do next with a fit: the functions of `statsmodels_mixed.inference` as methods.

A function in the body of a class is a method, so that signature, help and types of a method are
those of the function. Each takes the result as its first argument, and is loaded by its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..later import Method, load
from ..prediction.rows import open_new_data
from ..results.short_names import ShortNames

if TYPE_CHECKING:
    from ..bootstrap.bootstrap import bootstrap as _bootstrap
    from ..bootstrap.power import power as _power
    from ..bootstrap.refit import refit as _refit
    from ..comparison.anova import anova as _anova
    from ..comparison.drop1 import drop1 as _drop1
    from ..comparison.drop1 import ranova as _ranova
    from ..comparison.likelihood_ratio import likelihood_ratio as _likelihood_ratio
    from ..comparison.panel import hausman_test as _hausman_test
    from ..comparison.panel import mundlak_test as _mundlak_test
    from ..diagnostics.check import check as _check
    from ..diagnostics.cooks_distance import cooks_distance as _cooks_distance
    from ..diagnostics.influence import influence as _influence
    from ..diagnostics.leverage import leverage as _leverage
    from ..diagnostics.re_pca import PrincipalComponents
    from ..diagnostics.re_pca import re_pca as _re_pca
    from ..diagnostics.residuals import residuals as _residuals
    from ..diagnostics.row_influence import get_influence as _get_influence
    from ..diagnostics.simulated_residuals import simulated_residuals as _simulated_residuals
    from ..diagnostics.variance_explained import icc as _icc
    from ..diagnostics.variance_explained import r2 as _r2
    from ..diagnostics.vif import vif as _vif
    from ..marginal.emmeans import emmeans as _emmeans
    from ..marginal.joint_tests import joint_tests as _joint_tests
    from ..marginal.pairwise import t_test_pairwise as _t_test_pairwise
    from ..marginal.trends import emtrends as _emtrends
    from ..models.elsewhere import no_attribute_of_result as _no_attribute
    from ..plots.fit_plots import FitPlots
    from ..profile.profile import coefficient_intervals
    from ..profile.profile import profile as _profile
    from ..results.no_attribute import say_why_not as _say_why_not
    from ..results.summary2 import summary2 as _summary2
    from ..results.table_lines import table_lines as _table_lines
    from ..results.with_inference import with_inference as _with_inference
    from ..saved import save_fit as _save_fit
    from ..simulation.simulate import simulate as _simulate
    from ..tidy.augment import augment as _augment
    from ..tidy.glance import glance as _glance
    from ..tidy.tidy import tidy as _tidy
else:
    _bootstrap = Method("bootstrap.bootstrap:bootstrap")
    _power = Method("bootstrap.power:power")
    _refit = Method("bootstrap.refit:refit")
    _anova = Method("comparison.anova:anova")
    _drop1 = Method("comparison.drop1:drop1")
    _ranova = Method("comparison.drop1:ranova")
    _likelihood_ratio = Method("comparison.likelihood_ratio:likelihood_ratio")
    _hausman_test = Method("comparison.panel:hausman_test")
    _mundlak_test = Method("comparison.panel:mundlak_test")
    _check = Method("diagnostics.check:check")
    _cooks_distance = Method("diagnostics.cooks_distance:cooks_distance")
    _influence = Method("diagnostics.influence:influence")
    _leverage = Method("diagnostics.leverage:leverage")
    _re_pca = Method("diagnostics.re_pca:re_pca")
    _residuals = Method("diagnostics.residuals:residuals")
    _get_influence = Method("diagnostics.row_influence:get_influence")
    _simulated_residuals = Method("diagnostics.simulated_residuals:simulated_residuals")
    _icc = Method("diagnostics.variance_explained:icc")
    _r2 = Method("diagnostics.variance_explained:r2")
    _vif = Method("diagnostics.vif:vif")
    _emmeans = Method("marginal.emmeans:emmeans")
    _joint_tests = Method("marginal.joint_tests:joint_tests")
    _t_test_pairwise = Method("marginal.pairwise:t_test_pairwise")
    _emtrends = Method("marginal.trends:emtrends")
    coefficient_intervals = Method("profile.profile:coefficient_intervals")
    _profile = Method("profile.profile:profile")
    _summary2 = Method("results.summary2:summary2")
    _table_lines = Method("results.table_lines:table_lines")
    _with_inference = Method("results.with_inference:with_inference")
    _save_fit = Method("saved:save_fit")
    _simulate = Method("simulation.simulate:simulate")
    _augment = Method("tidy.augment:augment")
    _glance = Method("tidy.glance:glance")
    _tidy = Method("tidy.tidy:tidy")
    _no_attribute = Method("models.elsewhere:no_attribute_of_result")
    _say_why_not = Method("results.no_attribute:say_why_not")

__all__ = ["Methods"]


class Methods(ShortNames):
    """The methods of a result that are functions of a fit."""

    # Tests and comparison.
    with_inference = _with_inference
    anova = _anova
    compare_lr_test = _likelihood_ratio
    drop1 = _drop1
    ranova = _ranova
    mundlak_test = _mundlak_test
    hausman_test = _hausman_test
    t_test_pairwise = _t_test_pairwise

    # Marginal means.
    emmeans = _emmeans
    emtrends = _emtrends
    joint_tests = _joint_tests

    # Likelihood and simulation.
    profile = _profile
    simulate = _simulate
    refit = _refit
    bootstrap = _bootstrap
    power = _power

    # Diagnostics.
    check = _check
    residuals = _residuals
    simulated_residuals = _simulated_residuals
    leverage = _leverage
    cooks_distance = _cooks_distance
    influence = _influence
    get_influence = _get_influence

    @property
    def plot(self) -> FitPlots:
        """Plots of the fit: `plot.caterpillar()` and others; `plot()` draws four checks."""
        plots: FitPlots = load("plots.fit_plots:FitPlots")(self)
        return plots

    # What a fit explains.
    r2 = _r2
    icc = _icc
    re_pca = _re_pca
    vif = _vif

    # Data frames.
    tidy = _tidy
    glance = _glance
    augment = _augment

    # Display and storage.
    summary2 = _summary2
    table_lines = _table_lines
    to_dir = _save_fit

    _profile_intervals = coefficient_intervals
    _no_attribute = _no_attribute
    _say_why_not = _say_why_not

    @property
    def PCA(self) -> dict[str, PrincipalComponents]:
        """Principal components of the correlations of the random effects; see `re_pca`."""
        return self.re_pca(corr=True)

    if not TYPE_CHECKING:  # type checkers know what there is

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # statsmodels looks whether its cache is there
                raise AttributeError(name, name=name, obj=self)
            self._say_why_not(name)
            raise self._no_attribute(name)

    def _transform_predict_exog(self, exog: Any, transform: bool = True) -> tuple[Any, Any]:
        """Return the fixed-effects matrix for new data and its row labels, as statsmodels asks."""
        new = open_new_data(self.model, exog, transform)
        return (None, None) if new is None else (new.fixed(), new.labels)
