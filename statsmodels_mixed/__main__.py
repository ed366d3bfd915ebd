"""Command line: ``python -m statsmodels_mixed fit "y ~ x + (x | g)" data.csv``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import pandas as pd
from patsy import PatsyError

from . import datasets
from .errors import CoreError, DataError, MixedModelWarning, OptionError
from .fitting.families.spec import make_family
from .models.generalized.model import GeneralizedLinearMixedModel
from .models.linear.model import LinearMixedModel
from .standard_errors.reference import DOF_METHODS
from .tables.cell_formats import plain
from .tables.table import Column, Table

__all__ = ["main", "read_table"]

USAGE_ERROR = 2
# What a shell reports of a program that Ctrl-C ended.
INTERRUPTED = 130
# Floating-point numbers tell all whole numbers up to this one apart.
WHOLE_UP_TO = 2.0**53


def read_table(name: str) -> pd.DataFrame:
    """Read a shipped data set by its name, or a file by its path.

    Parameters
    ----------
    name : str
        Name of a shipped data set, or path to a ``.csv``, ``.parquet``, ``.arrow`` or
        ``.feather`` file. A path wins where a file of that name exists.

    Raises
    ------
    DataError, OptionError
        If there is neither, or the file cannot be read.
    """
    path = Path(name)
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise DataError(f"there is no file {name}.")
        return datasets.load(name)
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            return _read_csv(path)
        if kind == ".parquet":
            return _read_parquet(path)
        if kind in (".arrow", ".feather"):
            return _read_arrow(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not text in UTF-8: save it in that encoding.") from error
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read: {_one_line(error).rstrip('.')}.") from error
    raise OptionError(f"{name} must end in .csv, .parquet, .arrow or .feather.")


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; whole numbers that floating-point numbers would merge keep their digits.

    pandas makes whole numbers with missing values floating-point ones. It would call a second
    column of one name "x.1", take the first fields of rows that are longer than the header for
    labels of rows, and tell the label 1 of one part of a large file from the label "1" of another.
    """
    with path.open("rb") as file:
        if b"\0" in file.readline():
            raise DataError(f"{path} is not text in UTF-8: save it in that encoding.")
    first = pd.read_csv(path, header=None, nrows=1, dtype=str, encoding_errors="replace")
    header = [str(name) for name in first.iloc[0] if not pd.isna(name)]
    if len(first.columns) == 1:
        raise DataError(
            f"{path} has a single column, {''.join(header)[:60]!r}: its fields must be separated "
            "by commas."
        )
    _check_names(path, header)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(path, index_col=False, low_memory=False)
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{path} has rows of more fields than its header has names: name every column."
            ) from error
    floats = frame.select_dtypes("float64")
    merged = floats.columns[(floats.abs() >= WHOLE_UP_TO).any()]
    if len(merged):
        exact = pd.read_csv(path, index_col=False, low_memory=False, dtype_backend="numpy_nullable")
        for name in merged:
            if pd.api.types.is_integer_dtype(exact[name].dtype):
                frame[name] = exact[name]
    return frame


def _check_names(path: Path, names: list[str]) -> None:
    """Raise DataError if a name is there more than once."""
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise DataError(f"{path} has more than one column {twice!r}: rename them.")


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; whole numbers stay so where some are missing."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import

    _check_names(path, pq.read_schema(path).names)
    table = pq.read_table(path, page_checksum_verification=True)
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return frame


def _read_arrow(path: Path) -> pd.DataFrame:
    """Read an Arrow file, in the file or in the stream format."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
        _check_names(path, table.schema.names)
        frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return frame


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m statsmodels_mixed",
        description="Fit linear and generalized linear mixed models.",
    )
    parser.add_argument("--version", action="version", version=version("statsmodels_mixed"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="fit a model and print its summary")
    fit.add_argument("formula", help='such as "reaction ~ days + (days | subj)"')
    fit.add_argument("data", help="a shipped data set, or a CSV, Parquet or Arrow file")
    fit.add_argument("--reml", action="store_true", help="minimize the REML criterion")
    fit.add_argument(
        "--dof",
        metavar="METHOD",
        choices=[method for method in DOF_METHODS if method],
        help="degrees of freedom of tests: satterthwaite, kenward-roger or residual",
    )
    fit.add_argument(
        "--weights",
        metavar="COLUMN",
        help="column of prior weights, or of numbers of trials; or an expression, as for others",
    )
    fit.add_argument("--offset", metavar="COLUMN", help="column of the offset")
    fit.add_argument(
        "--allow-code",
        action="store_true",
        help="run any Python code in the formula, not named functions only",
    )
    general = fit.add_argument_group("generalized linear mixed models")
    general.add_argument(
        "--family",
        help="binomial, poisson, gamma, negative_binomial, beta, student_t, tweedie, and others",
    )
    general.add_argument("--link", help="such as logit, probit, cloglog, log, sqrt, inverse")
    general.add_argument("--exposure", metavar="COLUMN", help="column of the exposure of counts")
    general.add_argument(
        "--n-agq", type=int, metavar="POINTS", help="points of adaptive quadrature, not Laplace"
    )
    general.add_argument(
        "--fast", action="store_true", help="take the coefficients from the joint mode"
    )
    commands.add_parser("datasets", help="list the shipped data sets")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words of the command line; by default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 2 when the request cannot be carried out; the reason then is on
        standard error. It is 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        text = _list_datasets() if options.command == "datasets" else _fit(options)
    except (ValueError, OSError, PatsyError, CoreError, MemoryError) as error:
        return _refuse(str(error) or "there is not enough memory.")
    except KeyboardInterrupt:
        return INTERRUPTED
    return _print(text)


def _refuse(reason: str) -> int:
    """Say on standard error why a request is not carried out; return the exit status."""
    _write(sys.stderr, f"error: {reason}\n")
    return USAGE_ERROR


def _print(text: str) -> int:
    """Write to standard output; return the exit status."""
    try:
        if not _write(sys.stdout, text + "\n"):
            return _refuse("the standard output is closed.")
    except OSError as error:
        # Python writes what is left once more when it ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader, such as head, has had enough
            return USAGE_ERROR
        return _refuse(f"the standard output cannot be written: {error.strerror}.")
    return 0


def _write(stream: TextIO | None, text: str) -> bool:
    """Write to a stream, if there is one; characters that its encoding lacks as escapes."""
    if stream is None:
        return False
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
    return True


def _fit(options: argparse.Namespace) -> str:
    columns = {
        "weights": options.weights,
        "offset": options.offset,
        "functions": "any" if options.allow_code else "safe",
    }
    with warnings.catch_warnings():
        # The summary says all that the package's own warnings do.
        warnings.simplefilter("ignore", MixedModelWarning)
        if options.family is None:
            for name in ("link", "exposure", "n_agq", "fast"):
                given = getattr(options, name)
                if given is not None and given is not False:
                    raise OptionError(f"--{name.replace('_', '-')} needs --family.")
            table = read_table(options.data)
            linear = LinearMixedModel.from_formula(options.formula, table, **columns)
            return linear.fit(reml=options.reml, dof=options.dof).summary().as_text()
        if options.reml:
            raise OptionError("--reml is for linear models, without --family.")
        family = make_family(options.family, options.link)
        general = GeneralizedLinearMixedModel.from_formula(
            options.formula,
            read_table(options.data),
            family,
            exposure=options.exposure,
            **columns,
        )
        # Families with shapes or thresholds have not all of these options.
        asked = {"n_agq": options.n_agq, "fast": options.fast or None, "dof": options.dof}
        given = {name: value for name, value in asked.items() if value is not None}
        return general.fit(**given).summary().as_text()


def _list_datasets() -> str:
    listed = datasets.describe()
    columns = tuple(
        Column(key, key, plain, "right" if key == "rows" else "left") for key in listed.columns
    )
    return Table(columns, tuple(listed.itertuples(index=False, name=None))).as_text(gap=2)


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
