"""Responses of 1e9 and a deviation of 1 in models of rows with a dispersion or a shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import families, mixedglm2

LEVEL = 2.0**30


def table(level: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    y = 0.3 + 0.5 * x + 0.7 * rng.normal(size=20)[g] + rng.standard_t(5, size=120)
    return pd.DataFrame({"y": np.round(y * 2.0**20) / 2.0**20 + level, "x": x, "g": g})


def fitted(kind: str, data: pd.DataFrame) -> Any:
    if kind == "student":
        return mixedglm2("y ~ x + (1 | g)", data, families.StudentT()).fit()
    return mixedglm2("y ~ x + (1 | g)", data, "gaussian", dispersion="~ x").fit()


@pytest.mark.parametrize("kind", ["student", "dispersed"])
def test_a_constant_in_the_response_moves_the_intercept_only(kind):
    near, far = fitted(kind, table()), fitted(kind, table(LEVEL))
    assert far.converged
    assert far.llf == pytest.approx(near.llf, rel=1e-9)
    assert far.params["Intercept"] - LEVEL == pytest.approx(near.params["Intercept"], abs=1e-5)
    assert far.params.to_numpy()[1:] == pytest.approx(near.params.to_numpy()[1:], abs=1e-6)
    assert far.bse.to_numpy() == pytest.approx(near.bse.to_numpy(), rel=1e-5)
    assert far.report.evaluations <= near.report.evaluations + 2
    some = table(LEVEL).head(5)
    found, expected = (
        each.get_prediction(rows, re=True).summary_frame()
        for each, rows in ((far, some), (near, some.assign(y=some.y - LEVEL)))
    )
    assert found["mean"].to_numpy() - LEVEL == pytest.approx(expected["mean"], abs=1e-5)
    assert found["mean_se"].to_numpy() == pytest.approx(expected["mean_se"], rel=1e-4)


def test_profiles_move_with_the_response():
    near, far = (fitted("dispersed", table(level)).profile("beta") for level in (0.0, LEVEL))
    limits, expected = far.conf_int(), near.conf_int()
    moved = np.where([name == "Intercept" for _, name in expected.index], LEVEL, 0.0)
    assert limits.to_numpy() - moved[:, None] == pytest.approx(expected.to_numpy(), abs=1e-5)
