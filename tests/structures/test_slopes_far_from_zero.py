"""Random slopes beside other structures, of dates and years: shifts and units do not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.errors import OptionError

SHIFTS = {"year": 2000.0, "date": 738_000.0, "far": 2.0**23}


def table(seed: int) -> pd.DataFrame:
    """Slopes that vary; numbers of few digits, which shifts leave exact."""
    rng = np.random.default_rng(seed)
    g, t = (each.ravel() for each in np.indices((30, 8)))
    h = rng.integers(0, 9, 240)
    x = np.round(rng.normal(size=240) * 2.0**8) / 2.0**8
    u, v, w = rng.normal(size=30), rng.normal(size=30), rng.normal(size=(9, 2))
    f = np.where(t % 2, "p", "q")
    eta = 0.3 + 0.5 * x + 0.6 * u[g] + 0.6 * (0.4 * u + v)[g] * x + 0.5 * w[h, t % 2]
    return pd.DataFrame(
        {
            "y": eta + rng.normal(size=240),
            "count": rng.poisson(np.exp(np.clip(0.5 * eta, -3, 3))),
            "x": x, "g": g, "h": h, "f": f,
        }
    )  # fmt: skip


def fitted(kind: str, data: pd.DataFrame) -> Any:
    beside = "x + (x | g) + cs(0 + f | h)"
    match kind:
        case "ML":
            return mixedlm2(f"y ~ {beside}", data).fit()
        case "REML":
            return mixedlm2(f"y ~ {beside}", data).fit(reml=True, dof="satterthwaite")
        case _:
            return mixedglm2(f"count ~ {beside}", data, sm.families.Poisson()).fit()


def of_groups(fit: Any) -> pd.DataFrame:
    return fit.ranef()["g"]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("kind", ["ML", "REML", "counts"])
def test_shifts_of_a_covariate_with_random_slopes_do_not_matter(kind, shift):
    """At 8192 standard deviations fits were .5 too low, and at 131 072 by 1.5, and "converged"."""
    by = SHIFTS[shift]
    near, far = (fitted(kind, table(1).assign(x=lambda d, c=c: d.x + c)) for c in (0.0, by))
    assert near.converged and far.converged and not near.issingular()
    assert far.llf == pytest.approx(near.llf, abs=1e-6)
    assert far.params["x"] == pytest.approx(near.params["x"], rel=1e-4)
    assert far.bse["x"] == pytest.approx(near.bse["x"], rel=1e-4)
    assert far.pvalues["x"] == pytest.approx(near.pvalues["x"], rel=1e-2)
    assert far.fittedvalues.to_numpy() == pytest.approx(near.fittedvalues.to_numpy(), abs=1e-3)
    slopes = [of_groups(fit)["x"].to_numpy() for fit in (far, near)]
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-3)
    sds = [fit.varcorr.std_dev("g")["x"] for fit in (far, near)]
    assert sds[0] == pytest.approx(sds[1], rel=1e-3)
    # sd of the intercept at x + shift, in terms of the covariance matrix where x is zero.
    sigma = near.varcorr.covariance("g").to_numpy()
    there = np.array([1.0, -by]) @ sigma @ np.array([1.0, -by])
    assert far.varcorr.std_dev("g").iloc[0] == pytest.approx(np.sqrt(there), rel=1e-3)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
@pytest.mark.parametrize("kind", ["ML", "counts"])
def test_units_of_a_covariate_with_random_slopes_do_not_matter(kind, unit):
    """With x 2^-40 as large, counts were fitted up to 4.7 too low in log-likelihood."""
    for seed in (1, 2, 3):
        near, far = (fitted(kind, table(seed).assign(x=lambda d, c=c: c * d.x)) for c in (1, unit))
        assert far.llf == pytest.approx(near.llf, abs=1e-6)
        assert unit * far.params["x"] == pytest.approx(near.params["x"], rel=1e-4)


def test_a_start_is_given_in_the_users_columns():
    data = table(1).assign(x=lambda d: d.x + 2000.0)
    fit = fitted("ML", data)
    model = fit.model
    again = model.fit(start=fit.estimates.structured.phi)
    assert again.llf == pytest.approx(fit.llf, abs=1e-6)
    assert again.report.evaluations < fit.report.evaluations
    with pytest.raises(OptionError, match="start="):
        model.fit(start=[1.0])


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
@pytest.mark.parametrize("kind", ["ML", "counts"])
def test_replicates_and_profiles_of_dates(kind):
    """Replicates of counts were .03 above fresh fits, and limits a tenth off."""
    near, far = (fitted(kind, table(1).assign(x=lambda d, c=c: d.x + c)) for c in (0.0, 738_000.0))
    found = far.bootstrap(4, seed=3).frame
    fresh = [far.model.with_response(y).fit() for y in far.simulate(4, seed=3).T]
    objectives = found["objective"].to_numpy().ravel()
    assert objectives == pytest.approx([-2.0 * fit.llf for fit in fresh], abs=1e-4)
    sds = found[("theta", "g.us.sd[x]")]
    assert sds.to_numpy() == pytest.approx(
        [fit.varcorr.std_dev("g")["x"] for fit in fresh], rel=1e-3
    )
    limits = [fit.profile("beta").conf_int().loc[("beta", "x")].to_numpy() for fit in (far, near)]
    assert limits[0] == pytest.approx(limits[1], abs=1e-4)
