"""Contrasts of k means, by name: coefficients, a name for each, and how they are adjusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..frame.table.alignment import align_names

__all__ = ["METHODS", "ContrastMatrix", "check_number", "contrast_matrix"]


_DEGREES = ("linear", "quadratic", "cubic", "quartic", *(f"degree {i}" for i in range(5, 21)))
# Coefficients that are this close to whole numbers are taken for them.
_WHOLE = 0.05
# Coefficients of all contrasts together: 200 MB.
MOST_COEFFICIENTS = 25_000_000
# Coefficients whose sum is below this share of the largest are those of a contrast.
ZERO_SUM = 1e-6


@dataclass(frozen=True, eq=False)
class ContrastMatrix:
    """Contrasts of means.

    Parameters
    ----------
    names : list of str, length m
    matrix : ndarray, shape (m, k)
    adjust : str
        The adjustment for which these contrasts ask, if the user does not.
    pairs : bool
        Whether they are all differences of two means.
    words : str
        What they are, for the title of a table.
    """

    names: list[str]
    matrix: Array
    adjust: str
    pairs: bool
    words: str

    @property
    def sums_to_zero(self) -> bool:
        """Whether all are contrasts in the strict sense."""
        largest = np.abs(self.matrix).max(axis=1, initial=0.0)
        return bool(np.all(np.abs(self.matrix.sum(axis=1)) <= ZERO_SUM * (ZERO_SUM + largest)))


def contrast_matrix(method: Any, labels: Sequence[str], **options: Any) -> ContrastMatrix:
    """Return the contrasts of means that a user asked for.

    Parameters
    ----------
    method : str, mapping of name to coefficients, or array_like, shape (m, k)
        One of `METHODS`, or the coefficients themselves.
    labels : sequence of str
        The k means.
    **options
        `ref`, a position or a label of a control; `max_degree` of polynomials.

    Raises
    ------
    OptionError
        If there is no such method, or coefficients do not fit the means.
    """
    if isinstance(method, str):
        name = _OTHER_NAMES.get(method.lower(), method.lower())
        if name not in METHODS:
            raise OptionError(
                f"contrasts are one of {', '.join(METHODS)}, a matrix or a dict, not {method!r}."
            )
        return METHODS[name](list(labels), **options)
    if isinstance(method, Mapping):
        names = [str(name) for name in method]
        rows = [align_names(each, [labels], "contrasts") for each in method.values()]
    else:
        method = align_names(method, [labels], "contrasts")
        rows = list(np.atleast_2d(_coefficients(method)))
        names = [f"c.{i}" for i in range(1, len(rows) + 1)]
        if hasattr(method, "index") and hasattr(method, "columns"):
            names = [str(label) for label in method.index]
    matrix = _coefficients(rows)
    if matrix.ndim != 2 or not matrix.size or matrix.shape[1] != len(labels):
        raise OptionError(
            f"each contrast needs {len(labels)} coefficients, one for each of the means "
            f"{', '.join(labels[:8])}{', ...' if len(labels) > 8 else ''}."
        )
    return ContrastMatrix(names, matrix, "none", False, "contrasts")


def _coefficients(given: Any) -> Array:
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise OptionError(f"coefficients of contrasts are numbers, not {given!r}.") from error
    if not np.isfinite(values).all():
        raise OptionError("coefficients of contrasts must be finite.")
    return values


def check_number(contrasts: int, means: int) -> None:
    """Refuse contrasts whose coefficients would take too much memory.

    Raises
    ------
    OptionError
    """
    if contrasts * means > MOST_COEFFICIENTS:
        raise OptionError(
            f"{contrasts} contrasts of {means} means are too many: take fewer levels by at=, "
            "contrasts within by=, or another kind of contrasts."
        )


def _pairs(labels: list[str], *, reverse: bool = False, **options: Any) -> ContrastMatrix:
    k = len(labels)
    check_number(k * (k - 1) // 2, k)
    order = [(i, j) for i in range(k) for j in range(i + 1, k)]
    if reverse:
        order = [(i, j) for i in range(k) for j in range(i)]
    matrix = np.zeros((len(order), k))
    for row, (i, j) in enumerate(order):
        matrix[row, i], matrix[row, j] = 1.0, -1.0
    names = [f"{labels[i]} - {labels[j]}" for i, j in order]
    return ContrastMatrix(names, matrix, "tukey", True, "pairwise differences")


def _reversed_pairs(labels: list[str], **options: Any) -> ContrastMatrix:
    return _pairs(labels, reverse=True)


def _control(labels: list[str], *, ref: Any = None, last: bool = False, **options: Any) -> Any:
    k = len(labels)
    at = (k - 1 if last else 0) if ref is None else _position(ref, labels)
    others = [i for i in range(k) if i != at]
    matrix = np.eye(k)[others] - np.eye(k)[at]
    names = [f"{labels[i]} - {labels[at]}" for i in others]
    return ContrastMatrix(names, matrix, "dunnett", False, "differences from control")


def _last_control(labels: list[str], **options: Any) -> ContrastMatrix:
    made: ContrastMatrix = _control(labels, **{**options, "last": True})
    return made


def _position(ref: Any, labels: list[str]) -> int:
    if isinstance(ref, int | np.integer) and not isinstance(ref, bool) and str(ref) not in labels:
        if 0 <= ref < len(labels):
            return int(ref)
    elif str(ref) in labels:
        return labels.index(str(ref))
    else:
        ends = [i for i, label in enumerate(labels) if label.endswith(str(ref))]
        if len(ends) == 1:
            return ends[0]
    raise OptionError(
        f"ref= is one of {', '.join(map(repr, labels))} or its position from 0 to "
        f"{len(labels) - 1}, not {ref!r}."
    )


def _polynomials(
    labels: list[str], *, max_degree: int | None = None, **options: Any
) -> ContrastMatrix:
    """Return orthogonal polynomials of equidistant levels, in whole numbers as tables have them."""
    k = len(labels)
    degree = min(6, k - 1) if max_degree is None else min(int(max_degree), k - 1, 20)
    if max_degree is not None and max_degree < 1:
        raise OptionError(f"max_degree= is 1 or more, not {max_degree!r}.")
    if degree < 1:
        return ContrastMatrix([], np.empty((0, k)), "none", False, "polynomial contrasts")
    x = np.arange(k) - (k - 1) / 2.0
    Q, R = np.linalg.qr(np.vander(x, degree + 1, increasing=True))
    columns = (Q * np.sign(np.diag(R)))[:, 1:]
    matrix = np.array([_whole_numbers(column) for column in columns.T])
    return ContrastMatrix(list(_DEGREES[:degree]), matrix, "none", False, "polynomial contrasts")


def _whole_numbers(column: Array) -> Array:
    scaled = column / column[column > 0.01].min()
    gap = np.abs(scaled - np.rint(scaled)).max()
    while gap > _WHOLE:
        scaled = scaled / gap
        gap = np.abs(scaled - np.rint(scaled)).max()
    return np.asarray(np.rint(scaled))


def _consecutive(labels: list[str], **options: Any) -> ContrastMatrix:
    k = len(labels)
    matrix = np.eye(k)[1:] - np.eye(k)[:-1]
    names = [f"{labels[i + 1]} - {labels[i]}" for i in range(k - 1)]
    return ContrastMatrix(names, matrix, "mvt", False, "changes between consecutive levels")


def _mean_changes(labels: list[str], **options: Any) -> ContrastMatrix:
    k = len(labels)
    matrix = np.array(
        [np.r_[np.full(i, -1.0 / i), np.full(k - i, 1.0 / (k - i))] for i in range(1, k)]
    ).reshape(k - 1, k)
    names = [f"{labels[i]}|{labels[i + 1]}" for i in range(k - 1)]
    return ContrastMatrix(names, matrix, "mvt", False, "mean after minus mean before")


def _effects(labels: list[str], **options: Any) -> ContrastMatrix:
    k = len(labels)
    names = [f"{label} effect" for label in labels]
    return ContrastMatrix(
        names, np.eye(k) - 1.0 / k, "fdr", False, "differences from the grand mean"
    )


def _deleted_effects(labels: list[str], **options: Any) -> ContrastMatrix:
    k = len(labels)
    matrix = (np.eye(k) - 1.0 / k) * (k / max(k - 1, 1))
    names = [f"{label} effect" for label in labels]
    return ContrastMatrix(names, matrix, "fdr", False, "differences from the mean of others")


def _identity(labels: list[str], **options: Any) -> ContrastMatrix:
    return ContrastMatrix(list(labels), np.eye(len(labels)), "none", False, "the means")


METHODS: dict[str, Callable[..., ContrastMatrix]] = {
    "pairwise": _pairs,
    "revpairwise": _reversed_pairs,
    "trt.vs.ctrl": _control,
    "trt.vs.ctrlk": _last_control,
    "poly": _polynomials,
    "consec": _consecutive,
    "eff": _effects,
    "del.eff": _deleted_effects,
    "mean_chg": _mean_changes,
    "identity": _identity,
}
_OTHER_NAMES = {"tukey": "pairwise", "dunnett": "trt.vs.ctrl", "trt.vs.ctrl1": "trt.vs.ctrl"}
