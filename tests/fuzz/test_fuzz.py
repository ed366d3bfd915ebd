"""Random models of every part: a few in the ordinary suite, thousands when slow tests run."""

from __future__ import annotations

import os

import numpy as np
import pytest

from fuzz.__main__ import main
from fuzz.dense import criterion_of
from fuzz.linear_models import draw
from fuzz.many_digits import at_many_digits
from fuzz.outcome import Outcome, watch
from fuzz.runner import PARTS, checked, run, summary

# Likelihoods of tiny models have several maxima: the share of fits that may end in another one.
OTHER_BASINS = 0.005

FEW = {"linear": range(20), "generalized": range(10), "afterwards": range(12),
       "relations": range(200, 220)}  # fmt: skip
MANY = {"linear": 4000, "generalized": 1000, "afterwards": 2000, "relations": 4000}


# What no mend was found for, and why; a seed that passes again is to be struck out.
KNOWN: set[tuple[str, int]] = {
    # The objective jumps, and searches without derivatives end at different sides of the jumps:
    # where nodes of the quadrature come into the range of means of an inverse square link, and
    # where another conditional mode becomes the highest. The reports of both fits say so.
    ("generalized", 1689),
    ("relations", 4534),
}


def _accepted(kind: str) -> bool:
    """Whether a share of such failures is accepted; lme4's start may never do better.

    Where one form of a model is said not to have converged, its numbers are not vouched for.
    """
    return ("optimum" in kind and "theta = 1" not in kind) or "one converges" in kind


def check(part: str, seeds: range) -> None:
    outcomes = list(run(part, seeds))
    known = {one.seed for one in outcomes if one.failures and (part, one.seed) in KNOWN}
    expected = {seed for of, seed in KNOWN if of == part and seed in seeds}
    assert known == expected, "strike out of KNOWN what passes"
    failures = [kind for one in outcomes if one.seed not in known for kind, _ in one.failures]
    basins = [kind for kind in failures if _accepted(kind)]
    assert len(failures) == len(basins), summary(part, outcomes)
    assert len(basins) <= OTHER_BASINS * len(seeds), summary(part, outcomes)


@pytest.mark.parametrize("part", FEW)
def test_a_few_random_models(part):
    check(part, FEW[part])


@pytest.mark.slow
@pytest.mark.parametrize("part", MANY)
def test_many_random_models(part):
    check(part, range(1000, 1000 + int(os.environ.get("FUZZ_MODELS", MANY[part]))))


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("seed", [3, 15, 23])
def test_sixty_digits_agree_with_the_dense_algebra(seed):
    case = draw(seed)
    fitted = case.fit()
    columns = fitted.estimates.columns
    point = criterion_of(fitted.model.design, columns, **case.how).at(fitted.theta)
    exact = at_many_digits(fitted.model.design, columns, fitted.theta, **case.how)
    for name in ("value", "beta", "errors", "sigma"):
        np.testing.assert_allclose(getattr(exact, name), getattr(point, name), rtol=1e-10)


def test_variances_of_which_rounding_leaves_nothing_are_none():
    """Variances of separated coefficients, 1e16, cancel in that of the intercept: -0.4."""
    (outcome,) = run("afterwards", range(11350, 11351))
    assert not outcome.failures


def test_where_the_dense_algebra_lacks_digits_more_of_them_decide():
    """T of 3e7 and weights ten orders apart: the dense objective is 9e-4 too low."""
    (outcome,) = run("linear", range(612869, 612870))
    assert not outcome.failures
    assert "compared with sixty digits" in outcome.counts


def test_last_digits_of_data_far_from_zero_are_what_estimates_have():
    """x is 240 of its sds from zero, and its effect 395 sigma in an sd."""
    (outcome,) = run("relations", range(554927, 554928))
    assert not outcome.failures
    assert "compared with what last digits of data do" in outcome.counts


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_means_that_are_zero_are_compared_with_the_responses():
    """Integers sum to zero: the mean of each order of rows is another rounding error of it."""
    (outcome,) = run("relations", range(1110797, 1110798))
    assert not outcome.failures
    case = draw(1110797)
    y = case.data["y"].to_numpy()
    assert y.sum() == 0
    fitted = case.fit()
    assert fitted.theta == 0
    np.testing.assert_allclose(fitted.estimates.fitted, 0, atol=1e-15 * np.abs(y).max())


def test_an_error_of_a_check_is_a_failure():

    def broken(seed):
        raise ZeroDivisionError(seed)

    assert "ZeroDivisionError" in summary("linear", [checked(broken, 3)])


def test_summary_names_the_seed():

    outcome = Outcome(17)
    watch(outcome, "call", lambda: [].pop())
    assert "seed 17" in summary("linear", [outcome])
    assert "IndexError" in summary("linear", [outcome])


@pytest.mark.parametrize("named", [[], ["linear", "relations"]])
def test_the_command_runs_the_parts_named_or_all(named, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fuzz", *named, "--models", "0"])
    assert main() == 0
    parts = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if ": 0" in line]
    assert parts == (named or list(PARTS))
