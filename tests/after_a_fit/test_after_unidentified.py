"""After a fit whose data do not determine all covariance parameters: NaN with a reason.

What is not NaN must be what two starts of the optimizer, which end at different points of the flat
directions, have in common.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import IdentificationWarning, OptionError
from statsmodels_mixed.inference import Bootstrap


def tanks() -> pd.DataFrame:
    random = np.random.default_rng(7)
    tank = np.repeat(np.arange(4), 10)
    data = pd.DataFrame({"tank": tank, "treat": np.array(list("ABCD"))[tank]})
    data["x"] = random.normal(size=40)
    data["y"] = 2 * random.normal(size=4)[tank] + random.normal(size=40)
    data["count"] = random.poisson(np.exp(0.5 + 0.3 * random.normal(size=4)[tank]))
    return data


def groups() -> pd.DataFrame:
    random = np.random.default_rng(2)
    data = pd.DataFrame({"p": np.repeat(np.arange(24), 4)})
    data["f"] = data["p"] % 2
    scale = np.where(data["f"] == 1, 2.0, 1.0)
    data["y"] = data["f"] + scale * random.normal(size=24)[data["p"]] + random.normal(size=96)
    return data


CONFOUNDED = ("y ~ treat + (1 | tank)", tanks, [[0.5], [5.0]])
ONE_GROUPING = ("y ~ x + (1 | tank) + (1 | treat)", tanks, [[1.0, 1.0], [2.0, 0.1]])
PROPERTY = ("y ~ f + (1 + f | p)", groups, [[1.0, -0.9, 1.5], [0.5, 1.5, 0.1]])
MODELS = pytest.mark.parametrize(
    ("formula", "data", "starts"),
    [CONFOUNDED, ONE_GROUPING, PROPERTY],
    ids=["confounded", "one grouping", "property of groups"],
)


def silent(call: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def two_fits(formula: str, data: Any, starts: list[list[float]]) -> list[Any]:
    model = smf.mixedlm2(formula, data())
    return [silent(lambda start=start: model.fit(reml=True, start=start)) for start in starts]


@MODELS
@pytest.mark.parametrize(
    "after",
    [
        lambda fit: fit.profile().conf_int(),
        lambda fit: np.isnan(fit.bootstrap(9, seed=1).frame),  # the draws themselves differ
        lambda fit: fit.influence().sd,
        lambda fit: fit.influence().theta,
        lambda fit: fit.influence().summary_frame(),
        lambda fit: fit.cooks_distance(),
        lambda fit: np.concatenate([part.ravel() for part in fit.condvar().values()]),
        lambda fit: np.concatenate([part.sdev for part in fit.re_pca().values()]),
    ],
    ids=[
        "profile",
        "bootstrap",
        "sd",
        "theta",
        "influence",
        "cook",
        "condvar",
        "pca",
    ],
)
def test_numbers_do_not_depend_on_the_start(
    formula: str, data: Any, starts: list[list[float]], after: Any
) -> None:
    one, other = (
        np.asarray(silent(lambda fit=fit: after(fit)), dtype=float)
        for fit in two_fits(formula, data, starts)
    )
    assert_allclose(one, other, rtol=2e-4, atol=1e-6, equal_nan=True)


def test_the_reason_is_said_and_other_parameters_stay(tmp_path: Any) -> None:
    fit = two_fits(*PROPERTY)[0]
    replicates = fit.bootstrap(9, seed=1)
    replicates.save(tmp_path / "replicates.arrow")
    for each in (fit.profile(), replicates, Bootstrap.restore(tmp_path / "replicates.arrow")):
        with pytest.warns(IdentificationWarning, match=r"sd p\.f, .* NaN"):
            table = each.conf_int()
        known = table.notna().all(axis=1)
        assert known["sd", "p.Intercept"] and known["beta", "f"] and known["sigma", ""]
        assert not known["sd", "p.f"] and not known["corr", "p.f.Intercept"]
    with pytest.raises(OptionError, match="no profile"):
        fit.profile("sd")["sd", "p.f"]


def test_profiles_of_nothing_determined() -> None:
    fit = two_fits(*CONFOUNDED)[0]
    profile = fit.profile("sd")
    assert not profile.curves and profile.frame.empty
    with pytest.warns(IdentificationWarning, match="sd tank"):
        assert profile.conf_int().isna().all(axis=None)


def test_a_hypothesized_theta_gives_intervals_of_the_coefficients() -> None:
    fit = two_fits(*CONFOUNDED)[0]
    table = silent(fit.bootstrap(9, seed=1, theta=[0.3]).conf_int)
    assert table.loc["beta"].notna().all(axis=None)
    assert table.loc["sd"][["lower", "upper"]].isna().all(axis=None)


def test_power() -> None:
    fit = two_fits(*CONFOUNDED)[0]
    with pytest.raises(OptionError, match="do not determine"):
        fit.power(3, seed=1)
    fit = silent(smf.mixedlm2("y ~ treat + x + (1 | tank)", tanks()).fit)
    with pytest.warns(IdentificationWarning, match=r"treat\[T\.B\]"):
        table = fit.power(3, seed=1).table()
    assert np.isfinite(table["power"]["x"]) and np.isnan(table["power"]["treat[T.B]"])


def test_generalized() -> None:
    fit = silent(
        smf.mixedglm2("count ~ x + (1 | tank) + (1 | treat)", tanks(), family="poisson").fit
    )
    table = silent(fit.profile(["beta", "sd"]).conf_int)
    assert table.loc["beta"].notna().all(axis=None) and table.loc["sd"].isna().all(axis=None)
    assert silent(fit.bootstrap(5, seed=1).conf_int).loc["sd"]["lower"].isna().all()
