"""Data and fits of models with several formulas that several modules look at."""

from pathlib import Path

import pandas as pd
import pytest

import statsmodels_mixed as smm

HERE = Path(__file__).parents[1] / "reference" / "families"


@pytest.fixture(scope="module")
def salamanders():
    return pd.read_csv(HERE / "salamanders.csv")


@pytest.fixture(scope="module")
def owls():
    data = pd.read_csv(HERE / "owls.csv")
    return data.assign(cArr=data["ArrivalTime"] - 24)


@pytest.fixture(scope="module")
def wine():
    return pd.read_csv(HERE / "wine.csv")


@pytest.fixture(scope="module")
def inflated(salamanders):
    formula = "count ~ spp + mined + (1 | site)"
    return smm.mixedglm2(formula, salamanders, "nbinom2", zero_inflation="~ mined").fit()


@pytest.fixture(scope="module")
def random_zeros(salamanders):
    formula, zeros = "count ~ mined + (1 | site)", "~ mined + (1 | site)"
    return smm.mixedglm2(formula, salamanders, "poisson", zero_inflation=zeros).fit()
