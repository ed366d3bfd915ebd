"""Likelihoods without random effects of families whose expected information has no closed form."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit

import statsmodels_mixed  # noqa: F401 - adds mixedglm2 to smf

RNG = np.random.default_rng(0)
G = np.repeat(np.arange(30), 10)
U, X = 0.6 * RNG.normal(size=30), RNG.normal(size=300)
SHARE = expit(U[G])
DATA = pd.DataFrame(
    {
        "g": G.astype(str),
        "x": X,
        "count": RNG.poisson(np.exp(0.5 + 0.3 * X + U[G]) * RNG.gamma(1.0, size=300)),
        "share": RNG.beta(5 * SHARE, 5 * (1 - SHARE)),
    }
)


def of_counts(eta, phi):
    return stats.nbinom.logpmf(DATA["count"], np.exp(eta) / phi, 1 / (1 + phi))


def of_shares(eta, phi):
    return stats.beta.logpdf(DATA["share"], phi * expit(eta), phi * expit(-eta))


@pytest.mark.parametrize(
    ("family", "response", "density"),
    [("nbinom1", "count", of_counts), ("beta", "share", of_shares)],
)
def test_ranova_has_the_likelihood_of_the_model_without_them(family, response, density):
    fit = smf.mixedglm2(f"{response} ~ x + (1 | g)", DATA, family).fit()

    def objective(b):
        return -np.sum(density(b[0] + b[1] * X, np.exp(b[2])))

    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000}
    start = [*fit.params, np.log(fit.dispersion)]
    plain = minimize(objective, start, method="Nelder-Mead", options=options)
    table = fit.ranova()
    assert table["llf"].iloc[-1] == pytest.approx(-plain.fun, abs=1e-6)
    assert table["llf"].iloc[0] == pytest.approx(fit.llf)
