"""Random slopes of dates and years beside correlated residuals and unequal variances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.inference import ranova

SHIFTS = {"year": 2000.0, "date": 738_000.0, "far": 2.0**23}
OPTIONS = {"correlated": {"residual": "ar1(t | g)"}, "dispersed": {"dispersion": "~ arm"}}


def table(shift: float = 0.0, unit: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, t = (each.ravel() for each in np.indices((30, 8)))
    x = np.round(rng.normal(size=240) * 2.0**8) / 2.0**8
    u, v = rng.normal(size=30), rng.normal(size=30)
    e = rng.normal(size=(30, 8))
    for j in range(1, 8):
        e[:, j] = 0.5 * e[:, j - 1] + 0.8 * e[:, j]
    y = 0.3 + 0.5 * x + 0.8 * u[g] + 0.7 * (0.4 * u + v)[g] * x + e.ravel()
    arm = np.where(g % 2, "p", "q")
    return pd.DataFrame({"y": y, "x": unit * (x + shift), "g": g, "t": t, "arm": arm})


def fitted(kind: str, data: pd.DataFrame, **options: Any) -> Any:
    return mixedlm2("y ~ x + (x | g)", data, **OPTIONS[kind]).fit(**options)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_shifts_of_a_covariate_with_random_slopes_do_not_matter(kind, shift):
    """From 8192 standard deviations on fits were up to .75 too low and said "converged"."""
    by = SHIFTS[shift]
    near, far = fitted(kind, table()), fitted(kind, table(by))
    assert near.converged and far.converged and not near.issingular()
    assert far.llf == pytest.approx(near.llf, abs=1e-6)
    assert far.params["x"] == pytest.approx(near.params["x"], rel=1e-5)
    assert far.bse["x"] == pytest.approx(near.bse["x"], rel=1e-5)
    assert far.fittedvalues.to_numpy() == pytest.approx(near.fittedvalues.to_numpy(), abs=1e-4)
    assert far.report.evaluations <= near.report.evaluations + 5
    slopes = [fit.ranef()["g"]["x"].to_numpy() for fit in (far, near)]
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-4)
    spread = [np.asarray(fit.condvar()["g"])[:, 1, 1] for fit in (far, near)]
    assert spread[0] == pytest.approx(spread[1], rel=1e-3)
    shown = [fit.residual_parameters for fit in (far, near)]
    assert shown[0].to_numpy() == pytest.approx(shown[1].to_numpy(), rel=1e-4)
    named = [fit.estimates.natural for fit in (far, near)]
    sd = [dict(zip(each.names, each.values, strict=True))["g.sd[x]"] for each in named]
    assert sd[0] == pytest.approx(sd[1], rel=1e-4)
    some = [table(c).head(4) for c in (by, 0.0)]
    frames = [
        fit.get_prediction(rows, re=True).summary_frame()
        for fit, rows in zip((far, near), some, strict=True)
    ]
    assert frames[0].to_numpy() == pytest.approx(frames[1].to_numpy(), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_degrees_of_freedom_do_not_depend_on_shifts_or_units(kind, dof):
    near = fitted(kind, table(), reml=True, dof=dof)
    for data, unit in (
        (table(2000.0), 1.0),
        (table(738_000.0), 1.0),
        (table(0.0, 2.0**20), 2.0**20),
    ):
        far = fitted(kind, data, reml=True, dof=dof)
        assert unit * far.bse["x"] == pytest.approx(near.bse["x"], rel=1e-5)
        assert far.df_coef["x"] == pytest.approx(near.df_coef["x"], rel=1e-4)


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_follows_such_a_fit(kind):
    near, far = fitted(kind, table()), fitted(kind, table(738_000.0))
    draws = [np.asarray(fit.simulate(2, seed=1)) for fit in (far, near)]
    assert draws[0].shape == draws[1].shape
    again = far.model.fit(start=far.theta)
    assert again.llf == pytest.approx(far.llf, abs=1e-5)
    assert far.model.objective(far.theta) == pytest.approx(-2.0 * far.llf, abs=1e-3)
    found, expected = (fit.influence("g").cooks_distance() for fit in (far, near))
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-2, abs=1e-4)
    tables = [ranova(fit) for fit in (far, near)]
    assert tables[0].to_numpy(dtype=float) == pytest.approx(
        tables[1].to_numpy(dtype=float), rel=1e-4, abs=1e-6, nan_ok=True
    )
