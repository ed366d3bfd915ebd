"""What follows a fit of data that were read by batches and needs no rows: as in memory."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError, OptionError

FORMULA = "y ~ x * f + (1 + x | g) + (1 | h)"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 2400
    g, h = rng.integers(0, 30, n), rng.integers(0, 12, n)
    data = pd.DataFrame({"g": g, "h": h, "x": rng.normal(size=n), "w": rng.uniform(0.5, 2, n)})
    data["f"] = rng.choice(["u", "v", "w"], n)
    a, b, c = rng.normal(size=30), 0.4 * rng.normal(size=30), rng.normal(size=12)
    data["y"] = 1 + data.x / 2 + 0.3 * (data.f == "v") + a[g] + b[g] * data.x + c[h]
    data["y"] += rng.normal(size=n) / np.sqrt(data.w)
    return data


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    where = tmp_path_factory.mktemp("after") / "data.parquet"
    pq.write_table(pa.Table.from_pandas(data), where)
    return where


@pytest.fixture(scope="module")
def fits(data, path):
    return [
        mixedlm2(FORMULA, each, weights="w", **options).fit()
        for each, options in ((data, {}), (path, {"batch_rows": 500}))
    ]


def numbers(table) -> np.ndarray:
    table = pd.DataFrame(table)
    return table.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)


NEW = pd.DataFrame({"x": [0.0, 1.0, 2.0], "f": ["u", "w", "v"], "g": [3, 4, 999], "h": [1, 2, 3]})

FOLLOWS = {
    "tidy": lambda fit: fit.tidy(),
    "glance": lambda fit: fit.glance(),
    "modes with errors": lambda fit: fit.ranef(se=True)["g"],
    "conditional variances": lambda fit: fit.condvar()["g"].reshape(-1, 4),
    "anova": lambda fit: fit.anova(),
    "drop1": lambda fit: fit.drop1(),
    "ranova": lambda fit: fit.ranova(),
    "profile": lambda fit: fit.profile(["beta", "theta", "sigma"]).conf_int(),
    "prediction": lambda fit: fit.get_prediction(
        NEW.assign(w=1.0), re=True, new_levels="population"
    ).summary_frame(),
    "variance inflation": lambda fit: fit.vif(),
    "tests of terms": lambda fit: fit.wald_test_terms(scalar=True).table.astype(float),
    "marginal means": lambda fit: fit.emmeans("f", at={"x": [0.5, 1]}).to_frame(),
    "means by weight": lambda fit: fit.emmeans("f", weights="proportional").to_frame(),
    "pairs": lambda fit: fit.t_test_pairwise("f").result_frame,
    "trends": lambda fit: fit.emtrends("f", "x").to_frame(),
    "joint tests": lambda fit: fit.joint_tests(),
    "covariances of parameters": lambda fit: fit.cov_params(),
}


@pytest.mark.parametrize("what", FOLLOWS)
def test_it_is_that_of_the_data_in_memory(what, fits):
    whole, streamed = (FOLLOWS[what](fit) for fit in fits)
    np.testing.assert_allclose(numbers(streamed), numbers(whole), rtol=1e-6, atol=1e-9)


def test_the_report_is_the_same(fits):
    whole, streamed = (str(fit.check()) for fit in fits)
    assert streamed == whole


def test_likelihoods_are_compared_over_the_same_rows(data, path, fits):
    whole, streamed = fits
    smaller = [fit.update(". ~ . - (1 + x | g) + (1 | g)").fit() for fit in fits]
    assert smaller[1].objective == pytest.approx(smaller[0].objective, rel=1e-11)
    ours, theirs = streamed.compare_lr_test(smaller[1]), whole.compare_lr_test(smaller[0])
    assert ours == pytest.approx(theirs, rel=1e-7)
    other = mixedlm2("y ~ x + (1 | g)", path, subset="x > 0").fit()
    with pytest.raises(OptionError, match="different rows"):
        streamed.compare_lr_test(other)
    with pytest.raises(OptionError, match="data in memory"):
        streamed.compare_lr_test(smaller[0])


def test_an_update_reads_the_data_again(data, path):
    fit = mixedlm2("y ~ x + (1 | g)", path, weights="w", subset="x > -1", batch_rows=500).fit()
    more = fit.update(". ~ . + f").fit()
    whole = mixedlm2("y ~ x + f + (1 | g)", data, weights="w", subset="x > -1").fit()
    assert more.nobs == whole.nobs
    assert more.objective == pytest.approx(whole.objective, rel=1e-11)
    here = fit.update(". ~ . + f", data).fit()
    assert here.objective == pytest.approx(
        mixedlm2("y ~ x + f + (1 | g)", data, weights="w").fit().objective, rel=1e-11
    )


def test_it_can_be_pickled(fits):
    again = pickle.loads(pickle.dumps(fits[1]))
    np.testing.assert_allclose(again.predict(NEW), fits[1].predict(NEW))
    np.testing.assert_allclose(again.condvar()["g"], fits[1].condvar()["g"])
    with pytest.raises(DataError, match="not saved with it"):
        again.write_parquet("nowhere.parquet")


def test_it_has_no_directory_of_its_own(fits, tmp_path):
    for fit in (fits[1], pickle.loads(pickle.dumps(fits[1]))):
        with pytest.raises(OptionError, match=r"has no to_dir\(\): save\(\) pickles it"):
            fit.to_dir(tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_damage_to_written_rows_is_found(path, tmp_path):
    written = mixedlm2(FORMULA, path, weights="w").fit().write_parquet(tmp_path / "fitted.parquet")
    content = bytearray(written.read_bytes())
    content[len(content) // 2] ^= 1
    written.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(written, page_checksum_verification=True).read()


def test_without_data_it_predicts(fits, path):
    fit = mixedlm2(FORMULA, path, weights="w").fit()
    fit.remove_data()
    np.testing.assert_allclose(fit.predict(NEW), fits[0].predict(NEW), rtol=1e-8)
    with pytest.raises(DataError):
        fit.condvar()


def test_marginal_means_count_levels_and_average_numbers(data, tmp_path):
    data = data.assign(
        late=(np.arange(len(data)) > 2300) * 1.0,  # no second value in the first batches
        many=np.minimum(np.arange(len(data)) // 1100, 2) * 1.0,
        kind=pd.Categorical(data.f, ["w", "v", "u"]),
        sure=data.x > 0.3,
    )
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "data.parquet", row_group_size=300)
    formula = "y ~ w + many + late + kind * sure + offset(w / 4) + (1 | g)"
    whole = mixedlm2(formula, data, offset="x").fit()
    fit = mixedlm2(formula, tmp_path / "data.parquet", offset="x", batch_rows=300).fit()
    for options in ({}, {"weights": "proportional"}, {"at": {"many": 1.0}}):
        ours, theirs = (
            each.emmeans("kind", by="sure", **options).to_frame() for each in (fit, whole)
        )
        assert ours.kind.astype(str).tolist() == theirs.kind.astype(str).tolist()
        np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-7)
    labels = mixedlm2("y ~ C(h) + C(f, Sum) + (1 | g)", tmp_path / "data.parquet").fit()
    theirs = mixedlm2("y ~ C(h) + C(f, Sum) + (1 | g)", data).fit()
    for spec in ("h", "f"):
        np.testing.assert_allclose(
            numbers(labels.emmeans(spec, weights="proportional").to_frame()),
            numbers(theirs.emmeans(spec, weights="proportional").to_frame()),
            rtol=1e-7,
        )
    positive = mixedlm2("y ~ C(x > 0) + (1 | g)", tmp_path / "data.parquet").fit()
    with pytest.raises(DataError, match=r"'C\(x > 0\)' cannot be counted"):
        positive.emmeans("C(x > 0)")
    with pytest.raises(OptionError, match="no functions"):
        fit.emmeans("kind", at={"w": np.median})


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", ["y ~ x * f + (1 | g)", "y ~ f * k + x + (1 | g)"])
def test_terms_of_data_that_are_sorted_by_a_factor(data, tmp_path, formula, weights):
    # The first rows say nothing of the slopes and cells of later levels, which types I and II
    # weigh by how often they occur: the rows were too few, and their frequencies the wrong ones.
    data = data.assign(k=np.where(data.x + 0.3 * data.h > 0.5, "p", "q")).sort_values("f")
    pq.write_table(pa.Table.from_pandas(data, preserve_index=False), tmp_path / "data.parquet")
    whole = mixedlm2(formula, data, weights=weights).fit()
    fit = mixedlm2(formula, tmp_path / "data.parquet", weights=weights, batch_rows=300).fit()
    for typ in (1, 2, 3):
        np.testing.assert_allclose(
            numbers(fit.anova(typ=typ)), numbers(whole.anova(typ=typ)), rtol=1e-6
        )
