"""Log-likelihoods of up to 1e9 trials have their digits where terms of size m log m cancel."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_mixed._core import row_derivatives

# Trials, hits, eta, log phi, log-likelihoods of the binomial and the beta-binomial by mpmath with
# 60 digits: log C(m, h) + log B(a + h, b + m - h) - log B(a, b).
ROWS = [
    (1000, 0, -8, 2, -0.33540637289576886, -0.012349933740749424),
    (1000, 500, 0.01, 9, -3.692418940011143, -3.749236019136215),
    (1000, 250, -1, 20, -4.462731966253917, -4.462731070355833),
    (1000, 1000, 3, -3, -48.58735157374206, -0.06607740140244268),
    (100000, 0, -8, 2, -33.540637289576885, -0.02374434292709122),
    (100000, 50000, 0.01, 9, -7.23225137683123, -7.3714129441510545),
    (100000, 25000, -1, 20, -98.49270660146344, -98.47400291417857),
    (100000, 100000, 3, -3, -4858.735157374206, -0.07695216240818623),
    (1000000000, 0, -8, 2, -335406.37289576884, -0.04656666742603916),
    (1000000000, 500000000, 0.01, 9, -12510.535341285255, -16.550391056816583),
    (1000000000, 250000000, -1, 20, -926553.3429977191, -305891.30098662444),
    (1000000000, 1000000000, 3, -3, -48587351.57374206, -0.09869958445272685),
]


@pytest.mark.parametrize("family", ["binomial", "beta_binomial"])
@pytest.mark.parametrize(("m", "hits", "eta", "log_phi", "binomial", "beta_binomial"), ROWS)
def test_log_likelihoods(family, m, hits, eta, log_phi, binomial, beta_binomial):
    """Differences of log-gamma functions were off by 1e-10 for 1e5 trials, 5e-6 for 1e9."""
    row = row_derivatives(
        family,
        "logit",
        np.array([hits / m]),
        np.array([float(eta)]),
        np.array([[float(log_phi), 0.0, 0.0, 0.0]]),
        weights=np.array([float(m)]),
    )[0]
    wanted = binomial if family == "binomial" else beta_binomial
    np.testing.assert_allclose(row[0, 0], wanted, rtol=1e-13, atol=2e-14)
