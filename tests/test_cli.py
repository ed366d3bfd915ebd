"""The command line, run in this process; once also as a process of its own."""

import io
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from statsmodels_mixed import LinearMixedModel, datasets
from statsmodels_mixed.__main__ import main, read_table

SLEEP = "reaction ~ days + (days | subj)"


def run(capsys, *words):
    status = main(words)
    output = capsys.readouterr()
    return status, output.out, output.err


def test_fit_prints_the_summary_of_a_shipped_data_set(capsys):
    status, out, err = run(capsys, "fit", SLEEP, "sleepstudy")
    assert (status, err) == (0, "")
    # "Model constructors", fm2.
    for number in ("-875.9697", "1751.9393", "1763.9393", "1764.4249", "1783.0971", "251.405"):
        assert number in out


def test_reml(capsys):
    _, out, _ = run(capsys, "fit", "yield ~ 1 + (1 | batch)", "dyestuff", "--reml")
    assert "319.6543" in out  # "Model constructors", fm1reml: 319.65427684225943
    assert "fit by REML" in out


def test_degrees_of_freedom(capsys):
    _, out, _ = run(capsys, "fit", SLEEP, "sleepstudy", "--reml", "--dof", "satterthwaite")
    # lmerTest: 17 degrees of freedom, p of days 3.26e-06
    days = next(line for line in out.splitlines() if line.startswith("days "))
    assert days.split()[4:6] == ["17.0", "<1e-05"]


def test_weights_and_offset_name_columns(capsys, tmp_path):
    data = datasets.load("sleepstudy")
    data["w"], data["shift"] = 4.0, 100.0
    data.to_csv(tmp_path / "sleep.csv", index=False)
    path = str(tmp_path / "sleep.csv")
    _, plain, _ = run(capsys, "fit", SLEEP, "sleepstudy")
    _, weighted, _ = run(capsys, "fit", SLEEP, path, "--weights", "w")
    _, shifted, _ = run(capsys, "fit", SLEEP, path, "--offset", "shift")
    assert "-875.9697" in weighted  # equal weights leave the likelihood as it is
    assert "51.1836" in weighted  # twice the residual standard deviation 25.5918
    assert "151.405" in shifted and "151.405" not in plain


CONTRA = "use ~ 1 + age + I(age**2) + livch + urban + (1 | dist)"


@pytest.mark.parametrize(
    ("words", "deviance"),
    [
        ([], "2372.7286"),
        (["--fast"], "2372.7844"),
        (["--n-agq", "9"], "2372.4589"),
        (["--n-agq", "9", "--fast"], "2372.5136"),
        (["--link", "probit"], "2372.1645"),
    ],
)  # to two decimals on the page "Model constructors"; lme4 2.1 to four, but for fast quadrature
def test_generalized_models(capsys, words, deviance):
    status, out, err = run(capsys, "fit", CONTRA, "contra", "--family", "binomial", *words)
    assert (status, err) == (0, "")
    assert deviance in out and "Success:" in out


def test_trials_and_exposure_name_columns(capsys):
    herds = ["incid / hsz ~ period + (1 | herd)", "cbpp", "--family", "Binomial"]
    _, out, _ = run(capsys, "fit", *herds, "--weights", "hsz")
    assert "184.0526" in out  # lme4 2.1
    deaths = ["deaths ~ uvb + (1 | region)", "mmec", "--family", "poisson", "--link", "log"]
    _, out, _ = run(capsys, "fit", *deaths, "--exposure", "expected")
    assert "2250.3999" in out  # lme4 2.1


def test_families_whose_fits_have_fewer_options(capsys):
    # "fit has no option fast=" before, which nobody had given
    words = ["fit", "reaction ~ days + (1 | subj)", "sleepstudy", "--family"]
    status, out, _ = run(capsys, *words, "truncated_poisson")
    poisson = run(capsys, *words, "poisson")[1]
    assert status == 0
    # Zeros have a probability of exp(-200).
    assert "-948.8229" in out and "-948.8229" in poisson
    status, _, err = run(capsys, *words, "student_t", "--fast")
    assert status == 2
    assert err == "error: fit has no option fast=: only generalized models have it.\n"


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "stream.arrow"])
def test_files(capsys, tmp_path, kind):
    path = tmp_path / f"sleep.{kind}"
    data = datasets.load("sleepstudy")
    table = pa.Table.from_pandas(data)
    if kind == "csv":
        data.to_csv(path, index=False)
    elif kind == "parquet":
        data.to_parquet(path)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as writer:
            writer.write_table(table)
    status, out, _ = run(capsys, "fit", SLEEP, str(path))
    assert status == 0
    assert "1751.9393" in out


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_identifiers_of_64_bits_with_missing_ones_stay_apart(tmp_path, kind):
    """Floating-point numbers would make one group of the 18 subjects: 2^60 + 0, 1, ..., 17."""
    path = tmp_path / f"sleep.{kind}"
    data = datasets.load("sleepstudy")
    codes = data["subj"].astype("category").cat.codes
    identifiers = [None, *(2**60 + int(code) for code in codes[1:])]
    table = pa.table({"subj": pa.array(identifiers, pa.int64()), "reaction": data["reaction"]})
    if kind == "csv":
        pa.csv.write_csv(table, path)
    elif kind == "parquet":
        pa.parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    found = read_table(str(path))
    assert set(found["subj"].dropna()) == set(identifiers[1:])
    assert found["subj"].isna().sum() == 1
    groups = LinearMixedModel.from_formula("reaction ~ 1 + (1 | subj)", found).fit().ranef()["subj"]
    assert list(groups.index) == sorted(set(identifiers[1:]))


def test_datasets_are_listed_with_rows_and_columns(capsys):
    status, out, _ = run(capsys, "datasets")
    assert status == 0
    line = next(line for line in out.splitlines() if line.startswith("sleepstudy"))
    assert "180" in line and "subj, days, reaction" in line
    assert len(out.splitlines()) == len(datasets.names()) + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reaction ~ days + (days | subj", "sleepstudy"], "never closed"),
        (["reaction ~ days", "sleepstudy"], "no random-effects term"),
        (["reaction ~ dayz + (days | subj)", "sleepstudy"], "'dayz'"),
        ([SLEEP, "sleepstudie"], "did you mean 'sleepstudy'"),
        ([SLEEP, "nowhere.csv"], "no file nowhere.csv"),
        ([SLEEP, "sleepstudy", "--weights", "w"], "'w'"),
        (["subj ~ days + (1 | days)", "sleepstudy"], "labels"),
        ([SLEEP, "sleepstudy", "--link", "log"], "--link needs --family"),
        ([SLEEP, "sleepstudy", "--n-agq", "0"], "--n-agq needs --family"),
        ([SLEEP, "sleepstudy", "--fast"], "--fast needs --family"),
        ([SLEEP, "sleepstudy", "--exposure", "days"], "--exposure needs --family"),
        ([SLEEP, "sleepstudy", "--family", "gamma", "--reml"], "--reml is for linear"),
        ([SLEEP, "sleepstudy", "--family", "gamma", "--link", "probit"], "no link probit"),
        ([SLEEP, "sleepstudy", "--family", "normal"], "no family 'normal'"),
        ([CONTRA, "contra", "--family", "binomial", "--n-agq", "0"], "n_agq=0"),
    ],
)
def test_errors_are_one_message_and_status_two(capsys, words, message):
    status, out, err = run(capsys, "fit", *words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and message in err


def test_a_file_that_is_not_what_its_name_says(capsys, tmp_path):
    for name in ("data.parquet", "data.arrow", "data.csv"):
        path = tmp_path / name
        path.write_bytes(b"\x00\xff\x00\xfe")
        status, _, err = run(capsys, "fit", SLEEP, str(path))
        assert status == 2
        assert err.startswith("error: ") and len(err.splitlines()) == 1
    path = tmp_path / "data.xlsx"
    path.write_text("")
    status, _, err = run(capsys, "fit", SLEEP, str(path))
    assert status == 2 and "must end in" in err


ROWS = "y,x,g\n1,2,1\n2,1,1\n4,3,2\n5,3,2\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # pandas would fit the first of two columns, and call the second "x.1".
        (ROWS.replace("y,x,g", "y,x,x"), "more than one column 'x': rename"),
        # pandas would take 1, 2, 4, 5 for labels of rows, and x for the response.
        (ROWS.replace("y,x,g", "y,x"), "rows of more fields than its header has names"),
        (
            ROWS.replace(",", ";"),
            "a single column, 'y;x;g': its fields must be separated by commas",
        ),
        (ROWS.encode("utf-16"), "is not text in UTF-8"),
        (ROWS.encode("utf-16-le"), "is not text in UTF-8"),
        (ROWS.replace("x", "é").encode("latin-1"), "is not text in UTF-8"),
    ],
)
def test_csv_files_that_pandas_would_read_as_something_else(capsys, tmp_path, content, message):
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, out, err = run(capsys, "fit", "y ~ x + (1 | g)", str(path))
    assert (status, out) == (2, "")
    assert message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_two_columns_of_one_name_in_a_file(capsys, tmp_path, kind):
    path = tmp_path / f"data.{kind}"
    table = pa.table([pa.array([1.0, 2.0])] * 3, names=["y", "x", "x"])
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    status, _, err = run(capsys, "fit", "y ~ x + (1 | g)", str(path))
    assert status == 2 and "more than one column 'x': rename them" in err


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ROWS.encode())
    assert read_table(str(path)).columns.tolist() == ["y", "x", "g"]


def test_labels_of_large_files_are_text_in_all_rows_or_in_none(tmp_path):
    """pandas reads large files in parts: 7 of the first would be another level than "7"."""
    path = tmp_path / "data.csv"
    labels = [str(row % 20) for row in range(400_000)] + ["control"]
    path.write_text("g,y\n" + "".join(f"{label},0\n" for label in labels))
    found = read_table(str(path))["g"]
    assert found.nunique() == 21
    assert {type(label) for label in found.unique()} == {str}


def test_a_flipped_bit_of_a_parquet_file_with_checksums(capsys, tmp_path):
    path = tmp_path / "data.parquet"
    table = pa.table({"y": pa.array([float(row) for row in range(100)])})
    pyarrow.parquet.write_table(
        table, path, write_page_checksum=True, use_dictionary=False, compression="none"
    )
    content = bytearray(path.read_bytes())
    at = content.index(pa.array([50.0]).buffers()[1].to_pybytes())
    content[at + 6] ^= 1
    path.write_bytes(content)
    status, _, err = run(capsys, "fit", "y ~ 1 + (1 | y)", str(path))
    assert status == 2 and "cannot be read" in err


def test_characters_that_the_output_cannot_show_are_escapes(tmp_path):
    path = tmp_path / "data.csv"
    data = datasets.load("sleepstudy").rename(columns={"days": "jours_été"})
    data.to_csv(path, index=False)
    words = ["-m", "statsmodels_mixed", "fit", "reaction ~ jours_été + (1 | subj)", str(path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, *words], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"jours_\xe9t\xe9" in done.stdout


class Full(io.StringIO):
    """A stream on a disk that is full."""

    def write(self, text):
        raise OSError(28, "No space left on device")


class Deaf(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (Full(), "error: the standard output cannot be written: No space left on device.\n"),
        (Deaf(), ""),
        (None, "error: the standard output is closed.\n"),
    ],
)
def test_output_that_cannot_be_written(capsys, monkeypatch, stream, message):
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["datasets"]) == 2
    assert capsys.readouterr().err == message
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["fit", SLEEP, "nothing"]) == 2


def test_an_interrupt_is_a_status(capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load", interrupt)
    assert run(capsys, "fit", SLEEP, "sleepstudy") == (130, "", "")


def test_as_a_module_without_a_traceback():
    command = [sys.executable, "-m", "statsmodels_mixed", "fit", SLEEP, "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
