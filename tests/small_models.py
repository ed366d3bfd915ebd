"""Small models of shipped data that several test files fit."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import statsmodels.formula.api as smf

from statsmodels_mixed import SingularFitWarning, datasets

MODELS = {
    "dyestuff": "yield ~ 1 + (1 | batch)",
    "sleepstudy": "reaction ~ 1 + days + (1 + days | subj)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "pastes": "strength ~ 1 + (1 | batch / cask)",
    "machines": "score ~ 1 + machine + (1 + machine | worker)",
}


def fit(formula: str, data: pd.DataFrame, options: dict[str, Any] | None = None, **how: Any) -> Any:
    """Fit, taking a singular optimum for an ordinary one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return smf.mixedlm2(formula, data, **(options or {})).fit(**how)


def fit_shipped(name: str, **how: Any) -> Any:
    """Fit the model of a shipped data set."""
    return fit(MODELS[name], datasets.load(name), **how)
