"""Every family that there is, with its links, formulas and responses: what tests run over.

A new family is tested by being in the registry of families; the responses of its support are here.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import statsmodels_mixed as smm
from statsmodels_mixed.errors import MixedModelError
from statsmodels_mixed.fitting.families.names import choose_family
from statsmodels_mixed.fitting.families.parted import Ordered
from statsmodels_mixed.fitting.families.spec import (
    FamilySpec,
    family_names,
    link_names,
    read_family,
)

Array = NDArray[np.float64]

FAMILIES = (*family_names(), "ordered")
# Parts that may be modelled besides the mean, as the names of the options.
FORMULAS = {"dispersion": "~ x", "zero_inflation": "~ 1", "hurdle": "~ x"}
_WITHOUT_ZEROS = ("positive", "shares", "positive counts")


class Case(NamedTuple):
    """A family, the responses that it is for, and formulas of its other parameters."""

    family: str
    support: str
    parts: dict[str, str]

    @property
    def id(self) -> str:
        """What reports of tests call the case."""
        return "-".join([self.family, *self.parts])

    @property
    def response(self) -> str:
        """The column of the response."""
        return self.support.replace(" ", "_")

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table, with zeros for a hurdle of a family that has none of its own."""
        if "hurdle" not in self.parts or self.support not in _WITHOUT_ZEROS:
            return table
        y = np.where(np.arange(len(table)) % 5 == 0, 0, table[self.response])
        return table.assign(**{self.response: y})

    def model(self, table: pd.DataFrame, **options: Any) -> Any:
        """Make the model of a table with the columns of `responses`, x and g."""
        formula = f"{self.response} ~ x + (1 | g)"
        if self.family == "ordered":
            return smm.mixedordinal2(formula, table, **options)
        if self.support == "trials":
            options["weights"] = "trials_of_row"
        link = {"link": "log"} if self.support == "positive" else {}
        return smm.mixedglm2(formula, table, self.family, **{**link, **options}, **self.parts)


def spec_of(family: str, link: str | None = None) -> FamilySpec | None:
    """Return family and link as the numerics know them, None where they do not go together."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_family(choose_family(Ordered() if family == "ordered" else family, link))
    except MixedModelError:
        return None


def pairs() -> list[tuple[str, str]]:
    """Return all families with all of their links."""
    return [(f, link) for f in FAMILIES for link in link_names() if spec_of(f, link) is not None]


def responses(eta: Array, rng: np.random.Generator) -> dict[str, Any]:
    """Return a column for each support, with a mean that grows with a linear predictor."""
    n, mu, share = len(eta), np.exp(eta), 1 / (1 + np.exp(-eta))
    count = rng.poisson(rng.gamma(3.0, mu / 3.0)) * rng.binomial(1, 0.8, size=n)
    trials = rng.integers(3, 12, size=n)
    inside = np.clip(rng.beta(4 * share, 4 * (1 - share)), 1e-4, 1 - 1e-4)
    positive = rng.gamma(3.0, mu / 3.0)
    return {
        "real": eta + rng.normal(size=n),
        "counts": count,
        "positive_counts": 1 + rng.poisson(mu),
        "positive": positive,
        "not_negative": count * rng.gamma(2.0, 0.5, size=n),
        "shares": inside,
        "shares_and_ends": np.where(rng.random(n) < 0.15, np.round(inside), inside),
        "trials": rng.binomial(trials, inside) / trials,
        "trials_of_row": trials,
        "categories": np.digitize(eta + rng.logistic(size=n), [-0.5, 0.5, 2.0]),
    }


def table(n: int, groups: int, seed: int, *, level: float = 0.6) -> pd.DataFrame:
    """Return rows in groups with a covariate x and all responses."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(groups), n // groups), rng.normal(size=n)
    eta = level + 0.4 * x + 0.5 * rng.normal(size=groups)[g]
    return pd.DataFrame({"g": g, "x": x, **responses(eta, rng)})


def cases(data: pd.DataFrame) -> list[Case]:
    """Return each family by itself, and with each formula that it takes."""
    found = []
    for family in FAMILIES:
        spec = spec_of(family)
        assert spec is not None
        found.append(Case(family, spec.support, {}))
        # A part of zeros of a family that has none is a hurdle by either name.
        other = "zero_inflation" if spec.support in _WITHOUT_ZEROS else ""
        for part, formula in FORMULAS.items():
            case = Case(family, spec.support, {part: formula})
            if family != "ordered" and part != other and accepted(case, data):
                found.append(case)
    return found


def accepted(case: Case, data: pd.DataFrame) -> bool:
    """Whether the family takes the formulas."""
    try:
        case.model(case.rows(data))
    except MixedModelError:
        return False
    return True
