"""Serial correlation and variance functions without random effects, against gls of nlme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

DATA = Path(__file__).parents[1] / "reference" / "nlme"
DIALYZER = "rate ~ (pressure + p2 + p3 + p4) * QB"

# nlme 3.1.162: log-likelihood (of REML without + log|X'X| / 2, which gls adds), coefficients of two
# terms and, by REML, their standard errors (by ML gls multiplies these by sqrt(n / (n - p))).
# Parameters are those of an independent maximum of the likelihood of all rows, with an exact
# gradient, which gls meets to six digits.
FITS = {
    "AR(1)": dict(
        options={"residual": "ar1(t | Mare)"},
        reml=False,
        llf=-782.193391738883,
        coefficients={"s": -2.78522352877741, "c": -0.898173156765611},
        parameters=[4.522808844534143, 0.7438035760176145],
    ),
    "ARMA(1, 1)": dict(
        options={"residual": "arma(t | Mare)"},
        reml=True,
        llf=-773.34020916061,
        coefficients={"s": -2.88324116747983, "c": -0.803559073549105},
        errors={"s": 0.506916619972583, "c": 0.570304751750443},
        parameters=[4.597198276122474, 0.8908102897264888, -0.3496046814998502],
    ),
    "power": dict(
        options={"dispersion": "power(pressure)"},
        reml=False,
        llf=-361.019969709758,
        coefficients={"pressure": 96.4765572636806, "p4": -1.42500721427673},
        parameters=[2.9706032674798353, 0.44724067601171785],
    ),
    "power and AR(1)": dict(
        options={"dispersion": "power(pressure)", "residual": "ar1(index | Subject)"},
        reml=True,
        llf=-308.337308846783,
        coefficients={"pressure": 92.3342386540456, "p4": -1.01963944991696},
        errors={"pressure": 5.26686200479638, "p4": 0.55863723802793},
        parameters=[3.0463163620695273, 0.752603756743121, 0.5182385771872782],
    ),
    "exponential": dict(
        options={"dispersion": "exp(pressure)"},
        reml=True,
        llf=-360.411068834597,
        coefficients={"pressure": 94.2804972325917, "p4": -1.26511314560571},
        errors={"pressure": 11.8443421684974, "p4": 1.1789949345687},
        parameters=[2.0589793386502997, 0.3267504131655214],
    ),
}


def ovary() -> pd.DataFrame:
    """Follicles of mares (Pinheiro and Bates 2000, section 5.3), with the rank of each time."""
    data = pd.read_csv(DATA / "ovary.csv")
    angle = 2 * np.pi * data["Time"]
    rank = data.groupby("Mare")["Time"].rank().astype(int)
    return data.assign(s=np.sin(angle), c=np.cos(angle), t=rank)


def dialyzer() -> pd.DataFrame:
    """Ultrafiltration rates of dialyzers (Pinheiro and Bates 2000, section 5.2)."""
    data = pd.read_csv(DATA / "dialyzer.csv", dtype={"QB": str})
    return data.assign(**{f"p{k}": data["pressure"] ** k for k in (2, 3, 4)})


@pytest.mark.parametrize("name", FITS)
def test_gls(name: str) -> None:
    known: dict[str, Any] = FITS[name]
    on_mares = "Mare" in known["options"].get("residual", "")
    formula, data = ("follicles ~ s + c", ovary()) if on_mares else (DIALYZER, dialyzer())
    fit = smf.mixedlm2(formula, data, **known["options"]).fit(reml=known["reml"])
    assert fit.converged
    assert fit.llf == pytest.approx(known["llf"], rel=1e-10)
    for term, value in known["coefficients"].items():
        assert fit.params[term] == pytest.approx(value, abs=2e-6 * fit.bse[term])
    for term, value in known.get("errors", {}).items():
        assert fit.bse[term] == pytest.approx(value, rel=2e-6)
    assert fit.residual_parameters["estimate"].to_list() == pytest.approx(
        known["parameters"], rel=2e-6
    )
