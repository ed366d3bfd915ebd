"""Standard errors of generalized fits do not depend on the units of columns of random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import families, mixedglm2


def table(seed: int) -> pd.DataFrame:
    """Slopes that hardly vary, so that the curvature of the likelihood does."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    effects = 0.7 * rng.normal(size=20)[g] + 0.15 * rng.normal(size=20)[g] * x
    eta = 0.3 + 0.5 * x + effects
    share = 1.0 / (1.0 + np.exp(-eta - rng.normal(size=120)))
    positive = np.exp(eta) * rng.gamma(2.0, 0.5, 120)
    return pd.DataFrame({"share": share, "positive": positive, "x": x, "g": g})


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
@pytest.mark.parametrize(
    ("seed", "response", "family"),
    [(3, "positive", "Lognormal"), (9, "positive", "Lognormal"), (12, "share", "Beta")],
)
def test_steps_of_differences_know_no_units(seed, response, family, unit):
    plain, other = (
        mixedglm2(f"{response} ~ x + (x | g)", data, getattr(families, family)()).fit()
        for data in (table(seed), table(seed).assign(x=lambda d: unit * d.x))
    )
    errors = other.bse.to_numpy() * [1.0, unit]
    assert errors == pytest.approx(plain.bse.to_numpy(), rel=1e-10)
