"""Terms with covariance structures that the data do not distinguish are named."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import IdentificationWarning


@pytest.fixture(scope="module")
def sleep():
    """One row for each subject and day."""
    return datasets.load("sleepstudy")


CONFOUNDED = [
    "us(0 + C(days) | subj)",
    "cs(0 + C(days) | subj)",
    "homdiag(0 + C(days) | subj)",
    "diag(0 + C(days) | subj)",
    "toep(0 + days | subj)",
    "arma(0 + days | subj, p=1, q=1)",
    "ar1(0 + days | subj, nugget=True)",
    "(1 | subj) + cs(0 + C(days) | subj)",
]


@pytest.mark.parametrize("term", CONFOUNDED)
def test_confounded_with_the_residuals(sleep, term):
    model = mixedlm2(f"reaction ~ days + {term}", sleep)
    with pytest.warns(IdentificationWarning, match="the residual variance"):
        fit = model.fit(reml=True)
    assert fit.converged
    assert "cannot be distinguished from the residual variance" in str(fit.summary())


@pytest.mark.parametrize("term", ["cs(0 + C(days) | subj)", "arma(0 + days | subj, p=1, q=1)"])
def test_the_likelihood_is_flat_there(sleep, term):
    model = mixedlm2(f"reaction ~ days + {term}", sleep)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = [model.fit(reml=True, sigma=sigma).llf for sigma in (5.0, 10.0, 17.0)]
    assert max(abs(a - b) for a, b in pairwise(values)) < 1e-6


@pytest.mark.parametrize(
    "term",
    [
        "ar1(0 + days | subj)",
        "har1(0 + days | subj)",
        "had(0 + days | subj)",
        "mat(0 + days | subj)",
        "hcs(0 + C(days) | subj)",
        "(1 | subj) + ou(0 + days | subj)",
        "us(1 + days | subj)",
    ],
)
def test_others_are_determined(sleep, term):
    fit = mixedlm2(f"reaction ~ days + {term}", sleep).fit(reml=True)
    assert fit.report.not_identified == ()


def test_two_factors_of_one_name():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(range(12), 9), "f": np.tile(np.repeat(list("abc"), 3), 12)})
    both = 2.0 * rng.normal(size=12)[:, None] + 2.0 * rng.normal(size=(12, 3))
    data["y"] = np.repeat(both.ravel(), 3) + rng.normal(size=108)
    model = mixedlm2("y ~ f + (1 | g) + cs(0 + f | g)", data)
    with pytest.warns(IdentificationWarning, match="from one another"):
        model.fit()
    alone = mixedlm2("y ~ f + cs(0 + f | g)", data).fit()
    assert alone.report.not_identified == ()
