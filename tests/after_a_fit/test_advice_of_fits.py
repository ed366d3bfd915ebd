"""Options that a fit without convergence advises are options of that fit, and can be given."""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import (
    GeneralizedLinearMixedModel,
    LinearMixedModel,
    OrdinalMixedModel,
)
from statsmodels_mixed.models.distributional.model import DistributionalMixedModel
from statsmodels_mixed.models.residual.model import ResidualCovarianceModel
from statsmodels_mixed.profile.distributional.row_model import RowModel
from statsmodels_mixed.profile.generalized import GeneralizedModel
from statsmodels_mixed.profile.linear import LinearModel
from statsmodels_mixed.profile.residual import ResidualModel
from statsmodels_mixed.profile.structured import StructuredGeneralizedModel, StructuredLinearModel

G = np.repeat(np.arange(10), 8)


def data():
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=80), rng.normal(size=(10, 2))
    y = x + b[G, 0] + 0.5 * b[G, 1] * x + rng.normal(size=80)
    c = rng.poisson(np.exp(0.3 * x + 0.5 * b[G, 0])).astype(float)
    o = pd.cut(y, [-9, -1, 0, 1, 9], labels=list("abcd")).astype(str)
    return pd.DataFrame({"y": y, "x": x, "c": c, "o": o, "g": G, "t": np.tile(range(8), 10)})


MODELS = {
    "linear": lambda d: smf.mixedlm2("y ~ x + (x | g)", d),
    "linear, structure": lambda d: smf.mixedlm2("y ~ x + ar1(0 + t | g)", d),
    "residual": lambda d: smf.mixedlm2("y ~ x + (1 | g)", d, residual="ar1(t | g)"),
    "generalized": lambda d: smf.mixedglm2("c ~ x + (x | g)", d, "poisson"),
    "generalized, structure": lambda d: smf.mixedglm2("c ~ x + ar1(0 + t | g)", d, "poisson"),
    "zeros": lambda d: smf.mixedglm2("c ~ x + (1 | g)", d, "poisson", zero_inflation="~ 1"),
    "ordinal": lambda d: smf.mixedordinal2("o ~ x + (1 | g)", d),
}
# Options of the models, which are advised as well.
OF_MODELS = {"zero_inflation", "hurdle", "dispersion", "formula", "family", "link"}


def options(text):
    return set(re.findall(r"\b([a-z_]+)=", text))


@pytest.mark.parametrize("name", MODELS)
def test_what_is_advised_can_be_given(name):
    frame = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MODELS[name](frame).fit(max_eval=1)
        assert not fit.converged
        texts = [fit.report.message]
        for problem in fit.check().problems:
            if problem.code in ("not_converged", "gradient"):
                texts.append(problem.advice)
        assert len(texts) == 3
        takes = set(inspect.signature(type(fit.model).fit).parameters) | OF_MODELS
        assert options(" ".join(texts)) <= takes
        # The start that is written out is one.
        start = re.search(r"start=(fit[a-z.]+[a-z])", " ".join(texts))
        if start is not None:
            again = MODELS[name](frame).fit(start=eval(start[1]))
            assert again.converged


@pytest.mark.parametrize(
    ("profiled", "model"),
    [
        (LinearModel, LinearMixedModel),
        (StructuredLinearModel, LinearMixedModel),
        (ResidualModel, ResidualCovarianceModel),
        (GeneralizedModel, GeneralizedLinearMixedModel),
        (StructuredGeneralizedModel, GeneralizedLinearMixedModel),
        (RowModel, DistributionalMixedModel),
        (RowModel, OrdinalMixedModel),
    ],
)
def test_what_a_profile_advises_can_be_given(profiled, model):
    named = options(profiled.other_fit)
    assert named
    assert named <= set(inspect.signature(model.fit).parameters)
