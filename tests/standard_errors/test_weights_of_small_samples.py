"""Tests of weighted models, against lmerTest and pbkrtest.

lmerTest 3.1.3 takes weights: `contestMD` and `summary` of

    lmer(Reaction ~ Days + I(Days^2) + (Days | Subject), sleepstudy, weights = 0.5 + Days %% 4)

pbkrtest 0.5.2 takes no notice of them, and may say 720 degrees of freedom of 180 rows. Its numbers
are of the same model without weights, `KRmodcomp` with every column and the response times sqrt(w).
Both are as near as lme4's minimum is.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import datasets

# Standard errors, and degrees of freedom and F, relative to those of R.
COVARIANCE, TEST = 1e-5, 1e-4


@pytest.fixture(scope="module")
def data():
    sleep = datasets.load("sleepstudy")
    return sleep.assign(w=0.5 + sleep["days"] % 4)


def fitted(data, **how):
    return smf.mixedlm2(
        "reaction ~ days + I(days**2) + (days | subj)", data, weights="w"
    ).fit(reml=True, **how)  # fmt: skip


def test_satterthwaite(data):
    fit = fitted(data, dof="satterthwaite")
    table = fit.tidy().iloc[:3]
    np.testing.assert_allclose(
        table["std_error"], [9.1630466846, 3.4995895, 0.3316800568], COVARIANCE
    )
    np.testing.assert_allclose(table["df"], [35.52643189, 143.92890812, 143.00010491], TEST)
    np.testing.assert_allclose(table["pvalue"][1:], [0.02470735421, 0.4132390670], TEST)
    joint = fit.f_test(np.eye(3)[1:])
    assert joint.fvalue == pytest.approx(21.8376473, rel=TEST)
    assert joint.df_denom == pytest.approx(44.2134642, rel=TEST)


def test_kenward_roger(data):
    fit = fitted(data, dof="kenward-roger")
    np.testing.assert_allclose(
        fit.bse.iloc[:3], [9.1630466787, 3.4995895009, 0.3316800569], COVARIANCE
    )
    square = fit.tidy().iloc[2]
    assert square["df"] == pytest.approx(143, rel=TEST)
    assert square["pvalue"] == pytest.approx(0.4132390682, rel=TEST)
    joint = fit.f_test(np.eye(3)[1:])
    assert joint.fvalue == pytest.approx(21.47926722, rel=TEST)
    assert joint.df_denom == pytest.approx(39.81704244, rel=TEST)
    assert joint.pvalue == pytest.approx(4.703386118e-07, rel=1e-3)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_weights_are_roots_that_multiply_every_column(data, dof):
    root = np.sqrt(data["w"])
    alone = data.assign(
        y=root * data["reaction"], i=root, x=root * data["days"], s=root * data["days"] ** 2
    )
    one = fitted(data, dof=dof)
    other = smf.mixedlm2("y ~ 0 + i + x + s + (0 + i + x | subj)", alone).fit(reml=True, dof=dof)
    for column in ("estimate", "std_error", "df", "pvalue"):
        np.testing.assert_allclose(
            one.tidy()[column][:3].to_list(), other.tidy()[column][:3].to_list(), rtol=1e-6
        )
