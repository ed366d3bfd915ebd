"""The options relationship=, precision= and pedigree= of a model, read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array
from ..errors import DataError, OptionError
from ..later import load
from .levels import RelatedLevels

__all__ = ["read_related"]


# Least eigenvalue of a covariance of levels, as a share of the largest, that is more than zero.
SINGULAR = 1e-12


def read_related(
    relationship: Any,
    precision: Any,
    pedigree: Any,
    levels: Mapping[str, pd.Index],
) -> dict[str, RelatedLevels]:
    """Return how the levels of grouping factors are related, by the factor's name.

    Parameters
    ----------
    relationship : mapping of str to DataFrame, (matrix, labels) or matrix, or None
        Covariances of the levels.
    precision : mapping of str to DataFrame, (matrix, labels) or matrix, or None
        Their inverses, dense or sparse.
    pedigree : mapping of str to table, table, or None
        Pedigrees; a table by itself is that of the factor ``animal``, or the only one.
    levels : mapping of str to Index
        Levels of the grouping factors of the model that occur in the data.

    Raises
    ------
    OptionError
        If a factor does not exist or is given twice, or an option is of no use.
    DataError
        If a matrix is not one of these levels, or not positive definite.
    """
    if pedigree is not None and not _is_by_name(pedigree, levels):
        pedigree = {_animal(levels): pedigree}
    given = {"relationship": relationship, "pedigree": pedigree, "precision": precision}
    found: dict[str, RelatedLevels] = {}
    for option, by_name in given.items():
        if by_name is None:
            continue
        if not isinstance(by_name, Mapping):
            example = next(iter(levels), "g")
            raise OptionError(
                f"{option}= names grouping factors, as {option}={{{example!r}: ...}} does."
            )
        for name, value in by_name.items():
            if isinstance(value, RelatedLevels) and (name not in levels or name in found):
                continue  # of a model that is updated
            if name not in levels:
                raise OptionError(
                    f"{option}= has {name!r}, which is no grouping factor of the model: "
                    f"{', '.join(map(repr, levels))}."
                )
            if name in found:
                raise OptionError(f"{option}= and {found[name].option}= both have {name!r}.")
            found[name] = _read(option, name, value, levels[name])
            _check_labels(found[name], name, levels[name])
    return found


def _is_by_name(pedigree: Any, levels: Collection[str]) -> bool:
    """Return whether pedigrees are by factor: a mapping of arrays is a table too."""
    return (
        isinstance(pedigree, Mapping)
        and not isinstance(pedigree, pd.DataFrame)
        and (set(pedigree) <= set(levels) or len(pedigree) < 3)
    )


def _animal(levels: Mapping[str, pd.Index]) -> str:
    if "animal" in levels:
        return "animal"
    if len(levels) == 1:
        return next(iter(levels))
    names = ", ".join(map(repr, levels))
    raise OptionError(
        f"pedigree= must name its grouping factor, one of {names}: pedigree={{name: table}}."
    )


def _read(option: str, name: str, value: Any, levels: pd.Index) -> RelatedLevels:
    if isinstance(value, RelatedLevels):
        return value
    if isinstance(levels, pd.MultiIndex):
        raise OptionError(
            f"{option}= cannot name the levels of the interaction {name!r}: make a column of them."
        )
    if option == "pedigree":
        related: RelatedLevels = load("related.pedigree:read_pedigree")(value, name)
        return related
    matrix, labels = _labelled(option, name, value, levels)
    if option == "precision":
        return RelatedLevels.of_precision(labels, matrix, option, name)
    dense = _covariance(f"{option}[{name!r}]", matrix)
    return RelatedLevels.of_precision(labels, _inverted(dense, f"{option}[{name!r}]"), option, name)


def _labelled(option: str, name: str, value: Any, levels: pd.Index) -> tuple[Any, pd.Index]:
    """Take the matrix and its labels apart."""
    where = f"{option}[{name!r}]"
    if isinstance(value, pd.DataFrame):
        labels = value.index
        if not labels.equals(value.columns) and not labels.astype(str).equals(
            value.columns.astype(str)
        ):
            raise DataError(f"rows and columns of {where} do not have the same labels.")
        matrix: Any = value.to_numpy(dtype=float)
    elif isinstance(value, tuple) and len(value) == 2:
        matrix, labels = value[0], pd.Index(value[1])
    else:
        matrix, labels = value, levels
        if getattr(matrix, "shape", None) != (len(levels), len(levels)):
            raise DataError(
                f"{where} has no labels and is not of the {len(levels)} levels in the data: give "
                "a DataFrame with labels, or a pair (matrix, labels)."
            )
    if not hasattr(matrix, "shape"):
        matrix = np.asarray(matrix, dtype=float)
    if matrix.shape != (len(labels), len(labels)):
        raise DataError(f"{where} has shape {matrix.shape} for {len(labels)} labels.")
    if labels.has_duplicates:
        twice = labels[labels.duplicated()].tolist()[0]
        raise DataError(f"{where} has the label {twice!r} twice.")
    return matrix, labels


def _covariance(where: str, matrix: Any) -> Array:
    dense: Array = np.asarray(
        matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float
    )
    if not np.isfinite(dense).all():
        raise DataError(f"{where} has elements that are not finite.")
    if np.abs(dense - dense.T).max(initial=0.0) > 1e-8 * np.abs(dense).max(initial=0.0):
        raise DataError(f"{where} is not symmetric.")
    return np.asarray((dense + dense.T) / 2.0)


def _inverted(covariance: Array, where: str) -> Array:
    size = np.sqrt(np.abs(np.diag(covariance)))
    values, vectors = np.linalg.eigh(covariance)
    if not values[0] > SINGULAR * values[-1]:
        kind = "singular" if values[0] > -1e-8 * abs(values[-1]) else "not positive definite"
        advice = "check its elements"
        if kind == "singular":
            advice = (
                "give levels that are identical (clones, twins) one label, or add a small number "
                "to its diagonal"
            )
        raise DataError(
            f"{where} is {kind} (least eigenvalue {values[0]:.2g}, largest {values[-1]:.2g}): "
            f"{advice}."
        )
    inverse = (vectors / values) @ vectors.T
    # Conditionally independent levels, as of a tree with its inner nodes, stay so.
    scaled = np.abs(inverse) * np.outer(size, size)
    inverse[scaled < 1e-14 * scaled.max()] = 0.0
    return np.asarray((inverse + inverse.T) / 2.0)


def _check_labels(related: RelatedLevels, name: str, levels: pd.Index) -> None:
    absent = levels[related.labels.get_indexer(levels) < 0]
    if not len(absent):
        return
    shown = ", ".join(repr(label) for label in absent[:3].tolist()) + (
        ", ..." if len(absent) > 3 else ""
    )
    told = f"{related.option}[{name!r}] does not have the levels {shown} of the data"
    as_text = pd.Index(related.labels.astype(str))
    if (as_text.get_indexer(absent.astype(str)) >= 0).any():
        raise DataError(
            f"{told}, which it has as {type(related.labels[0]).__name__} and the data as "
            f"{type(absent[0]).__name__}: make both the same."
        )
    raise DataError(f"{told} ({len(absent)} of {len(levels)}).")
