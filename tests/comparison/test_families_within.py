"""Likelihood-ratio tests of a family against one that is a case of it: size, power, edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest

import statsmodels_mixed as smm
from statsmodels_mixed import families
from statsmodels_mixed.errors import OptionError

# The family, a case of it and whether that is at the edge of the range of a parameter.
PAIRS = [
    ("genpois", "poisson", False),
    ("compois", "poisson", False),
    ("nbinom1", "poisson", True),
    ("beta_binomial", "binomial", True),
    ("student_t", "gaussian", True),
]
GROUP = np.repeat(np.arange(30), 8)


def drawn(family: str, rng: np.random.Generator, *, wide: bool) -> tuple[np.ndarray, dict]:
    """Return responses of a family, or with more spread than it allows, and options."""
    eta = 0.5 + 0.4 * rng.standard_normal(30)[GROUP]
    spread = rng.gamma(2.0, 0.5, len(eta)) if wide else np.ones(len(eta))
    match family:
        case "poisson":
            return rng.poisson(np.exp(eta) * spread), {}
        case "gaussian":
            return eta + rng.standard_normal(len(eta)) / np.sqrt(spread), {}
    share = 1 / (1 + np.exp(-eta))
    share = rng.beta(3 * share, 3 * (1 - share)) if wide else share
    return rng.binomial(8, share) / 8, {"weights": np.full(len(eta), 8)}


def fits(large: str, small: str, seed: int, *, wide: bool = False) -> list:
    y, options = drawn(small, np.random.default_rng(seed), wide=wide)
    data = pd.DataFrame({"y": y, "g": GROUP})
    return [smm.mixedglm2("y ~ 1 + (1 | g)", data, f, **options).fit() for f in (large, small)]


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
@pytest.mark.parametrize(("large", "small", "edge"), PAIRS)
def test_a_family_is_tested_against_its_case(large: str, small: str, edge: bool) -> None:
    full, restricted = fits(large, small, 1, wide=True)
    test = full.compare_lr_test(restricted)
    assert test.statistic == pytest.approx(2 * (full.llf - restricted.llf), abs=1e-8)
    assert test.df_diff == 1
    assert test.pvalue == pytest.approx(chi2.sf(test.statistic, 1) / (1 + edge), rel=1e-8)
    assert test.pvalue < 1e-3
    table = full.anova(restricted)
    assert table["aic"].to_numpy() == pytest.approx([restricted.aic, full.aic])
    with pytest.raises((OptionError, ValueError)):
        restricted.compare_lr_test(full)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
@pytest.mark.parametrize(("large", "small", "edge"), PAIRS)
def test_sizes_of_the_tests(large: str, small: str, edge: bool) -> None:
    """Where the smaller family is true p-values are uniform, at an edge below 1/2."""
    found = []
    for seed in range(200):
        full, restricted = fits(large, small, seed)
        found.append(full.compare_lr_test(restricted).pvalue)
    found = np.array(found)
    if edge:
        below = found[found < 0.45]
        assert 0.28 < len(below) / 200 < 0.55
        found = below / 0.45
    assert kstest(found, "uniform").pvalue > 1e-3


def test_families_that_are_no_case_of_each_other() -> None:
    rng = np.random.default_rng(1)
    counts = pd.DataFrame({"y": drawn("poisson", rng, wide=True)[0], "g": GROUP})
    full, restricted = (
        smm.mixedglm2("y ~ 1 + (1 | g)", counts, f).fit() for f in ("nbinom1", "genpois")
    )
    with pytest.raises(ValueError, match="families with those that are a case of them"):
        full.compare_lr_test(restricted)
    y, _ = drawn("gaussian", np.random.default_rng(1), wide=False)
    data = pd.DataFrame({"y": y, "g": GROUP, "x": y + np.arange(240) % 7})
    fixed = smm.mixedglm2("y ~ x + (1 | g)", data, families.StudentT(df=4)).fit()
    with pytest.raises(OptionError, match="degrees of freedom of the larger one are given"):
        fixed.compare_lr_test(smm.mixedglm2("y ~ 1 + (1 | g)", data, "gaussian").fit())
