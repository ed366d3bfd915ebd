"""Structures of random effects and of residuals, against glmmTMB 1.1.5 and nlme 3.1.162.

`other_programs.json` has the calls in R, with the log-likelihoods and estimates they returned
(tolerances of `gls` and `lme` at 1e-12). Of the data epil2 and Salamanders are glmmTMB's, cbpp
lme4's, BodyWeight nlme's; in R `v` and `pos` are factor(period) and numFactor() of the times, and
`lb` is log(Base / 4).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import datasets, mixedglm2, mixedlm2

HERE = Path(__file__).parent
REFERENCE = HERE.parent / "reference"
RECORDS = json.loads((HERE / "other_programs.json").read_text())
# What nlme calls our parameters; corCAR1's is the correlation of times one apart.
NAMES = {
    "range": "Residual.range",
    "nugget": "Residual.nugget",
    "Phi1": "Residual.rho",
    "2": "dispersion.Diet[T.2]",
    "3": "dispersion.Diet[T.3]",
    "power": "dispersion.power(Time)",
    "expon": "dispersion.exp(Time)",
}


def read(name: str) -> pd.DataFrame:
    if name == "bodyweight":
        data = pd.read_csv(REFERENCE / "nlme" / "bodyweight.csv", dtype={"Rat": str, "Diet": str})
        return data.assign(occasion=data.groupby("Rat").cumcount())
    if name == "cbpp":
        return datasets.load("cbpp").assign(proportion=lambda d: d["incid"] / d["hsz"])
    data = pd.read_csv(REFERENCE / "families" / f"{name}.csv")
    if name == "epil2":
        period = data.groupby("subject").cumcount()
        return data.assign(lb=np.log(data["Base"] / 4), period=period, v=period.astype(str))
    kinds = ["GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF"]
    mined = pd.Categorical(data["mined"], ["yes", "no"])
    return data.assign(mined=mined, spp=pd.Categorical(data["spp"], kinds))


def each(record: dict[str, Any]) -> Any:
    slow = [pytest.mark.slow] * ("rr(" in record["formula"])
    return pytest.param(record, id=record["call"], marks=slow)


@pytest.mark.parametrize("record", [each(record) for record in RECORDS])
def test_fits_are_those_of_other_programs(record: dict[str, Any]) -> None:
    data, options = read(record["data"]), record["options"]
    if record["family"]:
        model = mixedglm2(record["formula"], data, record["family"], **options)
        fit = model.fit(hessian="observed")
    else:
        fit = mixedlm2(record["formula"], data, **options).fit(reml=record["reml"])
    assert fit.converged
    assert fit.llf > record["llf"] - 1e-9 * abs(record["llf"])
    assert fit.llf == pytest.approx(record["llf"], rel=1e-9)
    # Columns are in another order in R where numbers and factors mix.
    order, own = np.argsort(record["beta"]), np.argsort(fit.params.to_numpy())
    wanted, errors = np.array(record["beta"])[order], np.array(record["se"])[order]
    assert (fit.params.to_numpy()[own] - wanted) / errors == pytest.approx(0.0, abs=2e-4)
    if "sds" in record:
        (group,) = fit.varcorr.groups
        shown = np.sqrt(np.diag(group.covariance))
        assert shown == pytest.approx(record["sds"], rel=1e-4, abs=2e-5)
        return
    natural = dict(zip(fit.estimates.natural.names, fit.estimates.natural.values, strict=True))
    natural["Residual.Phi"] = natural.get("Residual.rho", np.exp(-natural.get("Residual.rate", 0)))
    assert natural["Residual.sd"] == pytest.approx(record["sigma"], rel=1e-5)
    for name, value in record["parameters"].items():
        assert natural[NAMES.get(name, f"Residual.{name}")] == pytest.approx(value, rel=1e-4)
