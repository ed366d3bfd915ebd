"""The files of a dataset: their types, their columns, and whether they change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..errors import DataError, told

__all__ = ["SameFiles", "of_common_types"]


def of_common_types(data: Any) -> tuple[Any, dict[str, str]]:
    """Return a dataset whose columns hold what all files have, and the types of those that differ.

    Arrow takes the types of the first file for those of all: numbers of double precision would be
    rounded to single, and fractions refused.
    """
    # Slow to import, and imported by whoever made the dataset.
    from pyarrow import ArrowException, schema, unify_schemas  # noqa: PLC0415
    from pyarrow.dataset import FileSystemDataset  # noqa: PLC0415

    if len(data.files) == 1:
        return data, {}
    fragments, filtered = _fragments(data)
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
    if filtered:  # which is lost if it is made anew, and Arrow gives it no other types
        name, found = next(iter(several.items()))
        raise DataError(
            f"column {name!r} is of type {found} in the files, and the dataset has a filter: give "
            "the dataset a schema=, or the condition as subset=."
        )
    return FileSystemDataset(fragments, common, data.format, data.filesystem), several


def _fragments(data: Any) -> tuple[list[Any], bool]:
    """Return the files of a dataset, and whether it has a filter: then Arrow does not give them."""
    try:
        return list(data.get_fragments()), False
    except ValueError:
        return [data.format.make_fragment(file, data.filesystem) for file in data.files], True


class SameFiles:
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

        found = []
        fragments, filtered = _fragments(self.data)
        for fragment in fragments:
            try:
                known = set(fragment.physical_schema.names)
            except (ArrowException, OSError) as error:
                raise DataError(f"{fragment.path!r} cannot be read: {told(error)}") from error
            keys = set(get_partition_keys(fragment.partition_expression))
            found.append((fragment.path, known | keys))
        if filtered:  # nobody says which columns are keys of partitions, in no file
            wanted &= set().union(*(names for _, names in found))
        for path, known in found:
            lacking = sorted(wanted - known)
            if lacking:
                raise DataError(
                    f"{path!r} has no column {lacking[0]!r}, which the other files have."
                )
        self.complete |= set(names)
