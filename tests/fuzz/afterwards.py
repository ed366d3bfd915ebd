"""What can be asked after a fit, of any fit: it answers, or refuses in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from . import generalized_models, linear_models
from .calls import CALLS, MAY_BE_NAN
from .outcome import Outcome, watch

__all__ = ["check"]

CALLS_PER_MODEL = 8


def check(seed: int) -> Outcome:
    """Fit a model of the seed and ask some things of it."""
    outcome, rng = Outcome(seed), np.random.default_rng([4, seed])
    case: Any = (linear_models if seed % 2 else generalized_models).draw(seed)
    how = dict(case.how)
    if rng.random() < 0.05:
        how["max_eval"] = 3
    fitted = watch(outcome, "fit", lambda: case.model().fit(**how))
    if fitted.value is None:
        outcome.counts.append("not fitted")
        return outcome
    result = fitted.value
    model = result.model
    model.fuzz_data, model.fuzz_how, model.fuzz_smaller = case.data, how, _without_last_term(case)
    facts = [result.issingular(), len(result.separated), len(result.columns_dropped),
             not result.converged, bool(fitted.warned)]  # fmt: skip
    for name in rng.choice(list(CALLS), CALLS_PER_MODEL, replace=False):
        stream = np.random.default_rng([5, seed, list(CALLS).index(name)])
        got = watch(outcome, name, lambda name=name, stream=stream: CALLS[name](result, stream))
        _judge(outcome, name, got, any(facts), case)
    return outcome


def _without_last_term(case: Any) -> Any:
    """The model without its last random term, or without its fixed effects."""
    left, _, right = case.formula.rpartition(" + (")
    formula = left if left.count("|") else "y ~ 1 + (" + right
    return type(case)(**{**vars(case), "formula": formula}).model()


def _judge(outcome: Outcome, name: str, got: Any, excused: bool, case: Any) -> None:
    if got.refusal is not None:
        sentence = str(got.refusal)
        outcome.counts.append(f"{name} refused: {sentence[:70]}")
        outcome.require(len(sentence) > 20, f"{name}: refusal without a sentence", sentence)
        return
    outcome.counts.append("answered")
    if name in MAY_BE_NAN or excused or got.warned:
        return
    outcome.require(not holes(got.value), f"{name}: NaN as success", case)


def holes(value: Any) -> bool:
    """Whether there is a NaN among the numbers of an answer."""
    if isinstance(value, pd.DataFrame):
        return any(holes(value[column].to_numpy()) for column in value)
    if isinstance(value, pd.Series):
        return holes(value.to_numpy())
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if isinstance(value, Mapping):
        return any(holes(each) for each in value.values())
    if isinstance(value, list | tuple):
        return any(holes(each) for each in value)
    return isinstance(value, float) and bool(np.isnan(value))
