"""Meta-analysis against metafor 3.8.1 and dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

from statsmodels_mixed import MetaAnalysis, meta
from statsmodels_mixed.errors import DataError, FormulaError, OptionError

# BCG vaccine trials (Colditz et al. 1994): tuberculosis positive and negative among the vaccinated
# and the control group, absolute latitude.
BCG = pd.DataFrame(
    [
        *[(4, 119, 11, 128, 44), (6, 300, 29, 274, 55), (3, 228, 11, 209, 42)],
        *[(62, 13536, 248, 12619, 52), (33, 5036, 47, 5761, 13), (180, 1361, 372, 1079, 44)],
        *[(8, 2537, 10, 619, 19), (505, 87886, 499, 87892, 13), (29, 7470, 45, 7232, 27)],
        *[(17, 1699, 65, 1600, 42), (186, 50448, 141, 27197, 18), (5, 2493, 3, 2338, 33)],
        (27, 16886, 29, 17825, 33),
    ],
    columns=["a", "b", "c", "d", "ablat"],
)
BCG["yi"] = np.log((BCG.a / (BCG.a + BCG.b)) / (BCG.c / (BCG.c + BCG.d)))
BCG["vi"] = 1 / BCG.a - 1 / (BCG.a + BCG.b) + 1 / BCG.c - 1 / (BCG.c + BCG.d)

# Berkey et al. (1998): improvements of probing depth and attachment level in five trials, with
# their covariance matrices.
OUTCOMES = pd.DataFrame(
    {
        "trial": np.repeat(np.arange(1, 6), 2),
        "year": np.repeat([1983, 1982, 1979, 1987, 1988], 2),
        "outcome": ["PD", "AL"] * 5,
        "yi": [0.47, -0.32, 0.20, -0.60, 0.40, -0.12, 0.26, -0.31, 0.56, -0.39],
    }
)
COVARIANCES = [
    np.array([[a, c], [c, b]])
    for a, c, b in [
        (0.0075, 0.0030, 0.0077),
        (0.0057, 0.0009, 0.0008),
        (0.0021, 0.0007, 0.0014),
        (0.0029, 0.0009, 0.0015),
        (0.0148, 0.0072, 0.0304),
    ]
]


def half_logdet(found: MetaAnalysis) -> float:
    """What metafor adds to restricted log-likelihoods."""
    X = found.model.kept_design().X
    return float(np.linalg.slogdet(X.T @ X)[1]) / 2


def test_moderator() -> None:
    found = meta("yi", "vi", "~ ablat + (1 | study)", BCG.assign(study=range(13)))
    assert found.llf + half_logdet(found) == pytest.approx(-8.08732005827573, rel=1e-9)
    assert found.params.to_numpy() == pytest.approx([0.251468210006954, -0.0291017250116429], 1e-6)
    assert found.bse.to_numpy() == pytest.approx([0.249095396617645, 0.00719532722092874], 1e-6)
    assert found.tau2.to_numpy() == pytest.approx([0.0763479639559193], rel=1e-5)
    assert pytest.approx(30.7330900107493, rel=1e-10) == found.Q
    assert found.Q_df == 11
    statistic, df, _ = found.QM
    assert (statistic, df) == (pytest.approx(16.3582321470467, rel=1e-5), 1)
    assert pytest.approx(68.3912248383852, rel=1e-6) == found.I2
    adjusted = found.knapp_hartung()
    assert adjusted["se"].to_numpy() == pytest.approx(
        [0.283925283743889, 0.00820141741104984], 1e-6
    )
    assert adjusted["pvalue"].to_numpy() == pytest.approx(
        [0.394737072448152, 0.00456505154159], 1e-5
    )


def test_one_line() -> None:
    """Arrays, and each row a study; the interval is metafor's predict()."""
    found = meta(BCG["yi"], BCG["vi"])
    interval = found.prediction_interval().iloc[0]
    tau2 = float(found.tau2.iloc[0])
    assert interval["pi_upper"] - interval["mean"] == pytest.approx(
        1.959963984540054 * np.sqrt(found.bse.iloc[0] ** 2 + tau2), rel=1e-10
    )
    # Published (Viechtbauer 2010): -0.7145, tau2 0.3132, I2 92.22, Q 152.2330.
    assert [found.params.iloc[0], tau2, found.I2, found.Q] == pytest.approx(
        [-0.7145, 0.3132, 92.22, 152.2330], rel=2e-4
    )
    assert "Q of heterogeneity" in str(found.summary())
    assert "13 estimates" in repr(found)


def test_two_outcomes() -> None:
    formula = "~ 0 + outcome + (0 + outcome | trial)"
    found = meta("yi", V=COVARIANCES, formula=formula, data=OUTCOMES, reml=False)
    assert found.Q_df == 8
    # Published by REML (metafor's page of this analysis): 0.0327, 0.0117.
    restricted = meta("yi", V=block_diag(*COVARIANCES), formula=formula, data=OUTCOMES)
    assert restricted.tau2.to_numpy() == pytest.approx([0.0327, 0.0117], abs=6e-5)
    assert restricted.params.to_numpy() == pytest.approx([-0.3392, 0.3534], abs=6e-5)
    assert found.llf == pytest.approx(
        dense(OUTCOMES, found, COVARIANCES, {"trial": None}, reml=False), rel=1e-9
    )


def dense(
    data: pd.DataFrame,
    found: MetaAnalysis,
    blocks: list[np.ndarray],
    groups: dict[str, Any],
    reml: bool,
) -> float:
    """The log-likelihood at the estimates, by the n x n covariance of the estimates."""
    design = found.model.kept_design()
    V = block_diag(*blocks)
    for block in design.blocks:
        where = [b.name for b in found.fit.layout.blocks].index(block.name)
        T = found.fit.estimates.factors[where]
        T = T if len(T) == block.z.shape[1] else T[:1, :1]
        V = V + (block.refs[:, None] == block.refs) * (block.z @ T @ T.T @ block.z.T)
    X, y = design.X, design.y
    VX = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ VX, VX.T @ y)
    dof = len(y) - X.shape[1] * reml
    value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + dof * np.log(2 * np.pi)
    return float(-(value + (np.linalg.slogdet(X.T @ VX)[1] if reml else 0.0)) / 2)


@pytest.mark.parametrize("reml", [False, True])
def test_estimates_within_studies(reml: bool) -> None:
    """Effects of each estimate, within blocks of V of different sizes, beside those of studies."""
    rng = np.random.default_rng(2)
    sizes = [4, 1, 3, 5, 2, 4, 3, 6, 2, 3]
    study = np.repeat(np.arange(len(sizes)), sizes)
    blocks = []
    for size in sizes:
        sd = rng.uniform(0.1, 0.4, size)
        blocks.append(np.outer(sd, sd) * (0.6 + 0.4 * np.eye(size)))
    data = pd.DataFrame({"study": study, "row": np.arange(len(study)), "x": rng.normal(size=33)})
    V = block_diag(*blocks)
    data["yi"] = 0.3 + 0.2 * data.x + rng.multivariate_normal(np.zeros(33), V)
    data["yi"] += (0.4 * rng.normal(size=10))[study] + 0.3 * rng.normal(size=33)
    formula = "~ x + (1 | study/row)"
    found = meta("yi", V=blocks, formula=formula, data=data, reml=reml)
    assert found.llf == pytest.approx(dense(data, found, blocks, {}, reml), rel=1e-9)
    assert (found.tau2 > 1e-3).all()
    whole = found.I2_by_group
    assert whole.sum() == pytest.approx(found.I2, rel=1e-12)
    # The gradient vanishes: no small change of a variance makes the likelihood larger.
    for scale in (0.98, 1.02):
        for i in range(2):
            factors = list(found.fit.estimates.factors)
            factors[i] = factors[i] * scale
            moved = meta("yi", V=blocks, formula=formula, data=data, reml=reml)
            object.__setattr__(moved.fit.estimates, "factors", tuple(factors))
            assert dense(data, moved, blocks, {}, reml) < found.llf
    # A diagonal V is that of variances.
    independent = meta("yi", np.diag(V), formula, data, reml=reml)
    diagonal = meta("yi", V=np.diag(np.diag(V)), formula=formula, data=data, reml=reml)
    assert diagonal.llf == pytest.approx(independent.llf, rel=1e-10)
    assert pytest.approx(independent.Q, rel=1e-10) == diagonal.Q
    assert pytest.approx(independent.I2, rel=1e-5) == diagonal.I2


def test_third_robust_covariance_is_the_jackknife() -> None:
    """The sum of squares of what leaving a cluster out does to generalized least squares."""
    formula = "~ 0 + outcome + (0 + outcome | trial)"
    found = meta("yi", V=COVARIANCES, formula=formula, data=OUTCOMES)
    T = found.fit.estimates.factors[0]
    order = [found.fit.fixefnames.index(f"outcome[{name}]") for name in ("PD", "AL")]
    S = (T @ T.T)[np.ix_(order, order)]  # Rows of a trial are PD, AL.
    inverse = [np.linalg.inv(V + S) for V in COVARIANCES]
    y = OUTCOMES["yi"].to_numpy().reshape(5, 2)
    total = sum(inverse)
    right = [W @ each for W, each in zip(inverse, y, strict=True)]
    estimate = np.linalg.solve(total, sum(right))
    left_out = [
        np.linalg.solve(total - W, sum(right) - r) - estimate
        for W, r in zip(inverse, right, strict=True)
    ]
    expected = np.sqrt(np.sum(np.square(left_out), axis=0))[order]
    for clusters in ("trial", OUTCOMES["trial"], OUTCOMES["trial"].to_numpy() * 3.0):
        table = found.robust(clusters, "CR3")
        assert table["se"].to_numpy() == pytest.approx(expected, rel=1e-9)
    assert table["coef"].to_numpy() == pytest.approx(estimate[order], rel=1e-9)
    assert (table["df"] < 4).all()
    with pytest.raises(OptionError, match="occur in several clusters"):
        found.robust("outcome")


def test_header_says_how_levels_are_related() -> None:
    A = pd.DataFrame(0.2 + 0.8 * np.eye(13), index=range(13), columns=range(13))
    data = BCG.assign(study=range(13), trial=range(13))
    related = {"relationship": {"study": A}}
    found = meta("yi", "vi", "~ 1 + (1 | study) + (1 | trial)", data, **related)
    text = str(found.summary())
    assert "Levels of study: 13, by relationship" in " ".join(text.split())
    with pytest.raises(OptionError, match="by clusters"):
        found.robust("study")


def test_missing_estimates() -> None:
    data = OUTCOMES.copy()
    data.loc[3, "yi"] = np.nan
    formula = "~ 0 + outcome + (1 | trial)"
    found = meta("yi", V=COVARIANCES, formula=formula, data=data)
    kept = np.delete(np.arange(10), 3)
    V = block_diag(*COVARIANCES)[np.ix_(kept, kept)]
    expected = meta("yi", V=V, formula=formula, data=data.drop(index=3))
    assert found.llf == pytest.approx(expected.llf, rel=1e-12)


def refuse(kind: type[Exception], match: str, *args: Any, **options: Any) -> None:
    with pytest.raises(kind, match=match):
        meta(*args, **options)


def test_refusals() -> None:
    refuse(OptionError, "give variance=", "yi", data=BCG)
    refuse(OptionError, "give variance=", "yi", "vi", data=BCG, V=np.eye(13))
    refuse(FormulaError, "right side only", "yi", "vi", "y ~ 1 + (1 | study)", BCG)
    refuse(
        FormulaError, r"add those of studies, such as \(1 \| study\)", "yi", "vi", "~ ablat", BCG
    )
    refuse(DataError, "no column 'y'", "y", "vi", data=BCG)
    refuse(DataError, "no column 'v'", "yi", "v", data=BCG)
    refuse(DataError, "must be positive", "yi", -BCG["vi"], data=BCG)
    refuse(DataError, "has shape", "yi", [1.0], data=BCG)
    refuse(DataError, "the data have 13", "yi", V=np.eye(3), data=BCG)
    refuse(DataError, "positive definite", "yi", V=np.ones((13, 13)), data=BCG)
    refuse(DataError, "not symmetric", "yi", V=np.tri(13), data=BCG)
    refuse(DataError, "must be square", "yi", V=np.ones((13, 2)), data=BCG)
    with pytest.raises(DataError, match="has moderators"):
        meta("yi", "vi", "~ ablat + (1 | study)", BCG.assign(study=range(13))).prediction_interval()
    crossing = OUTCOMES.assign(lab=[1, 2, 1, 2, 1, 2, 2, 1, 1, 2])
    options = {"V": COVARIANCES, "data": crossing}
    refuse(OptionError, "cut through blocks", "yi", formula="~ 1 + (1 | lab)", **options)


def test_estimates_and_variances_are_joined_by_their_labels():
    rng = np.random.default_rng(5)
    labels = [f"study {i}" for i in range(16)]
    x = pd.DataFrame({"x": rng.normal(size=16), "g": np.arange(16) // 4}, index=labels)
    mean = x["x"] + rng.normal(size=4)[x["g"]]
    estimate = pd.Series(mean + 0.4 * rng.normal(size=16), index=labels)
    variance = pd.Series(rng.uniform(0.01, 0.3, 16), index=labels)
    V = pd.DataFrame(np.diag(variance), index=labels, columns=labels)
    for at in range(0, 16, 4):  # estimates of a group share an error
        V.iloc[at : at + 4, at : at + 4] += 0.02

    def found(estimate, data, **known):
        return meta(estimate, formula="~ x + (1 | g)", data=data, **known)

    order = rng.permutation(labels)
    for name, known, other in (
        ("variance", variance, variance[order]),
        ("V", V, V.loc[order, order]),
    ):
        expected = found(estimate.to_numpy(), x.reset_index(), **{name: known.to_numpy()})
        for one, data, given in (
            (estimate[order], x, known), (estimate, x.loc[order], known), (estimate, x, other),
        ):  # fmt: skip
            again = found(one, data, **{name: given})
            np.testing.assert_allclose(again.params, expected.params, rtol=1e-7)
            np.testing.assert_allclose(again.llf, expected.llf, rtol=1e-9)
        with pytest.raises(DataError, match="lacks labels"):
            found(estimate.rename(lambda label: f"{label}x"), x, **{name: known})


def test_predictions_do_not_depend_on_the_origin_of_a_moderator():
    near = BCG.assign(study=range(13))
    both = [near, near.assign(ablat=near["ablat"] + 2**23)]
    found = [
        meta("yi", "vi", "~ ablat + (1 | study)", each).prediction_interval(each) for each in both
    ]
    np.testing.assert_allclose(found[1]["se"], found[0]["se"], rtol=1e-6)
