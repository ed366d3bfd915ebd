"""The models that are timed, and the answers they must give.

Objectives come from lme4 (tests/reference/lmm.json), for the 55-parameter model from its
closed form. Those of the simulated data were found by minimizing the deviance, written out
in plain NumPy for each, with SciPy's Nelder-Mead; that of the maximal model is the lowest
that any software has reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import simulated
from patsy import Treatment
from reference import load

from statsmodels_mixed import LinearMixedModel, datasets
from statsmodels_mixed.frame.design import Design

LME4 = {record["id"]: record for record in load("lmm") if record["method"] == "ML"}


@dataclass(frozen=True)
class Case:
    """A model, its data and its answer.

    Parameters
    ----------
    name : str
    kind : str
        ``"scalar"``, ``"vector"``, ``"nested"`` or ``"crossed"``.
    formula : str
    data : callable
        Makes the data frame.
    objective : float
        -2 log-likelihood at the maximum.
    theta : tuple of float or None
        Where it is reached, if that is known.
    slow : bool
        Whether the data are large.
    old : dict or None
        The same model for `smf.mixedlm`, if that can fit it.
    """

    name: str
    kind: str
    formula: str
    data: Callable[[], pd.DataFrame] = field(repr=False)
    objective: float
    theta: tuple[float, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    old: dict[str, Any] | None = None

    def frame(self) -> pd.DataFrame:
        return _frame(self.name)

    def model(self) -> LinearMixedModel:
        return LinearMixedModel.from_formula(self.formula, self.frame(), **self.options)

    def design(self) -> Design:
        return _design(self.name)


def _shipped(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: datasets.load(name)


def _lme4(name: str, kind: str, record: str, formula: str, data: str, **more: Any) -> Case:
    found = LME4[record]
    theta = tuple(found["theta"]) if "theta" in found else None
    return Case(name, kind, formula, _shipped(data), found["objective"], theta, **more)


_SLEEP = "reaction ~ 1 + days + (1 + days | subj)"

CASES = (
    _lme4(
        "dyestuff",
        "scalar",
        "dyestuff",
        "yield ~ 1 + (1 | batch)",
        "dyestuff",
        old={"formula": "Q('yield') ~ 1", "groups": "batch"},
    ),
    _lme4("dyestuff2", "scalar", "dyestuff2", "yield ~ 1 + (1 | batch)", "dyestuff2"),
    _lme4(
        "sleepstudy",
        "vector",
        "sleep_slope",
        _SLEEP,
        "sleepstudy",
        old={"formula": "reaction ~ days", "groups": "subj", "re_formula": "days"},
    ),
    _lme4(
        "penicillin",
        "crossed",
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "penicillin",
        # Crossed factors are variance components of one group that holds all rows.
        old={
            "formula": "diameter ~ 1",
            "groups": np.zeros(144),
            "vc_formula": {"plate": "0 + plate", "sample": "0 + sample"},
        },
    ),
    _lme4(
        "pastes",
        "nested",
        "pastes",
        "strength ~ 1 + (1 | batch / cask)",
        "pastes",
        old={
            "formula": "strength ~ 1",
            "groups": "batch",
            "re_formula": "1",
            "vc_formula": {"cask": "0 + cask"},
        },
    ),
    _lme4(
        "machines",
        "vector",
        "machines_slope",
        "score ~ 1 + machine + (1 + machine | worker)",
        "machines",
        old={"formula": "score ~ machine", "groups": "worker", "re_formula": "machine"},
    ),
    _lme4(
        "55 parameters",
        "vector",
        "sleep_fdays",
        _SLEEP,
        "sleepstudy",
        options={"contrasts": {"days": Treatment()}},
    ),
    _lme4(
        "chem97",
        "nested",
        "chem97",
        "score ~ 1 + gcsecnt + (1 | school) + (1 | lea)",
        "chem97",
    ),
    # lme4 has another first level of dept: the same model in other coordinates.
    _lme4(
        "insteval",
        "crossed",
        "insteval_1",
        "y ~ 1 + service * dept + (1 | s) + (1 | d)",
        "insteval",
    ),
    Case(
        "maximal",
        "crossed",
        "rt ~ a*b*d + (1 + a*b*d | subj) + (1 + a*b*d | item)",
        simulated.maximal,
        28731.945336,
        slow=True,
    ),
    Case(
        "crossed 1e5",
        "crossed",
        "y ~ 1 + x + (1 | g) + (1 | h)",
        lambda: simulated.crossed(100_000, 5000, 500),
        301511.381977,
        (0.9782289, 0.5174178),
        slow=True,
    ),
    Case(
        "slopes 1e6",
        "vector",
        "y ~ 1 + x + (1 + x | g)",
        lambda: simulated.slopes(1_000_000, 100_000),
        3184659.772360,
        (1.0018803, 0.1511299, 0.4765636),
        slow=True,
    ),
)

_BY_NAME = {case.name: case for case in CASES}


@cache
def _frame(name: str) -> pd.DataFrame:
    return _BY_NAME[name].data()


@cache
def _design(name: str) -> Design:
    design = _BY_NAME[name].model().design
    assert design is not None
    return design
