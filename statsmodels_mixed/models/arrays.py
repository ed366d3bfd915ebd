"""Arrays -> `Design`, for models made without a formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..errors import DataError, OptionError
from ..formula.terms import Grouping, Intercept, RandomTerm
from ..frame.design import Design, RandomBlock
from ..frame.table.alignment import align, common_index
from ..frame.table.columns import as_column, as_numbers, tidy_values
from ..frame.table.grouping import factorize
from ..frame.table.selection import total_offset

__all__ = ["design_from_arrays"]


GROUPS = "groups"


def design_from_arrays(
    endog: ArrayLike,
    exog: ArrayLike,
    groups: Any,
    exog_re: Any = None,
    *,
    weights: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    missing: str = "none",
    labels: bool = False,
) -> tuple[Design, pd.Index | None, int]:
    """Put arrays together as a design.

    Parameters
    ----------
    endog, exog, groups, exog_re, weights, offset, exposure, missing
        As the models take them.
    labels : bool
        Whether `endog` may hold labels, to be given by their codes.

    Returns
    -------
    design : Design
        Its random effects of a grouping factor are correlated.
    row_labels : Index or None
        Those of `endog` or `exog` if either is a pandas object.
    n_dropped : int
        Rows dropped because of missing values.

    Raises
    ------
    DataError
        If the arrays differ in length, are not numbers or hold values that are not finite.
    OptionError
        If `missing` is unknown, or `exog_re` does not go with `groups`.
    """
    if missing not in ("none", "drop", "raise"):
        raise OptionError(f"missing must be none, drop or raise, not {missing!r}.")
    given = {"weights": weights, "offset": offset, "exposure": exposure}
    index = common_index([endog, exog, *_parts(groups), *_parts(exog_re), *given.values()])
    endog, exog = align(endog, index, "endog"), align(exog, index, "exog")
    groups, exog_re = _align_parts(groups, index, "groups"), _align_parts(exog_re, index, "exog_re")
    y, response_levels = _endog(endog, labels)
    x = _matrix(exog, "exog")
    extra = {
        name: _flat(_numbers(align(values, index, f"{name}="), name))
        for name, values in given.items()
        if values is not None
    }
    factors, effects = _groupings(groups, exog_re)
    n = len(y)
    vectors = {**extra, **{f"groups {k!r}": v for k, v in factors.items()}}
    for name, values in {**vectors, "exog": x, **_labelled(effects)}.items():
        if len(values) != n or (name in vectors and values.ndim != 1):
            raise DataError(f"{name} has shape {values.shape}; all arrays need {n} rows.")

    absent = np.zeros(n, dtype=bool)
    for values in factors.values():
        absent |= np.asarray(pd.isna(values))
    for values in [y.reshape(n, -1), x, *effects.values(), *(v[:, None] for v in extra.values())]:
        absent |= np.isnan(values).any(axis=1)
    if absent.any() and missing != "drop":
        raise DataError(f'{int(absent.sum())} rows have missing values; pass missing="drop".')
    keep = ~absent
    for name, values in {"endog": y, "exog": x, **extra, **_labelled(effects)}.items():
        if np.isinf(values[keep]).any():
            raise DataError(f"{name} has infinite values.")
    if not keep.any():
        raise DataError("no rows are left once those with missing values are dropped.")
    kept = {name: values[keep] for name, values in extra.items()}
    for name in ("weights", "exposure"):
        if name in kept and (kept[name] <= 0).any():
            raise DataError(f"{name} must be positive.")

    blocks = [_block(name, factors[name][keep], effects, keep, exog_re) for name in factors]
    # The order of all output: decreasing number of random effects, ties as given.
    blocks.sort(key=lambda block: -len(block.levels) * len(block.names))
    design = Design(
        y=y[keep].copy(),
        X=np.ascontiguousarray(x[keep]),
        weights=kept.get("weights"),
        offset=total_offset(kept.get("offset"), kept.get("exposure")),
        blocks=tuple(blocks),
        response_name=str(_name(endog, "y")),
        x_names=_column_names(exog, x),
        response_levels=response_levels,
    )
    index = common_index([endog, exog])
    return design, None if index is None else index[keep], int(absent.sum())


def _parts(values: Any) -> list[Any]:
    return list(values.values()) if isinstance(values, Mapping) else [values]


def _align_parts(values: Any, index: pd.Index | None, what: str) -> Any:
    """Put a Series or frame, or those of a mapping, in the order of an index."""
    if not isinstance(values, Mapping):
        return align(values, index, what)
    return {name: align(part, index, f"{what} {name!r}") for name, part in values.items()}


def _endog(values: Any, labels: bool) -> tuple[Array, tuple[Any, ...] | None]:
    """Return the response, shape (n,) or (n, m), and the levels of labels."""
    try:
        y = _matrix(values, "endog")
    except DataError:
        if not labels or np.ndim(values) != 1:
            raise
        codes, levels = factorize(tidy_values(_series(values)))
        return np.where(codes < 0, np.nan, codes), tuple(levels)
    return (y[:, 0] if y.shape[1] == 1 else y), None


def _groupings(groups: Any, exog_re: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return tidy labels and random-effects matrices by grouping factor."""
    if isinstance(groups, Mapping) and not groups:
        raise OptionError("groups is empty: give the labels of at least one grouping factor.")
    if not isinstance(groups, Mapping):
        name = str(_name(groups, GROUPS))
        if isinstance(exog_re, Mapping):
            raise OptionError("exog_re can be a mapping only when groups is one.")
        groups = {name: groups}
        exog_re = None if exog_re is None else {name: exog_re}
    unknown = [name for name in exog_re or {} if name not in groups]
    if unknown:
        raise OptionError(f"exog_re names {unknown[0]!r}, which is not one of the groups.")
    factors = {str(name): tidy_values(_series(values)) for name, values in groups.items()}
    effects = {
        str(name): _matrix(values, f"exog_re of {name!r}")
        for name, values in (exog_re or {}).items()
    }
    return factors, effects


def _block(
    name: str,
    labels: Any,
    effects: Mapping[str, Array],
    keep: NDArray[np.bool_],
    exog_re: Any,
) -> RandomBlock:
    """Return the random block of one grouping factor, for the kept rows."""
    refs, levels = factorize(labels)
    if name in effects:
        z = np.ascontiguousarray(effects[name][keep])
        given = exog_re[name] if isinstance(exog_re, Mapping) else exog_re
        names = _effect_names(given, z)
    else:
        z, names = np.ones((len(refs), 1)), ("Intercept",)
    intercept = Intercept.PRESENT if name not in effects else Intercept.OMITTED
    code = "" if name not in effects else " + ".join(names)
    term = RandomTerm(code, Grouping((name,)), intercept)
    k = len(names)
    return RandomBlock(name, z, refs, levels, names, np.tri(k, dtype=bool), (term,))


def _labelled(effects: Mapping[str, Array]) -> dict[str, Array]:
    return {f"exog_re of {name!r}": values for name, values in effects.items()}


def _series(values: Any) -> pd.Series:
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, pd.Index | pd.Categorical):
        return pd.Series(values)
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"groups has shape {array.shape}: it must hold one label per row.")
    return as_column(array, None, "groups")


def _numbers(values: Any, name: str) -> Array:
    return as_numbers(values, name)


def _flat(values: Array) -> Array:
    """Return a column, shape (n, 1), as shape (n,), anything else as it is but for a number."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else np.atleast_1d(values)


def _matrix(values: Any, name: str) -> Array:
    matrix = _numbers(values, name)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2:
        raise DataError(f"{name} must have one or two dimensions, not {matrix.ndim}.")
    return matrix


def _name(values: Any, default: str) -> object:
    """Return the name of a Series, or of the columns of a frame."""
    if isinstance(values, pd.DataFrame):
        return " + ".join(map(str, values.columns))
    return getattr(values, "name", None) or default


def _column_names(values: Any, matrix: Array) -> tuple[str, ...]:
    """Return the names of a frame, or those statsmodels gives: const, x1, x2, ..."""
    if isinstance(values, pd.DataFrame):
        return tuple(map(str, values.columns))
    if isinstance(values, pd.Series) and values.name is not None:
        return (str(values.name),)
    constant = np.flatnonzero((matrix == 1).all(axis=0))[:1].tolist() if len(matrix) else []
    others = iter(range(1, matrix.shape[1] + 1))
    return tuple("const" if j in constant else f"x{next(others)}" for j in range(matrix.shape[1]))


def _effect_names(values: Any, matrix: Array) -> tuple[str, ...]:
    """Return the names of random effects: those of a frame, or Intercept, x_re1, x_re2, ..."""
    if isinstance(values, pd.DataFrame | pd.Series):
        return _column_names(values, matrix)
    return tuple(
        "Intercept" if name == "const" else name.replace("x", "x_re")
        for name in _column_names(None, matrix)
    )
