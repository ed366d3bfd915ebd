"""REML has nothing of random effects whose columns lie in the span of X, beside any other terms.

With K'X = 0 the likelihood of K'y does not depend on their variance, as a dense evaluation shows.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from statsmodels_mixed import datasets, meta, mixedlm2
from statsmodels_mixed.errors import DataError, SingularFitWarning

RNG = np.random.default_rng(1)
GROUP = np.repeat(np.arange(24), 4)
DATA = pd.DataFrame({
    "g": GROUP,
    "t": np.tile(np.arange(4), 24),
    "A": np.array(list("abcdef"))[GROUP // 4],
    "x": RNG.normal(size=96),
    "y": RNG.normal(size=24)[GROUP] + RNG.normal(size=96),
})  # fmt: skip
DATA["y"] += RNG.normal(size=6)[GROUP // 4] * DATA["x"]


def dense_reml(variance, extra):
    """Return the log-likelihood of contrasts without means of A, with serial effects of g."""
    Z = pd.get_dummies(DATA["A"]).to_numpy(float)
    K = null_space(Z.T)
    Zt = pd.get_dummies(DATA["g"]).to_numpy(float)
    V = variance * Z @ Z.T + np.eye(96) + 0.5 * Zt @ Zt.T
    V = V + extra * np.outer(DATA["x"], DATA["x"]) * (Z @ Z.T)
    return multivariate_normal(np.zeros(K.shape[1]), K.T @ V @ K).logpdf(K.T @ DATA["y"])


def test_the_variance_of_levels_that_are_fixed_does_not_change_the_likelihood_of_contrasts():
    np.testing.assert_allclose(dense_reml(0.1, 0.0), dense_reml(1e4, 0.0), rtol=1e-9)
    assert abs(dense_reml(0.1, 0.0) - dense_reml(0.1, 1.0)) > 1  # that of slopes does


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ A + (1 | A) + ar1(0 + t | g)", {}),
        ("y ~ A + (1 | A) + cs(0 + C(t) | g)", {}),
        ("y ~ C(t) + (1 | t) + ou(0 + t | g)", {}),
        ("y ~ A * x + diag(1 + x | A)", {}),
        ("y ~ A + us(1 + x | A)", {}),
        ("y ~ A + (1 | A)", {"residual": "ar1(0 + t | g)"}),
        ("y ~ A + (1 | A)", {"dispersion": "~ x"}),
    ],
)
def test_such_a_term_is_refused_by_reml(formula, options):
    model = mixedlm2(formula, DATA, **options)
    with pytest.raises(DataError, match=r"take up all information on the variance of \(1"):
        model.fit(reml=True)


def test_such_a_term_is_refused_by_iterative_fits():
    model = mixedlm2("y ~ A + (1 | A) + (1 | g)", DATA)
    with pytest.raises(DataError, match=r"\(1 \| A\)"):
        model.fit(reml=True, solver="iterative")


def test_such_a_term_is_refused_beside_dependent_sampling_errors():
    data = DATA.assign(study=range(96))
    with pytest.raises(DataError, match=r"\(1 \| A\)"):
        meta("y", V=[np.eye(4) * 0.2 + 0.1] * 24, formula="~ A + (1 | A) + (1 | study)", data=data)


def test_a_variance_that_other_effects_share_is_estimated():
    shared = mixedlm2("y ~ A + homdiag(1 + x | A)", DATA).fit(reml=True)
    # The intercepts, which the fixed effects take up, say nothing of it: slopes alone do.
    slopes = mixedlm2("y ~ A + (0 + x | A)", DATA).fit(reml=True)
    np.testing.assert_allclose(shared.llf, slopes.llf, rtol=1e-7)


def test_terms_of_which_something_is_left_are_fitted():
    sleep = datasets.load("sleepstudy")
    formula = "reaction ~ C(days) + ar1(0 + days | subj)"
    assert mixedlm2(formula, sleep).fit(reml=True).converged
    with pytest.warns(SingularFitWarning):  # maximum likelihood puts it at zero
        assert mixedlm2("y ~ A + (1 | A) + ar1(0 + t | g)", DATA).fit().converged
