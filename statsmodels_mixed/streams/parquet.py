"""What has a value for every row, written to a file while the rows pass by."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import Array
from ..errors import DataError, OptionError, told
from ..fitting.families.response import prepare_response
from ..fitting.families.spec import family_object
from ..fitting.predictors import predictors
from ..fitting.problem import problem_of
from ..frame.design import Design
from ..frame.table.table import unknown_columns
from ..results.base import unwrap
from .batches import RowBatch
from .reduce import design_of_batch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_parquet"]


def write_parquet(
    result: Any,
    path: str | PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    leverage: bool = False,
    progress: bool | None = None,
) -> Path:
    """Write fitted values and residuals of data that were read by batches to a Parquet file.

    The data are read once more. The file appears under its name when it is complete; its pages
    have checksums.

    Parameters
    ----------
    result : StreamedLinearMixedModelResults or StreamedGeneralizedMixedModelResults
        The fit.
    path : str or path
        The file; one that is there is replaced.
    columns : sequence of str, optional
        Columns of the data to write beside them; by default those that the model uses.
    leverage : bool
        Whether to write leverages, which take longer than all else.
    progress : bool, optional
        Whether to show a bar; by default after a second, in terminals and notebooks.

    Returns
    -------
    Path
        The file, with a row for each row that the model uses: the columns, ``.row`` (its place in
        the data, counted from 0), ``.fitted``, ``.fixed`` and ``.resid`` as `augment` has them,
        and with `leverage` ``.hat``. Of generalized models these are means, and residuals of the
        response, a proportion if the family is binomial.

    Raises
    ------
    OptionError
        If the data of the fit are in memory: `augment` has all this.
    DataError
        If a column does not exist, or the file cannot be written.

    See Also
    --------
    augment

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow.dataset
    >>> sleep = pyarrow.dataset.dataset(pyarrow.Table.from_pandas(datasets.load("sleepstudy")))
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = fit.write_parquet(f"{folder}/fitted.parquet", columns=["subj"])
    ...     pd.read_parquet(path).head(2).round(3)
       subj  .row  .fitted    .fixed  .resid
    0  S308     0  254.221  251.405  -4.661
    1  S308     1  273.764  261.872 -15.059
    """
    # Slow to import, and needed here only.
    import pyarrow.parquet as pq  # noqa: PLC0415

    result = unwrap(result)
    learned = getattr(result.model, "learned", None)
    if learned is None:
        raise OptionError("the data of this fit are in memory: augment() has a row for each.")
    source = result.model.source
    names = list(learned.rules.columns if columns is None else columns)
    unknown = [name for name in names if name not in source.names]
    if unknown:
        raise unknown_columns(unknown, source.names)
    path = Path(path)
    if not path.name:
        raise OptionError("path is empty: give the name of a file.")
    with _in_place_of(path) as temporary:
        writer = None
        for batch in learned.rules.batches(source, "fitted values", progress, others=names):
            if not len(batch.rows.index):
                continue
            table = _with_values(result, batch, names, leverage)
            writer = writer or pq.ParquetWriter(temporary, table.schema, write_page_checksum=True)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return path


def _with_values(result: Any, batch: RowBatch, names: Sequence[str], leverage: bool) -> pa.Table:
    """Return columns of a batch, for the rows that are used, and what the fit makes of them."""
    design = design_of_batch(result.model.learned.frame, batch)
    estimates = result.estimates
    if not estimates.linear:
        design, _ = prepare_response(design, estimates.spec, batch.rows.index, is_part=True)
    linear, eta = predictors(design, estimates.columns, estimates.beta, estimates.b)
    fixed, fitted = (_means(estimates, each) for each in (linear, eta))
    values = {
        ".row": batch.rows.index.to_numpy(),
        ".fitted": fitted,
        ".fixed": fixed,
        ".resid": design.y - fitted,
    }
    if leverage:
        values[".hat"] = _variances(result, design) * _information(estimates, design, eta)
    # Slow to import; the source of the batch has imported it already.
    from pyarrow import table  # noqa: PLC0415

    kept = batch.table.take(batch.places)
    return table({**{name: kept[name] for name in names}, **values})


def _means(estimates: Any, eta: Array) -> Array:
    """Return the means of linear predictors."""
    if estimates.linear:
        return eta
    return np.asarray(family_object(estimates.spec).link.inverse(eta), dtype=float)


def _variances(result: Any, design: Design) -> Array:
    """Return the variances of the linear predictors of the rows of a batch."""
    problem = problem_of(result.sufficient_design(), result.estimates)
    return problem.error_variances(
        design.X[:, result.estimates.columns],
        [block.z for block in design.blocks],
        [block.refs for block in design.blocks],
    )


def _information(estimates: Any, design: Design, eta: Array) -> Array:
    """Return the information of rows on their linear predictors."""
    if estimates.linear:
        weights = 1.0 if design.weights is None else design.weights
        return np.asarray(weights / estimates.dispersion)
    spec = estimates.spec
    rows: dict[str, Array] = spec.rows(
        design.y,
        eta,
        weights=design.weights,
        zeta=float(np.log(estimates.dispersion)),
        observed=False,
    )
    return rows["w"]


@contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file beside a path, which takes its place if all goes well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        if not temporary.exists():
            raise DataError("no rows are left: in each of them something is missing.")
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written: {told(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
