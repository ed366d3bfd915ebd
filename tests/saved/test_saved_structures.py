"""A covariance structure of a user's own in a saved fit: by its name, no code."""

from __future__ import annotations

import numpy as np
import pytest

import statsmodels_mixed
from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.structures import Parameters, Structure, register, registry


class Walk(Structure):
    """The effects of a random walk."""

    name = "ownwalk"
    needs = "order"

    def shape(self):
        rank = np.argsort(np.argsort(self.positions[:, 0])) + 1.0
        return np.minimum.outer(rank, rank)

    def parameters(self, k):
        return Parameters(["sd"], [1.0], [(0.0, np.inf)], scales=[0])

    def sigma(self, phi):
        return phi[0] ** 2 * self.shape()

    def derivatives(self, phi):
        return np.array([2.0 * phi[0] * self.shape()])

    def second_derivatives(self, phi):
        return np.array([[2.0 * self.shape()]])


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))
    register(Walk)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("reaction ~ days + ownwalk(0 + days | subj)", {}),
        ("reaction ~ days", {"residual": "ownwalk(days | subj)"}),
    ],
)
def test_there_and_back(registered, tmp_path, formula, options):
    fit = mixedlm2(formula, datasets.load("sleepstudy"), **options).fit(reml=True)
    fit.to_dir(tmp_path / "fit")
    again = statsmodels_mixed.open(tmp_path / "fit")
    assert str(again.summary()) == str(fit.summary())
    assert again.model.fit(reml=True).llf == pytest.approx(fit.llf, rel=1e-10)
    del registry._KINDS["ownwalk"]
    with pytest.raises(DataError, match=r"covariance structure ownwalk\(\).*register"):
        statsmodels_mixed.open(tmp_path / "fit")


def test_one_that_is_not_registered_is_not_saved(registered, tmp_path):
    formula = "reaction ~ days + ownwalk(0 + days | subj)"
    fit = mixedlm2(formula, datasets.load("sleepstudy")).fit()
    del registry._KINDS["ownwalk"]
    with pytest.raises(DataError, match="cannot be saved without pickle"):
        fit.to_dir(tmp_path / "fit")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("un", "us"), ("CSH", "hcs"), ("toeph", "htoep"), ("unstructured", "us"), ("ar2", "ar1")],
)
def test_words_of_other_programs_are_understood(word, meant):
    with pytest.raises(OptionError, match=rf"did you mean {meant}\(\)"):
        mixedlm2("reaction ~ days", datasets.load("sleepstudy"), residual=f"{word}(days | subj)")
