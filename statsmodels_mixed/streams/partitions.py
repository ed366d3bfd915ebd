"""Partitions of a dask frame, read where they are: on the workers of a cluster, if there is one.

Only what a function makes of a partition is sent, and merged two by two, on workers too. dask does
the task of a worker that is lost again, on another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .sources import TableSource, reading, source_of_frame

__all__ = ["merged"]

Found = TypeVar("Found")


def merged(
    source: TableSource,
    names: Sequence[str],
    function: Callable[[Any, TableSource], Found],
    known: Any,
    merge: Callable[[Found, Found], Found],
) -> Found:
    """Apply a function to all partitions, and merge what it finds.

    Parameters
    ----------
    source : TableSource
        With partitions.
    names : sequence of str
        The columns to read.
    function : callable
        Takes `known` and a partition, as a source.
    known : object
        Sent once.
    merge : callable
        Takes what was found in two sets of partitions, the first before the second.
    """
    from dask.delayed import delayed  # noqa: PLC0415 - optional; imported with its frames

    assert source.partitions is not None
    sent, apply, join = delayed(known), delayed(_apply), delayed(merge)
    with reading():
        parts = source.partitions(names)
        found = [apply(function, sent, part, source.batch_rows) for part in parts]
        while len(found) > 1:
            pairs = zip(found[::2], found[1::2], strict=False)
            found = [join(a, b) for a, b in pairs] + found[len(found) - len(found) % 2 :]
        result: Found = found[0].compute()
    return result


def _apply(
    function: Callable[[Any, TableSource], Found], known: Any, frame: Any, batch_rows: int
) -> Found:
    return function(known, source_of_frame(frame, batch_rows))
