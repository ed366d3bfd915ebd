"""What users do next with a fit whose rows have parameters besides their mean.

Each is a function of its room, loaded by its first use, as those of `models.methods` are, and
refuses options of other names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...later import Method
from ...options import answering

if TYPE_CHECKING:
    from ...bootstrap.distributional.bootstrap import bootstrap as _bootstrap
    from ...bootstrap.distributional.power import power as _power
    from ...bootstrap.distributional.refit import refit as _refit
    from ...comparison.distributional.drop1 import drop1 as _drop1
    from ...comparison.distributional.drop1 import ranova as _ranova
    from ...comparison.distributional.likelihood_ratio import anova as _anova
    from ...comparison.distributional.likelihood_ratio import compare_lr_test as _compare_lr_test
    from ...diagnostics.distributional.check import check as _check
    from ...diagnostics.distributional.influence import cooks_distance as _cooks_distance
    from ...diagnostics.distributional.influence import influence as _influence
    from ...diagnostics.distributional.leverage import leverage as _leverage
    from ...diagnostics.distributional.residuals import residuals as _residuals
    from ...diagnostics.distributional.row_influence import get_influence as _get_influence
    from ...diagnostics.distributional.simulated_residuals import (
        simulated_residuals as _simulated_residuals,
    )
    from ...diagnostics.distributional.variance_explained import icc as _icc
    from ...diagnostics.distributional.variance_explained import r2 as _r2
    from ...marginal.distributional.emmeans import emmeans as _emmeans
    from ...marginal.distributional.emmeans import emtrends as _emtrends
    from ...marginal.distributional.emmeans import joint_tests as _joint_tests
    from ...prediction.distributional.get_prediction import get_prediction as _get_prediction
    from ...prediction.distributional.predict import predict as _predict
    from ...profile.distributional.profile import profile as _profile
    from ...results.distributional.conf_int import conf_int as _conf_int
    from ...results.distributional.linear_hypotheses import cov_params as _cov_params
    from ...results.distributional.linear_hypotheses import f_test as _f_test
    from ...results.distributional.linear_hypotheses import t_test as _t_test
    from ...results.distributional.linear_hypotheses import wald_test as _wald_test
    from ...results.distributional.summary import coeftable as _coeftable
    from ...results.distributional.summary import summary as _summary
    from ...results.distributional.summary2 import summary2 as _summary2
    from ...results.distributional.with_inference import with_inference as _with_inference
    from ...simulation.distributional.simulate import simulate as _simulate
    from ...tidy.distributional.augment import augment as _augment
    from ...tidy.distributional.glance import glance as _glance
    from ...tidy.distributional.tidy import tidy as _tidy
else:

    def _method(place: str) -> Method:
        return Method(place, answering({}))

    _bootstrap = _method("bootstrap.distributional.bootstrap:bootstrap")
    _power = _method("bootstrap.distributional.power:power")
    _refit = _method("bootstrap.distributional.refit:refit")
    _drop1 = _method("comparison.distributional.drop1:drop1")
    _ranova = _method("comparison.distributional.drop1:ranova")
    _anova = _method("comparison.distributional.likelihood_ratio:anova")
    _compare_lr_test = _method("comparison.distributional.likelihood_ratio:compare_lr_test")
    _check = _method("diagnostics.distributional.check:check")
    _cooks_distance = _method("diagnostics.distributional.influence:cooks_distance")
    _influence = _method("diagnostics.distributional.influence:influence")
    _leverage = _method("diagnostics.distributional.leverage:leverage")
    _residuals = _method("diagnostics.distributional.residuals:residuals")
    _get_influence = _method("diagnostics.distributional.row_influence:get_influence")
    _simulated_residuals = _method(
        "diagnostics.distributional.simulated_residuals:simulated_residuals"
    )
    _icc = _method("diagnostics.distributional.variance_explained:icc")
    _r2 = _method("diagnostics.distributional.variance_explained:r2")
    _emmeans = _method("marginal.distributional.emmeans:emmeans")
    _emtrends = _method("marginal.distributional.emmeans:emtrends")
    _joint_tests = _method("marginal.distributional.emmeans:joint_tests")
    _get_prediction = _method("prediction.distributional.get_prediction:get_prediction")
    _predict = _method("prediction.distributional.predict:predict")
    _profile = _method("profile.distributional.profile:profile")
    _conf_int = _method("results.distributional.conf_int:conf_int")
    _cov_params = _method("results.distributional.linear_hypotheses:cov_params")
    _f_test = _method("results.distributional.linear_hypotheses:f_test")
    _t_test = _method("results.distributional.linear_hypotheses:t_test")
    _wald_test = _method("results.distributional.linear_hypotheses:wald_test")
    _coeftable = _method("results.distributional.summary:coeftable")
    _summary = _method("results.distributional.summary:summary")
    _summary2 = _method("results.distributional.summary2:summary2")
    _with_inference = _method("results.distributional.with_inference:with_inference")
    _simulate = _method("simulation.distributional.simulate:simulate")
    _augment = _method("tidy.distributional.augment:augment")
    _glance = _method("tidy.distributional.glance:glance")
    _tidy = _method("tidy.distributional.tidy:tidy")

__all__ = ["DistributionalMethods"]


class DistributionalMethods:
    """The methods of a result that are functions of a fit."""

    # Coefficients of all parts.
    cov_params = _cov_params
    conf_int = _conf_int
    profile = _profile
    t_test = _t_test
    wald_test = _wald_test
    f_test = _f_test
    with_inference = _with_inference

    # Comparison.
    compare_lr_test = _compare_lr_test
    anova = _anova
    drop1 = _drop1
    ranova = _ranova

    # Marginal means.
    emmeans = _emmeans
    emtrends = _emtrends
    joint_tests = _joint_tests

    # Predictions, draws and refits.
    predict = _predict
    get_prediction = _get_prediction
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

    # What a fit explains.
    r2 = _r2
    icc = _icc

    # Data frames and display.
    tidy = _tidy
    glance = _glance
    augment = _augment
    coeftable = _coeftable
    summary = _summary
    summary2 = _summary2
