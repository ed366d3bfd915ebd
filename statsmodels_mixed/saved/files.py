"""A directory that holds a fit.

``manifest.json`` has the format, its version, the SHA-256 of the other files and of itself;
``objects.json`` the objects and names, ``arrays.arrow`` the numbers. Checksums are compared
before anything else is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError, OptionError
from ..options import answering
from ..results.base import MixedModelResults, unwrap
from .objects import Reader, Writer
from .scalars import Arrays

__all__ = ["open_fit", "save_fit"]

_FORMAT = "statsmodels_mixed, a saved fit"
_VERSION = 1
_FILES = ("objects.json", "arrays.arrow")

# Errors of reading content that is not a fit's although its checksums are right.
_UNREADABLE = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    MemoryError,
)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@answering({})
def save_fit(result: Any, path: str | PathLike[str]) -> None:
    """Save this fit to a directory of JSON and Arrow files, without pickle.

    `statsmodels_mixed.open` reads it, in any process that has this package, and runs no code of
    it. The data of the model are saved with it, unless `remove_data` was called.

    Parameters
    ----------
    result : MixedModelResults
        The fit.
    path : str or path
        The directory; one that holds a saved fit is replaced.

    Raises
    ------
    DataError
        If the formula uses a function of your own, or something else that is no data; the
        message names the term.
    OptionError
        If there is something else at the path, or the data are read by batches.

    See Also
    --------
    statsmodels_mixed.open

    Examples
    --------
    >>> import tempfile
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit.to_dir(folder)
    ...     print(statsmodels_mixed.open(folder).params.equals(fit.params))
    True
    """
    if not getattr(type(result), "stands_alone", False):
        result = unwrap(result, correlated=True)
    if getattr(result.model, "learned", None) is not None:
        raise OptionError(
            "a fit of data that are read by batches has no to_dir(): save() pickles it, without "
            "where its data are, and tidy() and glance() are tables of it."
        )
    place = Path(path)
    if place.exists() and not _is_replaceable(place):
        raise OptionError(f"{os.fspath(path)!r} exists and is no saved fit: give another path.")
    writer = Writer()
    root = writer.encode(result)
    content = {
        "objects.json": _json({"root": root, "objects": writer.objects}),
        "arrays.arrow": _arrow(writer.arrays),
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    # Written beside the path first, so that the path never has an incomplete fit.
    half = Path(tempfile.mkdtemp(prefix=place.name + ".", dir=place.parent))
    try:
        sums = {}
        for name, data in content.items():
            (half / name).write_bytes(data)
            sums[name] = _sha256(data)
        (half / "manifest.json").write_text(_manifest(sums), encoding="utf-8")
        half.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        half.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _is_replaceable(place: Path) -> bool:
    if not place.is_dir():
        return False
    names = {entry.name for entry in place.iterdir()}
    return not names or names == {"manifest.json", *_FILES}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode()


def _arrow(arrays: Arrays) -> bytes:
    table = arrays.table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return bytes(sink.getvalue())


def _manifest(sums: dict[str, str]) -> str:
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "package": version("statsmodels_mixed"),
        "files": sums,
    }
    text = json.dumps(content, sort_keys=True)
    return json.dumps({**content, "sha256": _sha256(text.encode())}, indent=1)


@answering({})
def open_fit(path: str | PathLike[str]) -> Any:
    """Read a fit that `to_dir` saved.

    Parameters
    ----------
    path : str or path
        The directory.

    Returns
    -------
    LinearMixedModelResultsWrapper or GeneralizedLinearMixedModelResultsWrapper
        The fit, with its model: it predicts, tests, simulates as the saved one did.

    Raises
    ------
    DataError
        If there is no saved fit, it is damaged, or of a later version of the format.

    See Also
    --------
    LinearMixedModelResults.to_dir

    Notes
    -----
    Nothing in the files is run: they hold numbers, names and the text of the formula, whose code
    is arithmetic, patsy's transforms and functions of NumPy. The fit's classes are this package's.

    Examples
    --------
    >>> import tempfile
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit.to_dir(folder)
    ...     print(repr(statsmodels_mixed.open(folder)))
    <LinearMixedModelResults: reaction ~ 1 + days + (1 | subj); ML, -2 log-likelihood 1794.0786>
    """
    place = Path(path)
    shown = repr(os.fspath(path))
    try:
        manifest = json.loads((place / "manifest.json").read_bytes())
        is_fit = manifest["format"] == _FORMAT
    except _UNREADABLE as error:
        raise DataError(f"{shown} is no saved fit: it has no manifest.json of one.") from error
    if not is_fit:
        raise DataError(f"{shown} is no saved fit: it has no manifest.json of one.")
    given = manifest.pop("sha256", None)
    if given != _sha256(json.dumps(manifest, sort_keys=True).encode()):
        raise DataError(f"the saved fit {shown} is damaged: manifest.json has another checksum.")
    if manifest["version"] != _VERSION:
        raise DataError(
            f"the saved fit {shown} has version {manifest['version']} of the format; this package "
            f"reads version {_VERSION}."
        )
    content = {}
    for name in _FILES:
        try:
            content[name] = (place / name).read_bytes()
        except OSError as error:
            raise DataError(f"the saved fit {shown} is damaged: {name} cannot be read.") from error
        if _sha256(content[name]) != manifest["files"].get(name):
            raise DataError(f"the saved fit {shown} is damaged: {name} has another checksum.")
    return _read(content, shown)


def _read(content: dict[str, bytes], shown: str) -> Any:
    try:
        tree = json.loads(content["objects.json"])
        with pa.ipc.open_file(content["arrays.arrow"]) as file:
            arrays = Arrays.read(file.read_all())
        result = Reader(tree["objects"], arrays).decode(tree["root"])
        if getattr(type(result), "stands_alone", False):
            return result
        whole = isinstance(result, MixedModelResults)
        return result.wrapper(result) if whole else None
    except DataError as error:
        raise DataError(f"the saved fit {shown} cannot be opened: {error}") from error
    except _UNREADABLE as error:
        raise DataError(f"the saved fit {shown} is damaged: its content is not a fit's.") from error
