"""Replicates in an Arrow file: the stream format, which can be cut and continued anywhere.

A bootstrap appends one record batch for each piece of work as it is done. A run that was
killed leaves at worst half a batch at the end, which is cut off when it is continued.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError
from .parameters import Components
from .replicates import Bootstrap, Recipe, Rows

__all__ = ["ReplicateFile", "read_file", "write_file"]

Array = NDArray[np.float64]

_KEY = b"statsmodels_mixed.bootstrap"
_VERSION = 2


def _schema(recipe: Recipe, requested: int) -> pa.Schema:
    content = {
        "version": _VERSION,
        "requested": requested,
        "model": recipe.model,
        "formula": recipe.formula,
        # as text, because JSON readers may round large integers
        "entropy": [str(word) for word in np.atleast_1d(np.array(recipe.entropy, dtype=object))],
        "spawn_key": list(recipe.spawn_key),
        "stream_length": recipe.stream_length,
        "re": recipe.re,
        "by": recipe.by,
        "scale_name": recipe.scale_name,
        "fixed_names": list(recipe.fixed_names),
        "blocks": [
            {"name": name, "columns": list(columns), "pattern": pattern.tolist()}
            for name, columns, pattern in recipe.components.blocks
        ],
        "units": recipe.units.tolist(),
        "truth": recipe.truth.tolist(),
        "estimate": recipe.estimate.tolist(),
    }
    fields = [pa.field("replicate", pa.int64()), pa.field("converged", pa.bool_())]
    fields += [pa.field(".".join(filter(None, label)), pa.float64()) for label in recipe.labels]
    return pa.schema(fields, metadata={_KEY: json.dumps(content)})


def _content(schema: pa.Schema, path: str | PathLike[str]) -> tuple[Recipe, int]:
    text = (schema.metadata or {}).get(_KEY)
    if text is None:
        raise DataError(f"{os.fspath(path)!r} holds no bootstrap replicates of this package")
    content: dict[str, Any] = json.loads(text)
    if content["version"] != _VERSION:
        raise DataError(
            f"{os.fspath(path)!r} has version {content['version']} of the format of replicates; "
            f"this package reads version {_VERSION}"
        )
    blocks = tuple(
        (block["name"], tuple(block["columns"]), np.array(block["pattern"], dtype=bool))
        for block in content["blocks"]
    )
    entropy = tuple(int(word) for word in content["entropy"])
    recipe = Recipe(
        model=content["model"],
        formula=content["formula"],
        entropy=entropy[0] if len(entropy) == 1 else entropy,
        spawn_key=tuple(content["spawn_key"]),
        stream_length=content["stream_length"],
        re=content["re"],
        by=content["by"],
        scale_name=content["scale_name"],
        fixed_names=tuple(content["fixed_names"]),
        components=Components(blocks),
        units=np.array(content["units"]),
        truth=np.array(content["truth"], dtype=float),
        estimate=np.array(content["estimate"], dtype=float),
    )
    return recipe, int(content["requested"])


def _message(schema: pa.Schema, rows: Rows) -> bytes:
    number, values, converged = rows
    columns = [pa.array(number), pa.array(converged)]
    columns += [pa.array(np.ascontiguousarray(column)) for column in values.T]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return bytes(batch.serialize())


class ReplicateFile:
    """A file that grows with a run; it is closed at the end of a `with` block.

    Parameters
    ----------
    path : str or path
        If the file exists, what a killed run left half written is cut off its end.
    recipe : Recipe
    requested : int
        Number of replicates the run is to make, for the header of a new file.
    """

    def __init__(self, path: str | PathLike[str], recipe: Recipe, requested: int) -> None:
        place = Path(path)
        self._schema = _schema(recipe, requested)
        self._file: BinaryIO
        # Where the file ends, and how many pieces have been written: changed together.
        self._state = 0, 0
        if place.exists():
            self._state = read_file(place)[1], 0
            self._file = place.open("r+b")
        else:
            self._file = place.open("xb")
            self._append(bytes(self._schema.serialize()), 0)

    def __enter__(self) -> ReplicateFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.truncate(self._state[0])
        self._file.close()

    def write(self, done: Sequence[Rows]) -> None:
        """Append the pieces of a growing sequence that are not in the file yet."""
        while self._state[1] < len(done):
            self._append(_message(self._schema, done[self._state[1]]), 1)

    def _append(self, message: bytes, pieces: int) -> None:
        # what an interrupted call has written lies beyond the end, and is written over
        end, written = self._state
        self._file.seek(end)
        self._file.write(message)
        self._file.flush()
        self._state = end + len(message), written + pieces


def write_file(path: str | PathLike[str], boot: Bootstrap) -> None:
    """Write all replicates at once; the file is replaced only when all is written."""
    schema = _schema(boot.recipe, boot.requested)
    place = Path(path)
    half = place.with_name(place.name + ".part")
    with half.open("wb") as file:
        file.write(bytes(schema.serialize()))
        file.write(_message(schema, (boot.number, boot.values, boot.converged)))
    half.replace(place)


def read_file(path: str | PathLike[str]) -> tuple[Bootstrap, int]:
    """Read replicates.

    Returns
    -------
    boot : Bootstrap
    end : int
        Where the last complete batch ends.

    Raises
    ------
    DataError
        If the file holds something else.
    """
    source = pa.BufferReader(Path(path).read_bytes())
    batches = []
    try:
        stream = pa.ipc.open_stream(source)
    except pa.ArrowInvalid as error:
        raise DataError(f"{os.fspath(path)!r} is no Arrow stream: {error}") from error
    recipe, requested = _content(stream.schema, path)
    end = source.tell()
    while True:
        try:
            batches.append(stream.read_next_batch())
        except (StopIteration, pa.ArrowInvalid, OSError):
            break  # the end, or a batch that was being written when the run was killed
        end = source.tell()
    table = pa.Table.from_batches(batches, stream.schema)
    number = table.column("replicate").to_numpy()
    # a batch of no columns cannot be: objective and scale are always there
    values = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    converged = np.asarray(table.column("converged").to_numpy(), dtype=bool)
    requested = max(requested, int(number.max(initial=-1)) + 1)
    order = np.argsort(number)
    boot = Bootstrap(recipe, requested, number[order], values[order], converged[order])
    return boot, end
