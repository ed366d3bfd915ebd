"""The families that statsmodels does not have, to be written like its own."""

from __future__ import annotations

from .fitting.families.distributions import (
    Beta,
    BetaBinomial,
    ConwayMaxwellPoisson,
    GeneralizedPoisson,
    Lognormal,
    NegativeBinomial1,
)
from .fitting.families.names import Bernoulli
from .fitting.families.parted import (
    OrderedBeta,
    StudentT,
    TruncatedConwayMaxwellPoisson,
    TruncatedGeneralizedPoisson,
    TruncatedNegativeBinomial,
    TruncatedNegativeBinomial1,
    TruncatedPoisson,
    Tweedie,
)

__all__ = [
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "ConwayMaxwellPoisson",
    "GeneralizedPoisson",
    "Lognormal",
    "NegativeBinomial1",
    "OrderedBeta",
    "StudentT",
    "TruncatedConwayMaxwellPoisson",
    "TruncatedGeneralizedPoisson",
    "TruncatedNegativeBinomial",
    "TruncatedNegativeBinomial1",
    "TruncatedPoisson",
    "Tweedie",
]
