"""What the exponential of a coefficient is called."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import OptionError
from ..fitting.families.spec import FamilySpec

__all__ = ["name_of_ratio", "with_ratios"]

# By link and family.
_RATIOS = {
    ("logit", "binomial"): "odds ratio",
    ("log", "binomial"): "risk ratio",
    ("cloglog", "binomial"): "hazard ratio",
    ("log", "poisson"): "rate ratio",
    ("log", "negative_binomial"): "rate ratio",
    ("log", "gaussian"): "mean ratio",
    ("log", "gamma"): "mean ratio",
    ("log", "inverse_gaussian"): "mean ratio",
    ("log", "negative_binomial1"): "rate ratio",
    ("log", "generalized_poisson"): "rate ratio",
    ("log", "conway_maxwell_poisson"): "rate ratio",
    ("logit", "beta"): "odds ratio",
    ("logit", "beta_binomial"): "odds ratio",
    ("log", "lognormal"): "mean ratio",
    ("log", "tweedie"): "mean ratio",
    ("log", "truncated_poisson"): "rate ratio",
    ("log", "truncated_negative_binomial"): "rate ratio",
    ("log", "truncated_negative_binomial1"): "rate ratio",
    ("log", "truncated_generalized_poisson"): "rate ratio",
    ("log", "truncated_conway_maxwell_poisson"): "rate ratio",
    ("logit", "ordered_beta"): "odds ratio",
    ("logit", "ordered"): "odds ratio",
}


def name_of_ratio(spec: FamilySpec) -> str:
    """Return the name of exp(coefficient) in a generalized model.

    Parameters
    ----------
    spec : FamilySpec

    Returns
    -------
    str
        Such as ``"odds ratio"``.

    Raises
    ------
    OptionError
        If it is no ratio with this link.
    """
    name = _RATIOS.get((spec.link, spec.family))
    if name is None:
        raise OptionError(
            f"with the link {spec.link} the exponential of a coefficient is no ratio: leave "
            "exponentiate=True out."
        )
    return name


def with_ratios(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a table of coefficients with exp(coefficient) in their place.

    Parameters
    ----------
    table : DataFrame
        As `coeftable` has it.
    name : str
        What the exponentials are called.
    """
    table = table.copy()
    with np.errstate(over="ignore"):
        table.insert(0, name.capitalize(), np.exp(table.pop("Coef.")))
        table["Std. Error"] *= table.iloc[:, 0]
        limits = [label for label in table.columns if label.endswith("%")]
        table[limits] = np.exp(table[limits])
    return table
