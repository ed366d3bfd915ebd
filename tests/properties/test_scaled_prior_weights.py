"""The unit of prior weights that are twelve orders apart matters to the dispersion alone."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import mixedglm2

LOG = sm.families.links.Log
FAMILIES = {"gamma": sm.families.Gamma, "gaussian": sm.families.Gaussian}


@pytest.mark.parametrize("name", FAMILIES)
def test_unit_of_the_weights(name):
    rng = np.random.default_rng(8)
    g, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    w, phi = 10.0 ** rng.uniform(-6, 6, 120), 3e-7
    mu = np.exp(0.3 * x + 0.5 * rng.normal(size=12)[g])
    y = rng.gamma(w / phi, mu * phi / w) if name == "gamma" else rng.normal(mu, np.sqrt(phi / w))
    fits = []
    for unit in (1.0, 2.0**-20, 2.0**20):
        data = pd.DataFrame({"y": y, "x": x, "g": g, "w": unit * w})
        fit = mixedglm2("y ~ x + (1 | g)", data, family=FAMILIES[name](LOG()), weights="w").fit()
        assert fit.converged, fit.report.message
        cluster = fit.with_inference(cov_type="cluster", cov_kwds={"groups": "g"})
        hessian = fit.with_inference(cov_type="hessian")
        found = [fit.params, fit.bse, fit.theta, [fit.estimates.dispersion / unit]]
        found += [cluster.bse, hessian.bse, fit.predict(data.head(3)), fit.leverage()]
        fits.append(np.concatenate([np.asarray(each, float) for each in found]))
    for other in fits[1:]:
        # 1.4e-6 of the intercept, which is as large as its standard error
        np.testing.assert_allclose(other, fits[0], rtol=3e-6)
