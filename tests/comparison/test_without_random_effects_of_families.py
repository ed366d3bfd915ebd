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


def test_ranova_of_thresholds_far_apart_has_the_likelihood_of_the_model_without_them():
    # Offsets of 20 and -20: trials of thresholds in another order had no derivatives, and the
    # search for the model without random effects ended with an error of SciPy.
    n = 60
    rng = np.random.default_rng(3)
    offset = rng.choice([-20.0, 20.0], n)
    g, x = rng.integers(6, size=n), rng.normal(size=n)
    latent = 3 * rng.normal(size=6)[g] + x + rng.logistic(size=n)
    y = np.searchsorted([-1.0, 0.0, 1.5], latent)
    data = pd.DataFrame({"y": pd.Categorical(y, ordered=True), "g": g, "x": x, "o": offset})
    fit = smf.mixedordinal2("y ~ x + (1 | g)", data, link="cauchit", offset="o").fit(n_agq=7)

    def objective(b):
        inner = np.cumsum(np.r_[b[0], np.exp(b[1:3])])
        ends = np.r_[-np.inf, inner, np.inf]
        eta = b[3] * x + offset
        p = stats.cauchy.cdf(ends[y + 1] - eta) - stats.cauchy.cdf(ends[y] - eta)
        return -np.sum(np.log(np.maximum(p, 1e-300)))

    # The likelihood has several maxima.
    starts = [np.r_[rng.uniform(-25, 10), rng.uniform(0, 3.5, 2), 1.0] for _ in range(40)]
    ends = [minimize(objective, start, method="Nelder-Mead") for start in starts]
    best = min(ends, key=lambda end: end.fun)
    best = minimize(objective, best.x, method="BFGS")
    assert fit.ranova()["llf"].iloc[-1] == pytest.approx(-best.fun, abs=1e-5)
