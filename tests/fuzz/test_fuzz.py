"""Random models of every part: a few in the ordinary suite, thousands when slow tests run."""

from __future__ import annotations

import os

import pytest

from fuzz.__main__ import main
from fuzz.outcome import Outcome, watch
from fuzz.runner import PARTS, checked, run, summary

# Likelihoods of tiny models have several maxima: the share of fits that may end in another one.
OTHER_BASINS = 0.005

FEW = {"linear": range(20), "generalized": range(10), "afterwards": range(12),
       "relations": range(200, 220)}  # fmt: skip
MANY = {"linear": 4000, "generalized": 1000, "afterwards": 2000, "relations": 4000}


# What no mend was found for, and why; a seed that passes again is to be struck out.
KNOWN = {
    # x is shifted by 3e7 of its sds, where its effects have an SD of 4e7 sigma at zero. T in these
    # units, as it is kept, has not the digits: evaluated with sixty, at the kept T, its
    # coefficient is 2.5e-6 of an se off, and the criterion agrees to 1e-7.
    ("relations", 2617),
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
