"""A small model keeps its analysed structure; fits of it do not depend on which came before."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_array_equal

from statsmodels_mixed import LinearMixedModel, datasets
from statsmodels_mixed.models import kept_structure

SLEEP = "reaction ~ days + (days | subj)"


def numbers(result):
    estimates = result.estimates
    return np.concatenate(
        [estimates.theta, estimates.beta, result.bse, *map(np.ravel, estimates.b)]
    )


def test_fits_of_one_model_share_one_analysis(analysed):
    model = smf.mixedlm2(SLEEP, datasets.load("sleepstudy"))
    first, again, reml = model.fit(), model.fit(), model.fit(reml=True)
    assert len(analysed) == 1
    fresh = smf.mixedlm2(SLEEP, datasets.load("sleepstudy")).fit(reml=True)
    assert_array_equal(numbers(first), numbers(again))
    assert_array_equal(numbers(reml), numbers(fresh))
    assert first.report.evaluations == again.report.evaluations


def test_generalized_fits_share_it(analysed):
    data = datasets.load("cbpp")
    model = smf.mixedglm2("incid / hsz ~ period + (1 | herd)", data, "binomial", weights="hsz")
    first = model.fit()
    fast = model.fit(fast=True)
    assert len(analysed) == 1
    assert_array_equal(numbers(first), numbers(model.fit()))
    assert fast.objective > first.objective


def test_large_models_do_not_keep_it(analysed, monkeypatch):
    monkeypatch.setattr(kept_structure, "KEPT_ELEMENTS", 100)
    model = smf.mixedlm2(SLEEP, datasets.load("sleepstudy"))
    first, again = model.fit(), model.fit()
    assert len(analysed) == 2
    assert_array_equal(numbers(first), numbers(again))


FORMULAS = {
    "linear": lambda data: smf.mixedlm2(SLEEP, data, weights="w", offset="o"),
    "counts": lambda data: smf.mixedglm2("y ~ days + (1 | subj)", data, family="poisson"),
    "zeros": lambda data: smf.mixedglm2(
        "y ~ days + (1 | subj)", data, family="poisson", zero_inflation="~ 1"
    ),
    "residual": lambda data: smf.mixedlm2(
        "reaction ~ days", data, residual="ar1(days | subj)"
    ),
    "arrays": lambda data: LinearMixedModel(
        data["reaction"].to_numpy(), sm.add_constant(data["days"].to_numpy(float)), data["subj"]
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
@pytest.mark.parametrize("name", FORMULAS)
def test_arrays_of_a_model_and_its_fit_cannot_be_changed(name):
    """An edit in place would change the answers that are asked for later, and not the others."""
    data = datasets.load("sleepstudy").assign(w=2.0, o=lambda table: table["days"] / 9)
    data["y"] = (data["reaction"] // 50) * (data["days"] > 0)
    model = FORMULAS[name](data)
    for array in (model.endog, model.exog, model.weights, model.offset):
        if isinstance(array, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 7
    fit = model.fit()
    for array in (fit.y, fit.X, np.asarray(fit.fittedvalues)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_arrays_of_the_user_stay_theirs(analysed):
    data = datasets.load("sleepstudy")
    exog = sm.add_constant(data["days"].to_numpy(float))
    y, subj = data["reaction"].to_numpy().copy(), data["subj"].to_numpy()
    model = LinearMixedModel(y, exog, subj)
    first = model.fit()
    exog[:, 1] *= 2
    y[:] = 0
    assert_array_equal(numbers(model.fit()), numbers(first))
    assert len(analysed) == 1
    again = LinearMixedModel(data["reaction"].to_numpy(), exog, subj).fit()
    assert again.params[1] == pytest.approx(first.params[1] / 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_analyse_again(analysed, copied):
    model = smf.mixedlm2(SLEEP, datasets.load("sleepstudy"))
    first = model.fit()
    assert_array_equal(numbers(copied(model).fit()), numbers(first))
    assert len(analysed) == 2
