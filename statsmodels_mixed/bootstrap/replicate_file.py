"""Replicates in an Arrow file: the stream format, which can be cut and continued anywhere.

A bootstrap appends one record batch for each piece of work as it is done, and Arrow's mark of the
end when it is closed. A run that was killed leaves no mark, and at worst half a batch, which is
cut off when it is continued; anything else that is no batch is damage.

The header and every batch carry the SHA-256 of what they say: of the text of the header, and of
the header's checksum with the numbers of the batch. Nothing that is read is run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from ..errors import DataError
from ..results.parameters import CovarianceParameters
from .recipe import Recipe, ReplicateRows

__all__ = ["Content", "ReplicateFile", "read_file", "write_file"]


_KEY = b"statsmodels_mixed.bootstrap"
_CHECKSUM = b"statsmodels_mixed.sha256"
_VERSION = 5

_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + bytes(4)

# What reading damaged bytes as Arrow or JSON can raise.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError)


def _schema(recipe: Recipe, requested: int) -> pa.Schema:
    content = {
        "version": _VERSION,
        "requested": requested,
        "model": recipe.model,
        "formula": recipe.formula,
        # As text, because JSON readers may round large integers.
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
        "natural": list(recipe.components.natural),
        "units": recipe.units.tolist(),
        "truth": recipe.truth[0].tolist(),
        "estimate": recipe.estimate[0].tolist(),
        "not_identified": [list(label) for label in recipe.not_identified],
        # Files from before this was known have no such entry, and keep their checksums.
        **({"several_modes": True} if recipe.several_modes else {}),
    }
    fields = [pa.field("replicate", pa.int64()), pa.field("converged", pa.bool_())]
    fields += [pa.field(".".join(filter(None, label)), pa.float64()) for label in recipe.labels]
    text = json.dumps(content)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return pa.schema(fields, metadata={_KEY: text, _CHECKSUM: checksum})


def _damaged(path: str | PathLike[str], why: str) -> DataError:
    return DataError(f"the file of replicates {os.fspath(path)!r} is damaged: {why}")


def _content(schema: pa.Schema, path: str | PathLike[str]) -> tuple[Recipe, int]:
    metadata = schema.metadata or {}
    if _KEY not in metadata:
        raise DataError(f"{os.fspath(path)!r} holds no bootstrap replicates of this package.")
    try:
        content: dict[str, Any] = json.loads(metadata[_KEY])
        version = int(content["version"])
        if version == _VERSION:
            recipe, requested = _recipe(content)
            same = _schema(recipe, requested).equals(schema, check_metadata=True)
    except _UNREADABLE as error:
        raise _damaged(path, "its header cannot be read") from error
    if version != _VERSION:
        raise DataError(
            f"{os.fspath(path)!r} has version {version} of the format of replicates; "
            f"this package reads version {_VERSION}."
        )
    if not same:
        raise _damaged(path, "its header does not have its checksum")
    return recipe, requested


def _recipe(content: dict[str, Any]) -> tuple[Recipe, int]:
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
        components=CovarianceParameters(blocks, tuple(content.get("natural", ()))),
        units=np.array(content["units"]),
        truth=np.array([content["truth"]], dtype=float),
        estimate=np.array([content["estimate"]], dtype=float),
        not_identified=tuple((str(kind), str(name)) for kind, name in content["not_identified"]),
        several_modes=bool(content.get("several_modes", False)),
    )
    return recipe, int(content["requested"])


def _checksum(schema: pa.Schema, rows: ReplicateRows) -> str:
    number, values, converged = rows
    total = hashlib.sha256(schema.metadata[_CHECKSUM])
    total.update(number.astype("<i8").tobytes())
    total.update(converged.astype(np.uint8).tobytes())
    total.update(values.astype("<f8").tobytes())
    return total.hexdigest()


def _message(schema: pa.Schema, rows: ReplicateRows) -> bytes:
    number, values, converged = rows
    columns = [pa.array(number), pa.array(converged)]
    columns += [pa.array(np.ascontiguousarray(column)) for column in values.T]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    whole = io.BytesIO()
    with pa.ipc.new_stream(whole, schema) as stream:
        stream.write_batch(batch, custom_metadata={_CHECKSUM: _checksum(schema, rows)})
    return whole.getvalue()[len(schema.serialize()) : -len(_END)]


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
            self._state = read_file(place).end, 0
            # Its checksum is part of those of all batches, also of a longer run's.
            self._schema = pa.ipc.open_stream(place.read_bytes()).schema
            self._file = place.open("r+b")
        else:
            self._file = place.open("xb")
            self._append(bytes(self._schema.serialize()), 0)

    def __enter__(self) -> ReplicateFile:
        return self

    def __exit__(self, *exception: object) -> None:
        end = self._state[0]
        self._file.seek(end)
        self._file.write(_END)
        self._file.truncate(end + len(_END))
        self._file.close()

    def write(self, done: Sequence[ReplicateRows]) -> None:
        """Append the pieces of a growing sequence that are not in the file yet."""
        while self._state[1] < len(done):
            self._append(_message(self._schema, done[self._state[1]]), 1)

    def _append(self, message: bytes, pieces: int) -> None:
        # What an interrupted call has written lies beyond the end, and is written over.
        end, written = self._state
        self._file.seek(end)
        self._file.write(message)
        self._file.flush()
        self._state = end + len(message), written + pieces


def write_file(
    path: str | PathLike[str], recipe: Recipe, requested: int, rows: ReplicateRows
) -> None:
    """Write all replicates at once; the file is replaced only when all is written."""
    schema = _schema(recipe, requested)
    place = Path(path)
    half = place.with_name(place.name + ".part")
    with half.open("wb") as file:
        file.write(bytes(schema.serialize()))
        file.write(_message(schema, rows))
        file.write(_END)
    half.replace(place)


class Content(NamedTuple):
    """What a file of replicates holds.

    Attributes
    ----------
    recipe : Recipe
    requested : int
        Number of replicates that were asked for.
    rows : tuple
        Number, values and convergence of the replicates, in the order of their numbers.
    end : int
        Where the last complete batch ends.
    """

    recipe: Recipe
    requested: int
    rows: ReplicateRows
    end: int


def read_file(path: str | PathLike[str]) -> Content:
    """Read replicates.

    Raises
    ------
    DataError
        If the file holds something else, or is damaged.
    """
    if Path(path).is_dir():
        raise DataError(f"{os.fspath(path)!r} is a directory and no file of replicates.")
    content = Path(path).read_bytes()
    source = pa.BufferReader(content)
    try:
        stream = pa.ipc.open_stream(source)
    except _UNREADABLE as error:
        raise DataError(f"{os.fspath(path)!r} is no Arrow stream of replicates.") from error
    recipe, requested = _content(stream.schema, path)
    end = source.tell()
    pieces = [_no_rows(recipe.truth.shape[1])]
    while True:
        try:
            batch, metadata = stream.read_next_batch_with_custom_metadata()
        except StopIteration:
            break
        except _UNREADABLE:
            break  # perhaps a batch that was being written when the run was killed
        pieces.append(_rows(stream.schema, batch, metadata, path))
        end = source.tell()
    if not _is_good_end(content[end:]):
        raise _damaged(path, "what follows its complete batches is neither the end nor a batch")
    number, values, converged = (np.concatenate(part) for part in zip(*pieces, strict=True))
    if len(np.unique(number)) < len(number):
        raise _damaged(path, "it holds a replicate twice")
    requested = max(requested, int(number.max(initial=-1)) + 1)
    order = np.argsort(number)
    rows = number[order], values[order], converged[order]
    return Content(recipe, requested, rows, end)


def _no_rows(width: int) -> ReplicateRows:
    return np.empty(0, dtype=np.int64), np.empty((0, width)), np.empty(0, dtype=bool)


def _rows(schema: pa.Schema, batch: Any, metadata: Any, path: str | PathLike[str]) -> ReplicateRows:
    """Return what a batch holds, after comparing it with its checksum."""
    try:
        batch.validate(full=True)
        number, converged, *columns = (
            column.to_numpy(zero_copy_only=False) for column in batch.columns
        )
        # A batch of no columns cannot be: objective and scale are always there.
        rows = number, np.column_stack(columns), np.asarray(converged, dtype=bool)
        same = (metadata or {})[_CHECKSUM].decode() == _checksum(schema, rows)
    except _UNREADABLE as error:
        raise _damaged(path, "a batch cannot be read") from error
    if not same:
        raise _damaged(path, "a batch does not have its checksum")
    return rows


def _is_good_end(rest: bytes) -> bool:
    """Whether a run could have left this after its last complete batch.

    That is nothing, the mark of the end, or the beginning of a batch: the file ends before the
    batch does, so there is neither a mark nor a batch in it.
    """
    if rest.startswith(_END):
        return rest == _END
    if rest[:4] != _CONTINUATION[: len(rest)] or rest.endswith(_END):
        return False
    at = rest.find(_CONTINUATION, 1)
    while at >= 0:
        try:
            if pa.ipc.read_message(pa.BufferReader(rest[at:])).type == "record batch":
                return False
        except (*_UNREADABLE, EOFError):
            pass  # these four bytes are numbers within the batch
        at = rest.find(_CONTINUATION, at + 1)
    return True
