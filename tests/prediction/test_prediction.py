"""Predictions: lme4's numbers, Henderson's equations by dense matrices, closed forms, quantiles."""

from __future__ import annotations

import pickle
import warnings
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from glmm_oracle import Model
from numpy.testing import assert_allclose, assert_array_equal
from oracle import Term
from reference import load
from scipy import integrate, stats
from small_models import fit, fit_shipped
from statsmodels.genmod.families import links

from statsmodels_mixed import (
    DataError,
    LinearMixedModel,
    OptionError,
    RankWarning,
    SingularFitWarning,
    datasets,
)
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.frame.new_data import NewData
from statsmodels_mixed.prediction.new_response_quantiles import predictive_quantiles

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
Z95 = 1.959963984540054
EXACT = 1e-9


def sleepstudy() -> pd.DataFrame:
    return datasets.load("sleepstudy").assign(
        w=lambda d: 1.0 + d["days"] % 3,
        off=lambda d: 0.5 * d["days"] ** 2,
        twice=lambda d: 2.0 * d["days"],
    )


def tangled() -> pd.DataFrame:
    """Two factors of which most pairs do not occur, one with slopes, and a nested third."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 30, 150), rng.integers(0, 25, 150)
    x, e = rng.normal(size=(2, 150))
    modes, slopes, others = rng.normal(size=(3, 30))
    y = 2 + x + modes[a] + 0.6 * slopes[a] * x + 0.8 * others[b] + e
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b, "c": a % 7})


CASES: dict[str, tuple[str, Any, dict[str, Any], bool]] = {
    "sleep": (SLEEP, sleepstudy, {"weights": "w", "offset": "off"}, True),
    "dropped": ("reaction ~ days + twice + (1 | subj)", sleepstudy, {}, False),
    "pastes": ("strength ~ 1 + (1 | batch / cask)", lambda: datasets.load("pastes"), {}, False),
    "machines": (
        "score ~ machine + (1 + machine | worker)",
        lambda: datasets.load("machines"),
        {},
        True,
    ),
    "tangled": ("y ~ x + (1 + x | a) + (1 | b) + (1 | c)", tangled, {}, False),
    "diagonal": ("y ~ x + (1 + x || a) + (1 | b)", tangled, {}, True),
    "no mean": ("reaction ~ 0 + (0 + days | subj)", sleepstudy, {"offset": "off"}, False),
    "singular": ("yield ~ 1 + (1 | batch)", lambda: datasets.load("dyestuff2"), {}, False),
}


@cache
def fitted(name: str) -> Any:
    formula, data, options, reml = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return fit(formula, data(), options, reml=reml)


def shuffled(name: str, size: int = 40) -> pd.DataFrame:
    """New data whose levels come in other combinations than in the data of the fit."""
    rng = np.random.default_rng(3)
    data = CASES[name][1]()
    drawn = [data[column].sample(size, replace=True, random_state=rng) for column in data]
    new = pd.concat([column.reset_index(drop=True) for column in drawn], axis=1)
    for part in fitted(name).model.frame.random:
        # a nested factor keeps the observed pairs, which are all there is of it
        rows = data.sample(size, replace=True, random_state=rng)
        new[list(part.factors)] = rows[list(part.factors)].to_numpy()
    if "twice" in new:  # nothing is known of rows in which it is not
        new["twice"] = 2 * new["days"]
    return new


def dense(result: Any) -> tuple[np.ndarray, ...]:
    """X, Z, Sigma / sigma^2 and V / sigma^2 of the fit."""
    design, estimates = result.model.design, result.estimates
    n = len(design.y)
    weights = np.ones(n) if design.weights is None else design.weights
    parts, sigmas = [], []
    for block, T in zip(design.blocks, estimates.factors, strict=True):
        parts.append(Term(len(block.levels), block.refs, block.z, block.pattern).matrix())
        sigmas.append(np.kron(np.eye(len(block.levels)), T @ T.T))
    Z, Sigma = np.hstack(parts), sum_of_blocks(sigmas)
    return design.X[:, estimates.columns], Z, Sigma, Z @ Sigma @ Z.T + np.diag(1 / weights)


def sum_of_blocks(blocks: list[np.ndarray]) -> np.ndarray:
    size = sum(map(len, blocks))
    out, at = np.zeros((size, size)), 0
    for block in blocks:
        out[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return out


def row_of_z(result: Any, new: pd.DataFrame, masks: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Z of new rows for levels of the fit, and z'Sigma z / sigma^2 of the levels it lacks."""
    rows = NewData.of_table(new, result.model.frame)
    parts, unseen = [], np.zeros(len(new))
    for i, (block, T) in enumerate(
        zip(result.model.design.blocks, result.estimates.factors, strict=True)
    ):
        z, refs = rows.random(i) * masks[i], rows.levels(i).known
        part = np.zeros((len(new), len(block.levels), z.shape[1]))
        known = refs >= 0
        part[known, refs[known]] = z[known]
        unseen[~known] += np.einsum("ij,jk,ik->i", z[~known], T @ T.T, z[~known])
        parts.append(part.reshape(len(new), -1))
    return np.hstack(parts), unseen


def error_variance(
    result: Any, x: np.ndarray, z: np.ndarray, unseen: np.ndarray | float = 0.0
) -> np.ndarray:
    """Variance of the error of the best linear unbiased prediction of x'beta + z'b.

    From V alone (Searle, Casella and McCulloch 1992, section 7.4), not from Henderson's
    equations. A level that is not in the data only adds its own variance.
    """
    X, Z, Sigma, V = dense(result)
    cov = Z @ Sigma @ z.T  # Cov(y, z'b)
    M = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    rest = x - np.linalg.solve(V, cov).T @ X
    own = np.einsum("ij,jk,ik->i", z, Sigma, z)
    explained = np.einsum("ij,ij->j", cov, np.linalg.solve(V, cov))
    return result.scale * (own - explained + np.einsum("ij,jk,ik->i", rest, M, rest) + unseen)


def all_masks(result: Any) -> list[np.ndarray]:
    return [np.ones(len(block.names), dtype=bool) for block in result.model.design.blocks]


# Point predictions.


def test_predictions_are_those_of_lme4():
    record = next(r for r in load("inference") if r["type"] == "predict")
    result = fit_shipped("sleepstudy", reml=record["method"] == "REML")
    new = pd.DataFrame(
        {
            "days": record["newdata"]["Days"],
            "subj": [f"S{subject}" for subject in record["newdata"]["Subject"]],
        }
    )
    assert_allclose(result.predict(new), record["re_none"], rtol=1e-6)
    conditional = result.predict(new, re=True, new_levels="population")
    assert_allclose(conditional, record["re_all"], rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_rows_of_the_fit_are_predicted_alike_from_their_data(name):
    result, data = fitted(name), CASES[name][1]()
    assert_allclose(result.predict(data, re=True), result.fittedvalues, rtol=EXACT)
    assert_allclose(result.predict(data), result.predict(), rtol=EXACT)
    assert_array_equal(result.predict(re=True), result.fittedvalues)
    blocks = [block.name for block in result.layout.blocks]
    assert_allclose(result.predict(re=blocks), result.fittedvalues, rtol=EXACT)
    parts = [result.predict(re=block) - result.predict() for block in blocks]
    assert_allclose(result.predict() + sum(parts), result.fittedvalues, rtol=EXACT)


@pytest.mark.parametrize(
    ("written", "columns"),
    [
        ("(1 + x | a) + (1 | b) + (1 | c)", {"a": [0, 1], "b": [0], "c": [0]}),
        ("~ (x | a)", {"a": [0, 1]}),
        ("(1 | a)", {"a": [0]}),
        ("(0 + x | a)", {"a": [1]}),
        ("(0 + x | a) + (1 | c)", {"a": [1], "c": [0]}),
        ("(1 | b) + (x || a)", {"a": [0, 1], "b": [0]}),
        ("b", {"b": [0]}),
        (["b", "(0 + x | a)"], {"a": [1], "b": [0]}),
        ([], {}),
        (True, {"a": [0, 1], "b": [0], "c": [0]}),
        (np.bool_(False), {}),
    ],
    ids=str,
)
def test_random_effects_may_be_chosen(written, columns):
    result, data = fitted("tangled"), tangled()
    expected = result.predict().to_numpy()
    effects = {"Intercept": np.ones(len(data)), "x": data["x"].to_numpy()}
    for name, chosen in columns.items():
        modes = result.ranef()[name]
        for column in modes.columns[chosen]:
            expected = expected + effects[column] * modes.loc[data[name], column].to_numpy()
    assert_allclose(result.predict(re=written), expected, rtol=EXACT)
    assert_allclose(result.predict(data, re=written), expected, rtol=EXACT)


@pytest.mark.parametrize(
    "written", ["batch:cask", "cask & batch", "batch & cask", "(1|cask:batch)"]
)
def test_an_interaction_of_factors_has_several_names(written):
    result, data = fitted("pastes"), datasets.load("pastes")
    modes = result.ranef()["batch & cask"]["Intercept"]
    pairs = pd.MultiIndex.from_frame(data[["batch", "cask"]].astype(str))
    modes.index = modes.index.map(lambda pair: tuple(map(str, pair)))
    expected = result.predict() + modes.loc[pairs].to_numpy()
    assert_allclose(result.predict(data, re=written), expected, rtol=EXACT)
    both = result.predict(data, re="(1 | batch / cask)")
    assert_allclose(both, result.fittedvalues, rtol=EXACT)


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("tangled", "d", r"re='d' is not in the model, which has a, b, c"),
        ("tangled", "(1 | d)", r"which has \(1 \+ x \| a\), \(1 \| b\), \(1 \| c\)"),
        ("tangled", "(x | b)", r"re='\(x \| b\)' is not in the model"),
        ("tangled", "(1 | a:b)", "is not in the model"),
        ("sleep", "(1 + twice | subj)", "is not in the model"),
        ("machines", "(0 + machine | worker)", r"has \(1 \+ machine \| worker\)"),
        ("tangled", "(1 | a", "cannot be read"),
        ("tangled", "x + (1 | a)", "more than random-effects terms"),
        ("tangled", "0 + (1 | a)", "more than random-effects terms"),
        ("tangled", None, "re (is|must be) True, False"),
        ("tangled", 1, "re (is|must be) True, False"),
        ("tangled", ["a", 2], "re (is|must be) True, False"),
    ],
    ids=str,
)
def test_random_effects_that_are_not_in_the_model(name, written, message):
    for method in ("predict", "get_prediction"):
        with pytest.raises(OptionError, match=message):
            getattr(fitted(name), method)(re=written)


def test_categorical_effects_may_be_chosen():
    result, data = fitted("machines"), datasets.load("machines")
    modes = result.ranef()["worker"]
    base = result.predict().to_numpy() + modes["Intercept"].loc[data["worker"]].to_numpy()
    assert_allclose(result.predict(data, re="(1 | worker)"), base, rtol=EXACT)
    assert_allclose(
        result.predict(data, re="(1 | worker) + (machine | worker)"), result.fittedvalues
    )


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_only_columns_that_take_part_are_needed(engine, monkeypatch):
    import statsmodels.formula

    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", engine)
    data = tangled()
    result = smf.mixedlm2("np.exp(y / 9) ~ center(x) + (1 + x | a) + (1 | b:c)", data).fit()
    if engine == "patsy":
        slim = result.predict(data[["x", "a"]], re="(1 | a)")
        assert_allclose(slim, result.predict(re="(1 | a)"), rtol=EXACT)
    assert_allclose(result.predict(data[["x"]]), result.predict(), rtol=EXACT)
    by_pair = result.predict(data[["x", "b", "c"]], re="b & c")
    assert_allclose(by_pair, result.predict(re="b & c"), rtol=EXACT)
    some = data.iloc[:7][["x", "a"]]
    assert_allclose(result.predict(some, re="a"), result.predict(re="a")[:7], rtol=EXACT)
    for lacking in ("x", "a"):
        with pytest.raises(DataError, match=f"no column '{lacking}'"):
            result.predict(data[["x", "a", "b", "c"]].drop(columns=lacking), re="a")


def test_effects_whose_data_are_not_there_can_be_left_out():
    data = tangled().assign(v=np.linspace(-1, 1, 150))
    result = fit("y ~ 1 + (1 + x + v | a)", data)
    assert_allclose(result.predict(data[["a"]], re="(1 | a)"), result.predict(re="(1 | a)"))
    kept = result.predict(data[["a", "v"]], re="(1 + v | a)")
    assert_allclose(kept, result.predict(re="(1 + v | a)"))


def test_rows_with_missing_values():
    new = pd.DataFrame(
        {"x": [0.5, np.nan, 0.5, 0.5, 0.5], "a": [1, 1, np.nan, 1, 99], "b": [2, 2, 2, 2, 2]},
        index=list("pqrst"),
    )
    new["c"] = [1, 1, 1, None, 1]
    for how, absent in [("population", "q"), ("missing", "qrt")]:
        linear = fitted("tangled").predict(new, re=["a", "b"], new_levels=how)
        assert "".join(linear.index[linear.isna()]) == absent
        frame = fitted("tangled").get_prediction(new, re=["a", "b"], new_levels=how).summary_frame()
        assert "".join(frame.index[frame.isna().all(axis=1)]) == absent
        assert frame.notna().all(axis=1).sum() == 5 - len(absent)
    every = fitted("tangled").predict(new, re=True, new_levels="population")
    assert "".join(every.index[every.isna()]) == "q"
    # a missing value is a new level for the population only
    assert fitted("tangled").predict(new.iloc[:4], re=True).isna().sum() == 3
    with pytest.raises(DataError, match="1 row of the new data has levels of a that"):
        fitted("tangled").get_prediction(new, re=True)


def test_one_row_and_other_tables():
    result, data = fitted("tangled"), tangled()
    expected = result.fittedvalues.iloc[4]
    assert_allclose(result.predict(data.iloc[4], re=True), expected)
    assert_allclose(result.predict(dict(data.iloc[4:5]), re=True), expected)
    se = result.get_prediction(re=True).se_mean[4]
    assert_allclose(result.get_prediction(data.iloc[4], re=True).se_mean, se)
    weighted, row = fitted("sleep"), sleepstudy().iloc[2]
    expected = weighted.get_prediction(re=True).summary_frame().loc[2]
    assert_allclose(weighted.get_prediction(row, re=True).summary_frame().iloc[0], expected)


# Standard errors.


@pytest.mark.parametrize("name", CASES)
def test_errors_of_the_rows_of_the_fit_are_leverages(name):
    result, data = fitted(name), CASES[name][1]()
    weights = result.model.design.weights
    expected = result.scale * result.leverage() / (1.0 if weights is None else weights)
    of_fit = result.get_prediction(re=True)
    assert_allclose(of_fit.se_mean**2, expected, rtol=EXACT)
    assert_allclose(of_fit.predicted_mean, result.fittedvalues, rtol=EXACT)
    assert of_fit.summary_frame().index.equals(data.index)
    from_data = result.get_prediction(data, re=True)
    assert_allclose(from_data.se_mean**2, expected, rtol=EXACT)
    x, z = result.model.design.X[:, result.estimates.columns], dense(result)[1]
    assert_allclose(of_fit.se_mean**2, error_variance(result, x, z), rtol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_errors_for_levels_in_other_combinations(name):
    result, new = fitted(name), shuffled(name)
    z, unseen = row_of_z(result, new, all_masks(result))
    assert not unseen.any()
    x = result._transform_predict_exog(new)[0][:, result.estimates.columns]
    prediction = result.get_prediction(new, re=True)
    assert_allclose(prediction.se_mean**2, error_variance(result, x, z), rtol=1e-7)
    assert_allclose(prediction.predicted_mean, result.predict(new, re=True))


def test_errors_for_levels_not_seen():
    result, new = fitted("tangled"), shuffled("tangled")
    new.loc[::2, "a"] = 77
    new.loc[::3, "b"] = 78
    z, unseen = row_of_z(result, new, all_masks(result))
    x = result._transform_predict_exog(new)[0]
    prediction = result.get_prediction(new, re=True, new_levels="population")
    expected = error_variance(result, x, z, unseen)
    assert_allclose(prediction.se_mean**2, expected, rtol=1e-7)
    missing = result.get_prediction(new, re=True, new_levels="missing")
    assert_array_equal(np.isnan(missing.se_mean), unseen > 0)
    assert_allclose(missing.se_mean[unseen == 0] ** 2, expected[unseen == 0], rtol=1e-7)


@pytest.mark.parametrize(
    ("written", "kept"),
    [("(0 + x | a) + (1 | b)", [[0, 1], [1], [0]]), ("c", [[0, 0], [0], [1]])],
)
def test_errors_when_random_effects_are_left_out(written, kept):
    result, new = fitted("tangled"), shuffled("tangled")
    assert [block.name for block in result.layout.blocks] == ["a", "b", "c"]
    z, _ = row_of_z(result, new, [np.array(mask) for mask in kept])
    x = result._transform_predict_exog(new)[0]
    prediction = result.get_prediction(new, re=written)
    assert_allclose(prediction.se_mean**2, error_variance(result, x, z), rtol=1e-7)
    data = tangled()
    again = result.get_prediction(data, re=written).se_mean
    assert_allclose(result.get_prediction(re=written).se_mean, again, rtol=EXACT)


def test_many_rows_are_done_in_parts(monkeypatch):
    new = shuffled("tangled")
    new.loc[::4, "a"] = 77

    def frame() -> pd.DataFrame:
        prediction = fitted("tangled").get_prediction(new, re=True, new_levels="population")
        return prediction.summary_frame()

    whole, counts = frame(), generalized("counts").get_prediction(re=True).conf_int(obs=True)
    monkeypatch.setattr("statsmodels_mixed.fitting.mixed_model_equations._ROOM", 100)
    monkeypatch.setattr("statsmodels_mixed.prediction.new_response_quantiles._ROOM", 500)
    assert_allclose(frame(), whole, rtol=EXACT)
    assert_array_equal(generalized("counts").get_prediction(re=True).conf_int(obs=True), counts)


def test_a_balanced_one_way_layout():
    # k groups of n rows with known means: everything has a closed form.
    result = fit_shipped("dyestuff", reml=True)
    k, n, s2 = 6, 5, result.scale
    sa2 = float(result.cov_re.iloc[0, 0])
    kept = s2 / (n * sa2 + s2)  # 1 - shrinkage
    mean = (sa2 + s2 / n) / k
    new = pd.DataFrame({"batch": ["A", "Z"]})
    both = result.get_prediction(new, re=True, new_levels="population")
    assert_allclose(both.se_mean**2, [sa2 * kept + kept**2 * mean, mean + sa2], rtol=1e-7)
    assert_allclose(both.se_obs**2, both.se_mean**2 + s2, rtol=EXACT)
    fixed = result.get_prediction(new.iloc[:1])
    assert_allclose(fixed.se_mean**2, mean, rtol=1e-7)
    # A response at a new batch less the estimated mean has exactly this variance.
    assert_allclose(fixed.se_obs**2, mean + sa2 + s2, rtol=1e-7)
    half = Z95 * np.sqrt(mean + sa2 + s2)
    low, high = fixed.summary_frame()[["obs_ci_lower", "obs_ci_upper"]].iloc[0]
    assert_allclose([low, high], fixed.predicted_mean[0] + half * np.array([-1, 1]), rtol=1e-7)
    # and the same whether the new batch is named or left out
    named = both.summary_frame().loc[1, ["obs_ci_lower", "obs_ci_upper"]]
    assert_allclose(named, [low, high], rtol=1e-7)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_units_of_the_response_and_of_a_covariate(factor):
    data = tangled()
    formula = CASES["tangled"][0]
    scaled = fit(formula, data.assign(y=factor * data["y"], x=data["x"] / factor))
    new = shuffled("tangled")
    ours = scaled.get_prediction(new.assign(x=new["x"] / factor), re=True).summary_frame()
    theirs = fitted("tangled").get_prediction(new, re=True).summary_frame()
    assert_allclose(ours, factor * theirs, rtol=1e-5)


# Intervals of linear models.


@pytest.mark.parametrize("dof", [None, "residual", "satterthwaite", "kenward-roger"])
def test_a_mean_that_is_known(dof):
    """Without intercept the mean at zero is zero, for any coefficients."""
    data = datasets.load("sleepstudy")
    result = fit("reaction ~ 0 + days + (1 | subj)", data, reml=True, dof=dof)
    frame = result.get_prediction(pd.DataFrame({"days": [0, 2]})).summary_frame()
    assert_array_equal(frame.iloc[0, :4], 0.0)
    assert_allclose(frame.iloc[1, 2:4], 2 * result.conf_int().iloc[0], rtol=1e-12)


def test_labels_must_go_with_the_rows():
    result = fit_shipped("sleepstudy")
    with pytest.raises(OptionError, match="1 labels for 2 predicted rows"):
        result.get_prediction(pd.DataFrame({"days": [1, 2]}), row_labels=["a"])


def test_names_and_numbers_of_the_table():
    result = fitted("tangled")
    new = shuffled("tangled").set_index(pd.Index([f"row {i}" for i in range(40)]))
    prediction = result.get_prediction(new, re=True)
    frame = prediction.summary_frame(alpha=0.1)
    names = ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper"]
    assert list(frame.columns) == names
    assert frame.index.equals(new.index)
    q = stats.norm.ppf(0.95)
    assert_allclose(frame["mean_ci_lower"], frame["mean"] - q * frame["mean_se"])
    spread = np.sqrt(frame["mean_se"] ** 2 + result.scale)
    assert_allclose(frame["obs_ci_upper"], frame["mean"] + q * spread)
    assert_allclose(prediction.conf_int(obs=True, alpha=0.1), frame[names[4:]])
    renamed = result.get_prediction(new, row_labels=range(40)).summary_frame()
    assert renamed.index.tolist() == list(range(40))
    assert_allclose(pickle.loads(pickle.dumps(prediction)).summary_frame(alpha=0.1), frame)
    t, p = prediction.t_test(value=prediction.predicted_mean)
    assert_array_equal(t, 0.0)
    assert_array_equal(p, 1.0)


@pytest.mark.parametrize("re", [False, "b", "(0 + x | a)", True])
def test_a_new_response_has_new_levels_of_what_is_left_out(re):
    result, new = fitted("tangled"), shuffled("tangled")
    keep = {
        False: [[0, 0], [0], [0]], "b": [[0, 0], [1], [0]], "(0 + x | a)": [[0, 1], [0], [0]],
        True: [[1, 1], [1], [1]],
    }[re]  # fmt: skip
    extra = np.zeros(40)
    for block, T, mask in zip(result.layout.blocks, result.estimates.factors, keep, strict=True):
        effects = np.column_stack([np.ones(40), new["x"]])[:, : len(block.columns)]
        z = effects * (1 - np.array(mask))
        extra += result.scale * np.einsum("ij,jk,ik->i", z, T @ T.T, z)
    prediction = result.get_prediction(new, re=re)
    assert_allclose(prediction.se_obs**2, prediction.se_mean**2 + extra + result.scale)


def test_weights_of_new_responses():
    result = fitted("sleep")
    new = sleepstudy().head(4)
    by_name = result.get_prediction(new, re=True)
    expected = by_name.se_mean**2 + result.scale / np.array([1.0, 2.0, 3.0, 1.0])
    assert_allclose(by_name.se_obs**2, expected)
    assert_allclose(result.get_prediction(re=True).se_obs[:4] ** 2, expected)
    bare = new.drop(columns="w")
    for weights in ([1.0, 2.0, 3.0, 1.0], new["w"]):
        given = result.get_prediction(bare, re=True, weights=weights)
        assert_allclose(given.se_obs**2, expected)
    one = result.get_prediction(bare, re=True, weights=1)
    assert_allclose(one.se_obs**2, one.se_mean**2 + result.scale)
    other = result.get_prediction(bare.assign(v=2.0), re=True, weights="v")
    assert_allclose(other.se_obs**2, one.se_mean**2 + result.scale / 2)
    without = result.get_prediction(bare, re=True)
    assert list(without.summary_frame().columns)[-1] == "mean_ci_upper"
    for attempt in (lambda: without.conf_int(obs=True), lambda: without.se_obs):
        with pytest.raises(OptionError, match=r"no intervals for new responses: .* no column 'w'"):
            attempt()
    for bad, message in [([1.0], "has shape"), (0.0, "must be positive"), ("v", "no column 'v'")]:
        with pytest.raises(DataError, match=message):
            result.get_prediction(bare, weights=bad)
    with pytest.raises(DataError, match="weights of new rows must be positive"):
        result.get_prediction(new.assign(w=[1.0, 0.0, 1.0, 1.0]))
    with pytest.raises(OptionError, match="weights= is for new data"):
        result.get_prediction(weights=1)
    by_array = smf.mixedlm2(SLEEP, sleepstudy(), weights=sleepstudy()["w"].to_numpy()).fit()
    with pytest.raises(OptionError, match="the model has weights: give weights= for the new rows"):
        by_array.get_prediction(new).conf_int(obs=True)


def test_new_responses_need_the_columns_of_random_effects():
    data = tangled().assign(v=np.linspace(-1, 1, 150))
    result = fit("y ~ x + (1 + v | a) + (1 | b)", data)
    prediction = result.get_prediction(data[["x"]])
    assert "obs_ci_lower" not in prediction.summary_frame()
    with pytest.raises(OptionError, match=r"no intervals for new responses: .* no column 'v'"):
        prediction.conf_int(obs=True)
    # the grouping factors themselves are not needed for a new level
    assert "obs_ci_lower" in result.get_prediction(data[["x", "v"]]).summary_frame()
    matrix = result.get_prediction(np.ones((2, 2)), transform=False)
    with pytest.raises(OptionError, match="a model made from a formula"):
        matrix.conf_int(obs=True)


def test_models_made_from_arrays():
    data = tangled()
    X = np.column_stack([np.ones(150), data["x"]])
    result = LinearMixedModel(data["y"], X, {"a": data["a"], "b": data["b"]}, {"a": X}).fit()
    same = fit("y ~ x + (1 + x | a) + (1 | b)", data)
    for re in (False, True, "a"):
        ours, theirs = result.get_prediction(re=re), same.get_prediction(re=re)
        assert_allclose(ours.summary_frame(), theirs.summary_frame(), rtol=1e-6)
    with pytest.raises(OptionError, match="made from arrays has no terms"):
        result.predict(re="(1 | a)")
    with pytest.raises(OptionError, match="needs a model made from a formula"):
        result.predict(X[:3], re="a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha=0.0 is not possible"),
        ({"alpha": 95}, "alpha=95 is not possible"),
        ({"method": "profile"}, "method must be"),
        ({"method": "delta", "obs": True}, "leave it out with obs=True"),
    ],
    ids=str,
)
def test_impossible_options_of_intervals(options, message):
    with pytest.raises(OptionError, match=message):
        fitted("tangled").get_prediction().conf_int(**options)


def test_student_t_as_reference():
    data = datasets.load("sleepstudy")
    result = smf.mixedlm2(SLEEP, data).fit(dof="residual")
    frame = result.get_prediction(data.head(2), re=True).summary_frame()
    q = stats.t.ppf(0.975, result.df_resid)
    assert_allclose(frame["mean_ci_upper"], frame["mean"] + q * frame["mean_se"])


def test_errors_need_the_data_and_predictions_do_not():
    result = fit(CASES["tangled"][0], tangled())
    new = shuffled("tangled", 5)
    expected = result.predict(new, re="(1 | a)")
    result.remove_data()
    assert_array_equal(result.predict(new, re="(1 | a)"), expected)
    assert "obs_ci_upper" in result.get_prediction(new).summary_frame()
    for attempt in (
        lambda: result.get_prediction(new, re=True),
        lambda: result.get_prediction(re=True),
        lambda: result.predict(re="a"),
    ):
        with pytest.raises(DataError, match="removed"):
            attempt()


# Generalized models.


GENERALIZED: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "cbpp": (
        "incid / hsz ~ period + (1 | herd)",
        "cbpp",
        sm.families.Binomial(),
        {"weights": "hsz"},
    ),
    "probit": ("late ~ days + (1 | subj)", "sleepstudy", sm.families.Binomial(links.Probit()), {}),
    "counts": ("count ~ days + (1 + days | subj)", "sleepstudy", sm.families.Poisson(), {}),
    "ticks": (
        "ticks ~ year + (1 | brood) + (1 | location)",
        "grouseticks",
        sm.families.Poisson(),
        {},
    ),
    "negative": (
        "ticks ~ year + (1 | brood)",
        "grouseticks",
        sm.families.NegativeBinomial(alpha=1.0),
        {},
    ),
    "gamma": ("reaction ~ days + (1 | subj)", "sleepstudy", sm.families.Gamma(links.Log()), {}),
    "inverse": ("reaction ~ days + (1 | subj)", "sleepstudy", sm.families.Gamma(), {}),
}


def table(name: str) -> pd.DataFrame:
    data = datasets.load(GENERALIZED[name][1])
    if "reaction" in data:
        data["late"] = (data["reaction"] > 300).astype(float)
        data["count"] = np.rint(data["reaction"] / 40)
    return data


@cache
def generalized(name: str) -> Any:
    formula, _, family, options = GENERALIZED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return smf.mixedglm2(formula, table(name), family, **options).fit()


@pytest.mark.parametrize("name", GENERALIZED)
def test_errors_of_conditional_means_of_generalized_models(name):
    """The inverse of the joint curvature in beta and u at the modes, by dense matrices."""
    result, data = generalized(name), table(name)
    design, estimates = result.model.design, result.estimates
    terms = tuple(Term(len(b.levels), b.refs, b.z, b.pattern) for b in design.blocks)
    offset = 0.0 if design.offset is None else design.offset
    phi = 1.0 if name == "negative" else result.dispersion
    model = Model(terms, design.X, design.y, result.family, phi, design.weights, offset)
    ZL = model.z_lambda(estimates.theta)
    u = np.concatenate([part.reshape(-1) for part in estimates.u])
    _, _, expected, observed = model.rows(design.X @ estimates.beta + ZL @ u + offset)
    if name in ("cbpp", "counts", "ticks", "inverse"):  # canonical links
        assert_allclose(expected, observed, rtol=1e-8)
    A = np.hstack([design.X, ZL])
    penalty = np.r_[np.zeros(design.X.shape[1]), np.ones(ZL.shape[1])]
    inverse = np.linalg.inv((A.T * expected) @ A + np.diag(penalty))
    se = np.sqrt(np.einsum("ij,jk,ik->i", A, inverse, A))
    on_link = result.get_prediction(re=True, which="linear")
    assert_allclose(on_link.se_mean, se, rtol=1e-6)
    assert_allclose(result.get_prediction(data, re=True, which="linear").se_mean, se, rtol=1e-6)
    means = result.get_prediction(data, re=True)
    link = result.family.link
    assert_allclose(means.predicted_mean, result.fittedvalues)
    assert_allclose(means.se_mean, np.abs(link.inverse_deriv(on_link.predicted_mean)) * se)
    ends = link.inverse(on_link.predicted_mean + np.outer([-Z95, Z95], se))
    assert_allclose(means.conf_int(), np.sort(ends, axis=0).T)
    # without random effects in the row: the covariance of the coefficients
    fixed = np.sqrt(np.einsum("ij,jk,ik->i", design.X, result.cov_params(), design.X))
    assert_allclose(result.get_prediction(which="linear").se_mean, fixed, rtol=1e-7)


def test_new_levels_of_a_generalized_model():
    result = generalized("cbpp")
    new = table("cbpp").head(4).assign(herd="new")
    variance = float(result.cov_re.iloc[0, 0])
    ours = result.get_prediction(new, which="linear", re=True, new_levels="population")
    fixed = result.get_prediction(new, which="linear")
    assert_allclose(ours.predicted_mean, fixed.predicted_mean)
    assert_allclose(ours.se_mean**2, fixed.se_mean**2 + variance, rtol=1e-7)
    # so a response of a new herd is the same, named or left out
    assert_allclose(
        result.get_prediction(new, re=True, new_levels="population").conf_int(obs=True),
        result.get_prediction(new).conf_int(obs=True),
    )


@pytest.mark.parametrize("how", [{"n_agq": 9}, {"fast": True}, {"hessian": "observed"}], ids=str)
def test_errors_after_other_approximations(how):
    """Those of the joint curvature at the theta and beta that were found."""
    formula, _, family, _ = GENERALIZED["probit"]
    result = smf.mixedglm2(formula, table("probit"), family).fit(**how)
    design, estimates = result.model.design, result.estimates
    block = design.blocks[0]
    model = Model(
        (Term(18, block.refs, block.z, block.pattern),), design.X, design.y, result.family
    )
    u, _, ZL = model.modes(estimates.theta, estimates.beta)
    expected = model.rows(design.X @ estimates.beta + ZL @ u)[2]
    A = np.hstack([design.X, ZL])
    inverse = np.linalg.inv((A.T * expected) @ A + np.diag(np.r_[0.0, 0.0, np.ones(18)]))
    se = result.get_prediction(re=True, which="linear").se_mean
    assert_allclose(se**2, np.einsum("ij,jk,ik->i", A, inverse, A), rtol=1e-6)


def test_limits_outside_of_the_range_of_a_link():
    result = smf.mixedglm2(
        "reaction ~ days + (1 | subj)", table("gamma"), sm.families.Gamma()
    ).fit()
    new = pd.DataFrame({"days": [1.0, 1e3, -300.0]})
    linear = result.get_prediction(new, which="linear").conf_int()
    ends = result.get_prediction(new).conf_int()
    assert_array_equal(np.isnan(ends), linear <= 0)
    assert np.isnan(ends).any()
    assert ends[0, 0] < ends[0, 1]


# New responses of generalized models.


def given_eta(family: str, phi: float, w: float) -> Any:
    """Distribution of a response, in units 1 / w where it is discrete, given its mean."""
    return {
        "gaussian": lambda mu: stats.norm(mu, np.sqrt(phi / w)),
        "binomial": lambda mu: stats.binom(int(w), mu),
        "poisson": lambda mu: stats.poisson(w * mu),
        "gamma": lambda mu: stats.gamma(w / phi, scale=mu * phi / w),
        "inverse_gaussian": lambda mu: stats.invgauss(mu * phi / w, scale=w / phi),
        "negative_binomial": lambda mu: stats.nbinom(1 / phi, 1 / (1 + phi * mu)),
    }[family]


@pytest.mark.parametrize(
    ("family", "link", "phi", "w"),
    [
        ("gaussian", "log", 0.3, 2.0),
        ("binomial", "logit", 1.0, 1.0),
        ("binomial", "cloglog", 1.0, 30.0),
        ("poisson", "log", 1.0, 1.0),
        ("poisson", "log", 1.0, 3.0),
        ("gamma", "log", 0.01, 2.0),
        ("gamma", "log", 2.0, 1.0),
        ("inverse_gaussian", "log", 0.2, 1.0),
        ("negative_binomial", "log", 0.7, 1.0),
    ],
)
@pytest.mark.parametrize(("linear", "sd"), [(0.3, 0.8), (2.0, 0.05), (-1.0, 2.0)])
def test_quantiles_of_new_responses(family, link, phi, w, linear, sd):
    spec = FamilySpec(family, link, 1.0, family not in ("binomial", "poisson"))
    g = {"log": links.Log(), "logit": links.Logit(), "cloglog": links.CLogLog()}[link]
    distribution = given_eta(family, phi, w)

    def cdf(y: float) -> float:
        def integrand(x: float) -> float:
            return float(stats.norm.pdf(x) * distribution(g.inverse(linear + sd * x)).cdf(y))

        breaks = np.linspace(-8, 8, 9)
        return sum(
            integrate.quad(integrand, a, b, epsabs=1e-9, epsrel=1e-8)[0]
            for a, b in pairwise(breaks)
        )

    probabilities = (0.025, 0.975)
    found = predictive_quantiles(
        spec, phi, np.array([linear]), np.array([sd]), np.array([w]), probabilities
    )[0]
    for y, p in zip(found, probabilities, strict=True):
        if family in ("binomial", "poisson", "negative_binomial"):
            count = y if family == "negative_binomial" else y * w
            assert abs(count - round(count)) < 1e-9
            assert cdf(round(count) - 1) < p <= cdf(round(count)) + 1e-7
        else:
            assert abs(cdf(y) - p) < 1e-6


def test_quantiles_where_they_have_a_closed_form():
    normal = FamilySpec("gaussian", "identity", 1.0, True)
    linear, sd, w = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 40.0]), np.array([1.0, 2.0, 0.5])
    found = predictive_quantiles(normal, 2.0, linear, sd, w, (0.025, 0.5, 0.9))
    spread = np.sqrt(sd**2 + 2.0 / w)
    expected = linear[:, None] + np.outer(spread, stats.norm.ppf([0.025, 0.5, 0.9]))
    assert_allclose(found, expected, rtol=1e-9)
    # nearly no spread but that of the mean: log-normal
    narrow = FamilySpec("gamma", "log", 1.0, True)
    found = predictive_quantiles(narrow, 1e-4, linear, np.full(3, 0.7), np.ones(3), (0.1, 0.9))
    # a gamma of small phi is log-normal too, up to terms of order phi
    spread = np.sqrt(0.49 + 1e-4)
    expected = np.exp(linear[:, None] + spread * stats.norm.ppf([0.1, 0.9]))
    assert_allclose(found, expected, rtol=2e-4)
    # one trial: the probability of 1 is the mean of a probit, known exactly
    probit = FamilySpec("binomial", "probit")
    linear = np.array([-3.0, 0.0, 3.0, np.nan])
    found = predictive_quantiles(probit, 1.0, linear, np.full(4, 1.5), np.ones(4), (0.05, 0.95))
    chance = stats.norm.cdf(linear[:3] / np.sqrt(1 + 1.5**2))
    assert_array_equal(found[:3, 0], (chance > 0.95).astype(float))
    assert_array_equal(found[:3, 1], (chance > 0.05).astype(float))
    assert np.isnan(found[3]).all()


def test_means_that_are_not_possible_have_no_quantiles():
    inverse = FamilySpec("gamma", "power", -1.0, True)
    linear = np.array([0.5, -0.1, 0.0])
    found = predictive_quantiles(inverse, 0.1, linear, np.full(3, 0.01), np.ones(3), (0.1, 0.9))
    assert_array_equal(np.isnan(found).all(axis=1), [False, True, True])
    assert 1.0 < found[0, 0] < 2.0 < found[0, 1] < 4.0


@pytest.mark.parametrize("link", ["identity", "inverse", "sqrt"])
@pytest.mark.parametrize(("linear", "sd"), [(3.4, 1.7), (0.5, 0.4), (2.0, 0.55)])
def test_quantiles_where_the_distribution_of_the_mean_is_cut_off(link, linear, sd):
    """No mean belongs to a linear predictor below zero: the normal distribution ends there."""
    spec = {
        "identity": FamilySpec("gamma", "identity", 1.0, True),
        "inverse": FamilySpec("gamma", "power", -1.0, True),
        "sqrt": FamilySpec("gamma", "power", 0.5, True),
    }[link]
    power = {"identity": 1.0, "inverse": -1.0, "sqrt": 2.0}[link]

    def integral(function: Any) -> float:
        breaks = np.concatenate([[-linear / sd], np.arange(np.ceil(-linear / sd + 0.01), 9)])
        parts = [integrate.quad(function, a, b, epsabs=1e-9)[0] for a, b in pairwise(breaks)]
        return float(sum(parts))

    whole = stats.norm.sf(-linear / sd)
    found = predictive_quantiles(
        spec, 0.22, np.array([linear]), np.array([sd]), np.ones(1), (0.05, 0.95)
    )[0]
    for y, p in zip(found, (0.05, 0.95), strict=True):
        cdf = integral(
            lambda x, y=y: (
                stats.norm.pdf(x)
                * stats.gamma.cdf(y, 1 / 0.22, scale=(linear + sd * x) ** power * 0.22)
            )
        )
        assert_allclose(cdf / whole, p, atol=3e-4)


def test_intervals_of_new_responses_of_a_fit():
    result, data = generalized("cbpp"), table("cbpp")
    frame = result.get_prediction(data, re=True).summary_frame()
    counts = frame[["obs_ci_lower", "obs_ci_upper"]].mul(data["hsz"], axis=0)
    assert_allclose(counts, counts.round(), atol=1e-9)
    assert_allclose(result.get_prediction(re=True).summary_frame(), frame, rtol=1e-6)
    # given the mean exactly, the interval is that of the binomial
    eta = result.get_prediction(data, which="linear", re=True)
    wide = stats.binom.ppf(0.975, data["hsz"], frame["mean_ci_upper"])
    assert (counts["obs_ci_upper"] <= wide).all()
    assert len(eta.summary_frame().columns) == 4
    with pytest.raises(OptionError, match="not on the scale of the linear predictor"):
        eta.conf_int(obs=True)
    with pytest.raises(OptionError, match="not normal"):
        _ = result.get_prediction().se_obs
    one = result.get_prediction(data.drop(columns="hsz"), re=True, weights=1).summary_frame()
    assert set(np.unique(one[["obs_ci_lower", "obs_ci_upper"]])) <= {0.0, 1.0}
    half = result.get_prediction(data, weights=2.5)
    with pytest.raises(OptionError, match="not whole"):
        half.conf_int(obs=True)


def test_an_identity_link_has_normal_responses():
    data = datasets.load("sleepstudy")
    result = smf.mixedglm2(SLEEP, data, sm.families.Gaussian()).fit()
    same = smf.mixedlm2(SLEEP, data).fit()
    for re in (False, True):
        ours = result.get_prediction(data.head(), re=re).summary_frame()
        theirs = same.get_prediction(data.head(), re=re).summary_frame()
        assert_allclose(ours, theirs, rtol=1e-4)


def test_new_counts_with_an_identity_link():
    data = datasets.load("sleepstudy").assign(count=lambda d: np.rint(d["reaction"] / 10))
    family = sm.families.Poisson(links.Identity())
    result = smf.mixedglm2("count ~ days + (1 | subj)", data, family).fit()
    linear = result.get_prediction(re=True, which="linear")
    found = result.get_prediction(re=True).conf_int(obs=True, alpha=0.2)
    spec = FamilySpec("poisson", "identity")
    mean, se = linear.predicted_mean, linear.se_mean
    expected = predictive_quantiles(spec, 1.0, mean, se, np.ones(180), (0.1, 0.9))
    assert_array_equal(found, expected)
    assert_array_equal(linear.conf_int(obs=True, alpha=0.2), expected)
    assert np.mean((data["count"] >= found[:, 0]) & (data["count"] <= found[:, 1])) > 0.8


def test_offset_and_exposure_of_new_rows():
    data = table("ticks").assign(area=np.linspace(1, 2, 403))
    formula = "ticks ~ year + (1 | brood)"
    result = smf.mixedglm2(formula, data, sm.families.Poisson(), exposure="area").fit()
    few = data.head(3)
    ours = result.get_prediction(few, re=True).summary_frame()
    assert_allclose(ours, result.get_prediction(re=True).summary_frame().iloc[:3], rtol=1e-6)
    twice = result.get_prediction(few, re=True, exposure=2 * few["area"]).summary_frame()
    assert_allclose(twice["mean"], 2 * ours["mean"])
    assert_allclose(twice["mean_se"], 2 * ours["mean_se"])
    with pytest.raises(DataError, match=r"exposure= has shape \(2,\) for 3 new rows"):
        result.predict(few, exposure=[1.0, 2.0])
