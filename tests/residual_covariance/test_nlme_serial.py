"""Serial correlation, variance functions and strata without random effects, against gls of nlme."""

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


# gls of nlme 3.1.162 of the rows of each stratum: rate ~ pressure + p2 + p3 + p4 by
# corAR1(form = ~ index | Subject) or corCompSymm(form = ~ index | Subject). With coefficients of
# their own, covariances by strata are these fits together: log-likelihood, sigma, correlation,
# coefficient of the pressure and its standard error of blood flow 200, then 300.
STRATA = {
    ("ar1", True): (
        (-162.284959416491, 3.4280407187207, 0.683235875290401, 87.328102948760531, 8.4065092999),
        (-166.289605099499, 3.8063587010428, 0.717998250599193, 90.763532378963518, 9.5392669703),
    ),
    ("ar1", False): (
        (-164.096013937575, 3.26452156080178, 0.67235303990707, 87.359930749702215, None),
        (-168.55050356316, 3.62307850083539, 0.708205695594209, 90.752052411946067, None),
    ),
    ("cs", True): (
        (-174.164482307916, 3.47054999472137, 0.3630483060437, 88.840793828256878, 11.6285902885),
        (-172.555510259646, 3.86988426608291, 0.554334006759806, 93.27126737212828, 11.6748120516),
    ),
    ("cs", False): (
        (-176.080874219618, 3.32549594930681, 0.352505224604664, 88.856542118003986, None),
        (-174.53245840472, 3.69700433541668, 0.544221248228721, 93.25242810241684, None),
    ),
}


@pytest.mark.parametrize(("kind", "reml"), STRATA)
def test_covariances_of_strata(kind: str, reml: bool) -> None:
    formula = "rate ~ 0 + QB + (pressure + p2 + p3 + p4):QB"
    residual = f"{kind}(index | Subject, by=QB)"
    fit = smf.mixedlm2(formula, dialyzer(), residual=residual).fit(reml=reml)
    assert fit.converged
    strata = STRATA[kind, reml]
    assert fit.llf == pytest.approx(sum(stratum[0] for stratum in strata), rel=1e-10)
    estimates = fit.residual_parameters["estimate"].to_list()
    known = [value for stratum in strata for value in stratum[1:3]]
    assert estimates == pytest.approx(known, rel=2e-6)
    for blood_flow, (*_, slope, error) in zip((200, 300), strata, strict=True):
        name = f"pressure:QB[{blood_flow}]"
        assert fit.params[name] == pytest.approx(slope, abs=2e-6 * fit.bse[name])
        if error is not None:
            assert fit.bse[name] == pytest.approx(error, rel=2e-6)
