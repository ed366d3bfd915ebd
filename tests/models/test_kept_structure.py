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


def test_what_was_analysed_cannot_be_changed():
    model = smf.mixedlm2(SLEEP, datasets.load("sleepstudy"), weights=np.ones(180) * 2)
    model.fit()
    with pytest.raises(ValueError, match="read-only"):
        model.exog[:, 1] += 1
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0] = 3


def test_arrays_of_the_user_stay_theirs(analysed):
    data = datasets.load("sleepstudy")
    exog = sm.add_constant(data["days"].to_numpy(float))
    model = LinearMixedModel(data["reaction"].to_numpy(), exog, data["subj"].to_numpy())
    first = model.fit()
    assert exog.flags.writeable
    model.exog[:, 1] *= 2
    assert model.fit().params[1] == pytest.approx(first.params[1] / 2)
    assert len(analysed) == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_analyse_again(analysed, copied):
    model = smf.mixedlm2(SLEEP, datasets.load("sleepstudy"))
    first = model.fit()
    assert_array_equal(numbers(copied(model).fit()), numbers(first))
    assert len(analysed) == 2
