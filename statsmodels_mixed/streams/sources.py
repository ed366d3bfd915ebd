"""Tables that are read by batches of rows: Arrow datasets, files, and lazy frames.

A source knows its columns, and can be run through as often as need be, each time with the columns
that are asked for. pyarrow reads files; polars and dask are optional, and are not imported here:
whoever has a frame of theirs has imported them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, told

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["BATCH_ROWS", "TableSource", "open_source", "source_of_frame"]

# Rows of a batch: its arrays should stay in the caches of a processor.
BATCH_ROWS = 1 << 17


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
    from pyarrow import ArrowException, Table  # noqa: PLC0415
    from pyarrow.dataset import FileSystemDataset, ParquetFragmentScanOptions  # noqa: PLC0415

    several: dict[str, str] = {}
    if isinstance(data, FileSystemDataset):
        data, several = _of_common_types(data)
    kind = data.format.default_extname if isinstance(data, FileSystemDataset) else ""
    # What is read ahead is memory: by default whole files, which is slower besides.
    options: dict[str, Any] = {"batch_readahead": 2, "fragment_readahead": 1}
    if kind == "parquet":
        options["fragment_scan_options"] = ParquetFragmentScanOptions(
            pre_buffer=False, page_checksum_verification=True
        )
    files = _Files(data) if isinstance(data, FileSystemDataset) else None

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        if files is not None:
            files.check(names)
        batches = data.to_batches(columns=list(names), batch_size=batch_rows, **options)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (ArrowException, OSError) as error:
                differ = "".join(
                    f" (column {name!r} is of type {several[name]} in the files)"
                    for name in names
                    if name in several
                )
                raise DataError(f"the data cannot be read{differ}: {told(error)}") from error
            if batch.num_rows:
                _refuse_other_text(batch)
                yield Table.from_batches([batch])
        if files is not None:
            files.check(names)

    try:
        n_rows = data.count_rows() if kind in ("parquet", "arrow", "ipc") else None
    except (ArrowException, OSError) as error:
        raise DataError(f"the data cannot be read: {told(error)}") from error
    return TableSource(data.schema.names, n_rows, read)


def _of_common_types(data: Any) -> tuple[Any, dict[str, str]]:
    """Return a dataset whose columns hold what all files have, and the types of those that differ.

    Arrow takes the types of the first file for those of all: numbers of double precision would be
    rounded to single, and fractions refused.
    """
    # Slow to import, and imported by whoever made the dataset.
    from pyarrow import ArrowException, schema, unify_schemas  # noqa: PLC0415
    from pyarrow.dataset import FileSystemDataset  # noqa: PLC0415

    if len(data.files) == 1:
        return data, {}
    fragments = list(data.get_fragments())
    try:
        known = [fragment.physical_schema for fragment in fragments]
    except (ArrowException, OSError):  # reading the file says so
        return data, {}
    fields, several = [], {}
    for field in data.schema:
        own = [each.field(field.name) for each in known if field.name in each.names]
        types = list(dict.fromkeys(str(each.type) for each in own))
        # Another type than that of the first file is the user's.
        if len(types) > 1 and own[0].type == field.type:
            several[field.name] = " and ".join(types)
            with suppress(
                ArrowException
            ):  # some that have none in common are cast as they are read
                alone = [schema([each]) for each in own]
                field = unify_schemas(alone, promote_options="permissive").field(0)
        fields.append(field)
    if not several:
        return data, several
    common = schema(fields, metadata=data.schema.metadata)
    return FileSystemDataset(fragments, common, data.format, data.filesystem), several


class _Files:
    """The files of a dataset: which columns each has, and what they were when they were opened.

    Arrow takes a column that a file lacks for missing values, and a file that was replaced between
    two passes over the data for the same.
    """

    def __init__(self, data: Any) -> None:
        self.data = data
        self.complete: set[str] = set()
        self.seen = self._state()

    def _state(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of files that are on this machine."""
        found = {}
        for file in self.data.files:
            if os.path.isfile(file):
                stat = os.stat(file)
                found[file] = (stat.st_size, stat.st_mtime_ns)
        return found

    def check(self, names: Sequence[str]) -> None:
        """Raise DataError for files that lack one of these columns, or have changed."""
        now = self._state()
        changed = sorted(file for file, state in self.seen.items() if now.get(file) != state)
        if changed:
            raise DataError(
                f"{changed[0]!r} has changed since the model was made: make the model again."
            )
        wanted = set(names) - self.complete
        if not wanted or len(self.data.files) == 1:
            return
        # Slow to import, and imported by whoever made the dataset.
        from pyarrow import ArrowException  # noqa: PLC0415
        from pyarrow.dataset import get_partition_keys  # noqa: PLC0415

        for fragment in self.data.get_fragments():
            try:
                known = set(fragment.physical_schema.names)
            except (ArrowException, OSError) as error:
                raise DataError(f"{fragment.path!r} cannot be read: {told(error)}") from error
            lacking = sorted(
                wanted - known - set(get_partition_keys(fragment.partition_expression))
            )
            if lacking:
                raise DataError(
                    f"{fragment.path!r} has no column {lacking[0]!r}, which the other files have."
                )
        self.complete |= wanted


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


def _open_polars(data: Any, batch_rows: int) -> TableSource:
    import polars as pl  # noqa: PLC0415 - optional; who has its frames has imported it

    schema = data.collect_schema()
    # The order of polars' categories is that of their appearance in the process.
    text = [name for name, kind in schema.items() if kind == pl.Categorical]
    data = data.with_columns(pl.col(name).cast(pl.String) for name in text)

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        for frame in data.select(names).collect_batches(chunk_size=batch_rows, maintain_order=True):
            if len(frame):
                yield frame.to_arrow()

    return TableSource(schema.names(), None, read)


def _open_dask(data: Any, batch_rows: int) -> TableSource:
    def partitions(names: Sequence[str]) -> list[Any]:
        parts: list[Any] = data[list(names)].to_delayed()
        return parts

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        for part in partitions(names):
            yield from source_of_frame(part.compute(), batch_rows).read(names)

    return TableSource(list(data.columns), None, read, partitions, batch_rows)


def source_of_frame(frame: pd.DataFrame, batch_rows: int) -> TableSource:
    """Return a pandas frame, such as a partition of a dask frame, as a source."""
    from pyarrow import Table  # noqa: PLC0415 - slow to import

    table = Table.from_pandas(frame, preserve_index=False)

    def read(names: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, len(table), batch_rows):
            yield table.select(list(names)).slice(start, batch_rows)

    return TableSource(table.column_names, len(table), read)


_OPENERS: dict[str, Callable[[Any, int], TableSource]] = {
    "pyarrow.Dataset": _open_dataset,
    "polars.LazyFrame": _open_polars,
    "dask.DataFrame": _open_dask,
}
