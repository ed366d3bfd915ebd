"""Tables that are read by batches of rows: Arrow datasets, files, and lazy frames.

A source knows its columns, and can be run through as often as need be, each time with the columns
that are asked for. pyarrow reads files; polars and dask are optional, and are not imported here:
whoever has a frame of theirs has imported them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CoreError, DataError, MixedModelError, told
from ..frame.table.index_levels import read_pandas
from .files import SameFiles, of_common_types

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["BATCH_ROWS", "TableSource", "open_source", "reading", "source_of_frame"]

# Rows of a batch: its arrays should stay in the caches of a processor.
BATCH_ROWS = 1 << 17
# Before, batches just end where a query fails, without an exception.
OLDEST_POLARS = 1, 37


@dataclass(frozen=True, eq=False)
class TableSource:
    """A table that is read by batches.

    Parameters
    ----------
    names : sequence of str
        Its columns.
    n_rows : int or None
        Its rows, if they are known beforehand.
    read : callable
        Maps names of columns to an iterator of Arrow tables.
    partitions : callable or None
        Maps names of columns to the partitions of a dask frame, which workers read.
    batch_rows : int
        Rows of a batch, at most.
    """

    names: Sequence[str]
    n_rows: int | None
    read: Callable[[Sequence[str]], Iterator[pa.Table]]
    partitions: Callable[[Sequence[str]], list[Any]] | None = None
    batch_rows: int = BATCH_ROWS

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what the table is, not where it is: readers cannot be pickled."""
        return TableSource, (list(self.names), self.n_rows, _lost)


@contextmanager
def reading(differ: Callable[[], str] = str) -> Iterator[None]:
    """Turn what other packages raise while they read into a DataError; ours pass.

    A lazy frame runs its owner's code, and what it reads may be anywhere: it can fail in any way.

    Parameters
    ----------
    differ : callable
        Returns what else is to be said.
    """
    try:
        yield
    except (MixedModelError, CoreError, MemoryError, Warning):
        raise
    except Exception as error:
        raise DataError(f"the data cannot be read{differ()}: {told(error)}") from error


def _lost(names: Sequence[str]) -> Iterator[pa.Table]:
    raise DataError(
        "the data of this fit are not saved with it: make its model again to read them."
    )


def open_source(data: Any, batch_rows: int = BATCH_ROWS) -> TableSource:
    """Open data that are read by batches.

    Parameters
    ----------
    data : str, path, pyarrow.dataset.Dataset, polars.LazyFrame or dask.dataframe.DataFrame
        A path of a Parquet, Arrow or CSV file, or of a directory of such files.
    batch_rows : int
        Rows of a batch, at most.

    Raises
    ------
    DataError
        If there is nothing at the path, or its kind is not known.
    """
    if isinstance(data, TableSource):
        return data
    if isinstance(data, str | os.PathLike):
        data = _dataset_at(Path(data))
    with reading():
        return _OPENERS[_kind(data)](data, batch_rows)


def _kind(data: Any) -> str:
    """Return the package that a frame is of, and its class: ``"polars.LazyFrame"``."""
    for kind in type(data).__mro__:
        package = kind.__module__.partition(".")[0]
        if f"{package}.{kind.__name__}" in _OPENERS:
            return f"{package}.{kind.__name__}"
    return ""


def _dataset_at(path: Path) -> Any:
    # Slow to import, and needed here only.
    from pyarrow import ArrowInvalid  # noqa: PLC0415
    from pyarrow.dataset import dataset  # noqa: PLC0415

    if not path.exists():
        raise DataError(f"there is no file or directory {str(path)!r}.")
    found = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    # Other names in a directory, and those that other programs hide, are no data.
    files = [
        each
        for each in sorted(found)
        if each.suffix.lower() in _FORMATS
        and not any(part.startswith(("_", ".")) for part in each.relative_to(path).parts)
    ]
    kinds = {_FORMATS[each.suffix.lower()] for each in files}
    if len(kinds) != 1:
        raise DataError(
            f"{str(path)!r} holds no file, or files of several kinds, that can be read: these are "
            f"{', '.join(_FORMATS)}."
        )
    (kind,) = kinds
    names = [str(each) for each in files]
    try:
        return dataset(names, format=kind, partitioning="hive")
    except (ArrowInvalid, OSError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {told(error)}") from error


_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".csv": "csv",
}


def _open_dataset(data: Any, batch_rows: int) -> TableSource:
    # Slow to import.
    from pyarrow import Table  # noqa: PLC0415
    from pyarrow.dataset import FileSystemDataset, ParquetFragmentScanOptions  # noqa: PLC0415

    several: dict[str, str] = {}
    if isinstance(data, FileSystemDataset):
        data, several = of_common_types(data)
    kind = data.format.default_extname if isinstance(data, FileSystemDataset) else ""
    # What is read ahead is memory: by default whole files, which is slower besides.
    options: dict[str, Any] = {"batch_readahead": 2, "fragment_readahead": 1}
    if kind == "parquet":
        options["fragment_scan_options"] = ParquetFragmentScanOptions(
            pre_buffer=False, page_checksum_verification=True
        )
    files = SameFiles(data) if isinstance(data, FileSystemDataset) else None

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        if files is not None:
            files.check(names)

        def differ() -> str:
            return "".join(
                f" (column {name!r} is of type {several[name]} in the files)"
                for name in names
                if name in several
            )

        with reading(differ):
            for batch in data.to_batches(columns=list(names), batch_size=batch_rows, **options):
                if batch.num_rows:
                    _refuse_other_text(batch)
                    yield _plain(Table.from_batches([batch]))
        if files is not None:
            files.check(names)

    n_rows = data.count_rows() if kind in ("parquet", "arrow", "ipc") else None
    return TableSource(data.schema.names, n_rows, read)


def _refuse_other_text(batch: pa.RecordBatch) -> None:
    """Raise DataError for columns of text that is not UTF-8."""
    from pyarrow import ArrowInvalid, types  # noqa: PLC0415 - slow to import

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        text = column.dictionary if types.is_dictionary(column.type) else column
        if types.is_string(text.type) or types.is_large_string(text.type):
            try:
                text.validate(full=True)
            except ArrowInvalid as error:
                raise DataError(f"column {name!r} holds text that is not UTF-8.") from error


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without views and run lengths, of which Arrow cannot take rows."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    import pyarrow.compute as pc  # noqa: PLC0415

    for at, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_run_end_encoded(column.type):
            table = table.set_column(at, name, pc.run_end_decode(column))
        elif str(column.type) in ("string_view", "binary_view"):
            kind = pa.large_string() if str(column.type) == "string_view" else pa.large_binary()
            table = table.set_column(at, name, column.cast(kind))
    return table


def _open_polars(data: Any, batch_rows: int) -> TableSource:
    import polars as pl  # noqa: PLC0415 - optional; who has its frames has imported it

    if tuple(int(part) for part in pl.__version__.split(".")[:2]) < OLDEST_POLARS:
        raise DataError(
            f"lazy frames of polars {pl.__version__} lose rows where a query fails: update polars "
            f"to {'.'.join(map(str, OLDEST_POLARS))} or later, or collect() the frame."
        )
    schema = data.collect_schema()
    # The order of polars' categories is that of their appearance in the process; Arrow has no whole
    # numbers of 128 bits.
    others = {pl.Categorical: pl.String, getattr(pl, "Int128", None): pl.Int64}
    data = data.with_columns(
        pl.col(name).cast(others[kind.base_type()])
        for name, kind in schema.items()
        if kind.base_type() in others
    )

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        with reading():
            for frame in data.select(names).collect_batches(
                chunk_size=batch_rows, maintain_order=True
            ):
                if len(frame):
                    yield _plain(frame.to_arrow())

    return TableSource(schema.names(), None, read)


def _open_dask(data: Any, batch_rows: int) -> TableSource:
    label = data.index.name
    if label is not None and label not in data.columns:
        data = data.reset_index()  # levels of the index are columns, as those of pandas frames

    def partitions(names: Sequence[str]) -> list[Any]:
        read_pandas(data._meta, names)  # refuses a name of several columns
        parts: list[Any] = data[list(names)].to_delayed()
        return parts

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        with reading():
            for part in partitions(names):
                yield from source_of_frame(part.compute(), batch_rows).read(names)

    return TableSource(list(data.columns), None, read, partitions, batch_rows)


def source_of_frame(frame: pd.DataFrame, batch_rows: int) -> TableSource:
    """Return a pandas frame, such as a partition of a dask frame, as a source.

    Raises
    ------
    DataError
        If Arrow has no type for a column.
    """
    table = _plain(_arrow_of(frame))

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, len(table), batch_rows):
            yield table.select(list(names)).slice(start, batch_rows)

    return TableSource(table.column_names, len(table), read)


def _arrow_of(frame: pd.DataFrame) -> pa.Table:
    import pandas as pd  # noqa: PLC0415 - dask's frames are made of its
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    dense = {
        name: column.sparse.to_dense()
        for name, column in frame.items()
        if isinstance(column.dtype, pd.SparseDtype)
    }
    frame = frame.assign(**dense) if dense else frame
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError) as error:
        for name, column in frame.items():
            try:
                pa.array(column)
            except (pa.ArrowException, TypeError):
                raise DataError(
                    f"column {name!r}, of type {column.dtype}, cannot be read by batches: turn it "
                    "into numbers or text."
                ) from error
        raise


_OPENERS: dict[str, Callable[[Any, int], TableSource]] = {
    "pyarrow.Dataset": _open_dataset,
    "polars.LazyFrame": _open_polars,
    "dask.DataFrame": _open_dask,
}
