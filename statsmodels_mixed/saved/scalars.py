"""Single values, arrays and pandas objects as JSON and Arrow columns, and back."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from ..errors import DataError

__all__ = ["Arrays", "decode_plain", "encode_plain"]

# Pandas types whose values are Python's, and are made again from a list of them.
_LISTED = ("Int", "UInt", "Float", "boolean", "string", "str")

Encoder = Callable[[Any], Any]


class Arrays:
    """Columns of one row of an Arrow table: each a flattened array."""

    def __init__(self, columns: list[pa.Array] | None = None) -> None:
        self.columns = [] if columns is None else columns

    def add(self, values: Any) -> int:
        """Store a one-dimensional array and return its number."""
        self.columns.append(pa.array(values, from_pandas=False))
        return len(self.columns) - 1

    def table(self) -> pa.Table:
        """All of them as lists in one row."""
        lists = [
            pa.LargeListArray.from_arrays(pa.array([0, len(column)], type=pa.int64()), column)
            for column in self.columns
        ]
        return pa.table(lists, names=[f"a{i}" for i in range(len(lists))])

    @classmethod
    def read(cls, table: pa.Table) -> Arrays:
        """Undo `table`."""
        return cls([column.combine_chunks().values for column in table.columns])


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"f": str(value)}


def encode_plain(value: Any, arrays: Arrays, again: Encoder) -> Any:
    """Return JSON for what is no object of this package; None if the type is unknown.

    Parameters
    ----------
    value : object
    arrays : Arrays
        Where arrays are put.
    again : callable
        Encodes what a value consists of.
    """
    if value is None or type(value) in (bool, str, int):
        return {"v": value}
    if type(value) is float:
        return {"v": _float(value)}
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, again)
    if isinstance(value, np.generic):
        return {"scalar": _encode_array(np.asarray(value), arrays, again)}
    for name, container in _CONTAINERS.items():
        if type(value) is container:
            return {name: [again(item) for item in value]}
    if type(value) is dict:
        return {"dict": [[again(key), again(item)] for key, item in value.items()]}
    if isinstance(value, slice):
        return {"slice": [again(part) for part in (value.start, value.stop, value.step)]}
    return _encode_time(value) or _encode_pandas(value, arrays, again)


_CONTAINERS: dict[str, Any] = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset}


def _encode_array(value: np.ndarray[Any, Any], arrays: Arrays, again: Encoder) -> Any:
    kind = value.dtype.kind
    shape, fixed = list(value.shape), not value.flags.writeable
    flat = np.ascontiguousarray(value).reshape(-1)
    if kind == "O":
        return {"objects": [again(item) for item in flat], "shape": shape}
    if value.dtype == np.longdouble and value.dtype != np.float64:
        # Two doubles hold a long double, also on platforms without that type.
        high = value.astype(np.float64)
        with np.errstate(invalid="ignore"):
            rest = np.where(np.isfinite(high), value - high, 0).astype(np.float64)
        return {"long": [again(high), again(rest)]}
    dtype = value.dtype.newbyteorder("=").str
    if kind == "U":
        stored = pa.array(flat.tolist(), type=pa.large_string())
    elif kind in "mM":
        stored = flat.view(np.int64)
    elif kind in "biuf" and dtype[1:] != "f2" and value.dtype.itemsize <= 8:
        stored = flat.astype(value.dtype.newbyteorder("="))
    else:
        raise DataError(f"arrays of type {value.dtype} cannot be saved.")
    order = "F" if value.ndim > 1 and value.flags.f_contiguous else "C"
    if order == "F":
        stored = np.ascontiguousarray(value.T).reshape(-1)
    return {
        "array": arrays.add(stored),
        "dtype": dtype,
        "shape": shape,
        "order": order,
        "fixed": fixed,
    }


def _decode_array(node: dict[str, Any], arrays: Arrays) -> np.ndarray[Any, Any]:
    dtype = np.dtype(node["dtype"])
    column = arrays.columns[node["array"]]
    if dtype.kind == "U":
        flat = np.array(column.to_pylist(), dtype=dtype)
    elif dtype.kind in "mM":
        flat = column.to_numpy().view(dtype)
    else:
        flat = np.array(column.to_numpy(zero_copy_only=False), dtype=dtype)
    shape = node["shape"]
    # Memory of its own, in the order it had: sums of it are the same to the last digit.
    if node["order"] == "F":
        out = flat.reshape(shape[::-1]).T.copy(order="F")
    else:
        out = flat.reshape(shape).copy()
    out.flags.writeable = not node["fixed"]
    return out


def _encode_time(value: Any) -> Any:
    if value is pd.NA:
        return {"missing": "NA"}
    if value is pd.NaT:
        return {"missing": "NaT"}
    if isinstance(value, pd.Timestamp):
        zone = None if value.tz is None else str(value.tz)
        return {"timestamp": [value.value, value.unit, zone]}
    if isinstance(value, pd.Timedelta):
        return {"timedelta": [value.value, value.unit]}
    if isinstance(value, pd.Period):
        return {"period": [value.ordinal, value.freqstr]}
    if type(value) is datetime.date:
        return {"date": value.isoformat()}
    return None


def _encode_pandas(value: Any, arrays: Arrays, again: Encoder) -> Any:
    if isinstance(value, pd.RangeIndex):
        return {"range": [value.start, value.stop, value.step], "name": again(value.name)}
    if isinstance(value, pd.MultiIndex):
        parts = [list(value.levels), [np.asarray(codes) for codes in value.codes]]
        return {"multi": again(parts), "name": again(list(value.names))}
    if isinstance(value, pd.Index):
        return {"index": again(_values(value)), "name": again(value.name)}
    if isinstance(value, pd.Series):
        return {"series": again([_values(value), value.index]), "name": again(value.name)}
    if isinstance(value, pd.Interval):
        return {"interval": again([value.left, value.right, value.closed])}
    if isinstance(value, pd.Categorical):
        content = [value.codes, value.categories, bool(value.ordered)]
        return {"categorical": again(content)}
    if isinstance(value, ExtensionArray):
        return _encode_extension(value, again)
    return None


def _values(value: pd.Index | pd.Series) -> Any:
    """Return the array behind an index or a series, a plain one where there is one."""
    array = value.array
    return array if isinstance(value.dtype, pd.api.extensions.ExtensionDtype) else value.to_numpy()


def _encode_extension(value: Any, again: Encoder) -> Any:
    dtype = value.dtype
    name = str(dtype)
    if isinstance(dtype, pd.StringDtype):
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        items = [None if pd.isna(item) else str(item) for item in value]
        return {"strings": items, "storage": dtype.storage, "missing": missing}
    if isinstance(dtype, pd.DatetimeTZDtype):
        naive = value.tz_convert("UTC").tz_localize(None)
        return {"zoned": again(np.asarray(naive)), "zone": str(dtype.tz)}
    if isinstance(dtype, pd.PeriodDtype):
        frequency = name.removeprefix("period[").removesuffix("]")
        return {"periods": again(value.asi8), "frequency": frequency}
    if dtype.kind in "mM":
        return {"times": again(np.asarray(value))}
    if isinstance(dtype, pd.IntervalDtype):
        return {"intervals": again([pd.Index(value.left), pd.Index(value.right), value.closed])}
    if name.startswith(_LISTED):
        absent = np.asarray(pd.isna(value))
        filled = value.fillna(False if name == "boolean" else 0)
        numbers = filled.to_numpy(dtype=dtype.numpy_dtype)
        return {"masked": again([numbers, absent]), "type": name}
    raise DataError(f"a column or index of type {name} cannot be saved: turn it into labels.")


def decode_plain(node: dict[str, Any], arrays: Arrays, again: Encoder) -> Any:
    """Undo `encode_plain`."""
    kind = next(iter(node))
    content = node[kind]
    if kind == "v":
        return float(content["f"]) if isinstance(content, dict) else content
    if kind == "array":
        return _decode_array(node, arrays)
    if kind == "objects":
        flat = np.empty(len(content), dtype=object)
        flat[:] = [again(item) for item in content]
        return flat.reshape(node["shape"])
    if kind == "scalar":
        return np.asarray(again(content))[()]
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](again(item) for item in content)
    if kind == "dict":
        return {again(key): again(item) for key, item in content}
    if kind == "slice":
        return slice(*(again(part) for part in content))
    return _DECODERS[kind](node, content, again)


def _timestamp(node: Any, content: Any, again: Encoder) -> Any:
    value, unit, zone = content
    return pd.Timestamp(value, unit="ns", tz=zone).as_unit(unit)


def _masked(node: Any, content: Any, again: Encoder) -> Any:
    numbers, missing = again(content)
    out = pd.array(numbers, dtype=node["type"])
    out[missing] = pd.NA
    return out


def _strings(node: Any, content: Any, again: Encoder) -> Any:
    if node["missing"] == "NA":
        return pd.array(content, dtype=pd.StringDtype(node["storage"]))
    if int(pd.__version__.split(".")[0]) < 3:
        # Older pandas has no such type: text is a column of objects.
        return np.array(content, dtype=object)
    return pd.array(content, dtype=pd.StringDtype(node["storage"], na_value=np.nan))


def _named(make: Callable[..., Any]) -> Callable[[Any, Any, Encoder], Any]:
    return lambda node, content, again: make(again(content), again(node["name"]))


_DECODERS: dict[str, Callable[[Any, Any, Encoder], Any]] = {
    "long": lambda node, content, again: (
        again(content[0]).astype(np.longdouble) + again(content[1])
    ),
    "missing": lambda node, content, again: {"NA": pd.NA, "NaT": pd.NaT}[content],
    "timestamp": _timestamp,
    "timedelta": lambda node, content, again: pd.Timedelta(content[0], "ns").as_unit(content[1]),
    "period": lambda node, content, again: pd.Period(ordinal=content[0], freq=content[1]),
    "periods": lambda node, content, again: (
        pd.PeriodIndex.from_ordinals(again(content), freq=node["frequency"]).array
    ),
    "date": lambda node, content, again: datetime.date.fromisoformat(content),
    "range": lambda node, content, again: pd.RangeIndex(*content, name=again(node["name"])),
    "multi": _named(lambda parts, names: pd.MultiIndex(*parts, names=names)),
    "index": _named(
        lambda values, name: pd.Index(values, name=name, copy=False, tupleize_cols=False)
    ),
    "series": _named(lambda parts, name: pd.Series(parts[0], index=parts[1], name=name)),
    "interval": lambda node, content, again: pd.Interval(*again(content)),
    "categorical": lambda node, content, again: _categorical(*again(content)),
    "strings": _strings,
    "zoned": lambda node, content, again: (
        pd.DatetimeIndex(again(content)).tz_localize("UTC").tz_convert(node["zone"]).array
    ),
    "times": lambda node, content, again: pd.Series(again(content)).array,
    "intervals": lambda node, content, again: pd.arrays.IntervalArray.from_arrays(
        *again(content)[:2], closed=again(content)[2]
    ),
    "masked": _masked,
}


def _categorical(codes: Any, categories: pd.Index, ordered: bool) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)
