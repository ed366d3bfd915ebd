"""A constant that is added to an offset is taken off the intercept, or added to all thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import families, mixedglm2, mixedordinal2


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    eta = 0.3 + 0.5 * x + 0.7 * rng.normal(size=20)[g]
    level = np.round(rng.normal(size=120) * 2.0**8) / 2.0**10
    count = np.where(rng.uniform(size=120) < 0.2, 0, rng.poisson(np.exp(eta + level)))
    amount = np.where(rng.uniform(size=120) < 0.3, 0.0, np.exp(eta) * rng.gamma(2.0, 0.5, 120))
    rating = np.digitize(eta + level + rng.logistic(size=120), [-1.0, 0.0, 1.0])
    return pd.DataFrame(
        {"count": count, "amount": amount, "rating": rating, "x": x, "g": g, "level": level}
    )


def fitted(kind: str, data: pd.DataFrame) -> Any:
    of = "~ x + (1 | g)"
    match kind:
        case "inflated":
            model = mixedglm2(f"count {of}", data, "poisson", zero_inflation="~ 1", offset="level")
        case "hurdle":
            model = mixedglm2(f"count {of}", data, "poisson", hurdle="~ x", offset="level")
        case "tweedie":
            model = mixedglm2(f"amount {of}", data, families.Tweedie(), offset="level")
        case _:
            model = mixedordinal2(f"rating {of}", data, offset="level")
    return model.fit()


@pytest.mark.parametrize("shift", [-512.0, -64.0, 30.0, 2.0**20])
@pytest.mark.parametrize("kind", ["inflated", "hurdle", "tweedie", "ordered"])
def test_a_constant_in_the_offset_moves_the_intercept_only(kind, shift):
    near = fitted(kind, table())
    far = fitted(kind, table().assign(level=lambda d: d.level + shift))
    assert far.converged
    assert far.llf == pytest.approx(near.llf, rel=1e-8)
    change = far.params - near.params
    moved = [name for name in change.index if name == "Intercept" or "|" in name]
    assert change[moved].to_numpy() == pytest.approx(
        (1.0 if kind == "ordered" else -1.0) * shift, abs=1e-5
    )
    assert change.drop(moved).to_numpy() == pytest.approx(0.0, abs=1e-6)
    assert far.bse.to_numpy() == pytest.approx(near.bse.to_numpy(), rel=1e-5)


def test_profiles_of_thresholds_move_with_the_offset():
    near, far = (
        fitted("ordered", table().assign(level=lambda d, c=shift: d.level + c)).profile("beta")
        for shift in (0.0, 64.0)
    )
    limits, expected = far.conf_int(), near.conf_int()
    moved = np.where(["|" in name for _, name in expected.index], 64.0, 0.0)
    assert limits.to_numpy() == pytest.approx(expected.to_numpy() + moved[:, None], abs=1e-5)
