"""The density of a Tweedie distribution where its sum has hardly more than one term."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, gammaln, logsumexp

from statsmodels_mixed._core import row_derivatives


def log_density(y, mu, phi, p):
    """Sum over numbers of gamma variates: their Poisson probabilities times gamma densities."""
    shape, scale = (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1)
    rate = mu ** (2 - p) / (phi * (2 - p))
    j = np.arange(1, 2000)
    counts = j * np.log(rate) - rate - gammaln(j + 1)
    gammas = (j * shape - 1) * np.log(y) - y / scale - gammaln(j * shape)
    return logsumexp(counts + gammas - j * shape * np.log(scale))


@pytest.mark.parametrize("logit", [-14.0, -10.0, -9.0, -8.0, -5.0, -1.0])
@pytest.mark.parametrize("phi", [0.05, 0.5, 5.0])
def test_densities_are_those_of_the_sum(logit, phi):
    # Infinite between multiples of phi, where the next term is larger by more than e^709.
    y = np.array([0.3, 0.9, 1.0, 1.7, 3.0, 8.0])
    outer = np.tile([np.log(phi), logit, 0.0, 0.0], (len(y), 1))
    found, _ = row_derivatives("tweedie", "log", y, np.full(len(y), np.log(1.7)), outer)
    wanted = [log_density(each, 1.7, phi, 1 + expit(logit)) for each in y]
    assert np.all(np.isfinite(found))
    assert_allclose(found[:, 0], wanted, rtol=1e-8, atol=1e-6)
