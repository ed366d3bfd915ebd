"""Calls of every public method with options of other kinds, by other names and of other lengths.

`calls` walks what an object offers, so that a new method is called too; one that needs arguments
must be named in `GOOD`.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_mixed.errors import MixedModelError, UnknownOptionError

__all__ = ["calls", "calls_of", "data", "foreign", "methods", "strange_values"]

# Of statsmodels, or changing the fit; the first is an array under a door of statsmodels.
NOT_CALLED = {
    "normalized_cov_params",
    "initialize",
    "load",
    "remove_data",
    "save",
    "restore",
    "from_formula",
}

# What a method cannot be called without.
GOOD: dict[str, tuple[Any, ...]] = {
    "adjusted": ("holm",),
    "bootstrap": (2,),
    "correlation": ("g",),
    "covariance": ("g",),
    "deviance_at": (3,),
    "emmeans": ("a",),
    "emtrends": ("a", "x"),
    "f_test": ("x = 0",),
    "info_criteria": ("aic",),
    "power": (2,),
    "refit": (np.arange(60) % 3,),
    "simulated_residuals": (20,),
    "std_dev": ("g",),
    "t_test": ("x = 0",),
    "t_test_pairwise": ("a",),
    "to_dir": ("fit",),
    "update": (". ~ . - a",),
    "wald_test": ("x = 0",),
    "with_response": (np.arange(60) % 3,),
    "write_parquet": ("fitted.parquet",),
}


@cache
def data() -> pd.DataFrame:
    """Return data of ten groups with responses of all kinds."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(10), 6)
    table = pd.DataFrame({"g": g, "x": rng.normal(size=60), "a": np.tile(list("pqr"), 20)})
    eta = 0.4 * table["x"] + rng.normal(size=10)[g]
    table["t"] = np.tile(np.arange(6.0), 10)
    table["y"] = eta + rng.normal(size=60)
    table["n"] = np.where(rng.uniform(size=60) < 0.2, 0, rng.poisson(np.exp(0.5 + 0.5 * eta)))
    table["o"] = np.digitize(table["y"], [-1.0, 0.0, 1.0])
    return table


def strange_values(data: pd.DataFrame) -> list[Any]:
    """Return values of all kinds, most of them not what any option takes."""
    return [
        None, True, -1, 0, 3, 2.5, 10**30, 1j, np.nan, np.inf,
        "nonsense", "", "x", "a\nb", b"x",
        [], [1, 2], [[1, 2], [3, 4]], ["zz"], [None], [[]], set(), iter([1]),
        {}, {"zz": 1}, {"x": "zz"}, {"a": ["zz"]}, {"x": [np.nan]}, {1: 2},
        np.zeros((2, 2)), np.array([]), np.array(3.0), np.full(len(data), np.nan),
        np.array(["a"] * len(data)),
        pd.Series([1.0]), pd.DataFrame({"q": [1]}), pd.DataFrame(), data, data.iloc[:0],
        object(), datetime.date(2020, 1, 1), lambda: 0,
    ]  # fmt: skip


def methods(owner: Any) -> list[str]:
    """Return the names of the public methods of an object."""
    results = getattr(owner, "_results", owner)
    kind = type(owner if isinstance(results, type) else results)  # models have the class of theirs
    return [
        name
        for name in dir(kind)
        if not name.startswith("_")
        and name not in NOT_CALLED
        and (inspect.isfunction(getattr(kind, name)) or inspect.ismethod(getattr(kind, name)))
    ]


def calls(owner: Any, name: str, data: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a method is called with, and which of it is strange.

    Raises
    ------
    AssertionError
        If it needs arguments that `GOOD` does not have.
    """
    good = (owner,) if name == "compare_lr_test" else GOOD.get(name, ())
    needed = [
        each.name
        for each in inspect.signature(getattr(owner, name)).parameters.values()
        if each.default is each.empty and each.kind < 2
    ]
    assert len(good) >= len(needed), f"GOOD must say how {name}({', '.join(needed)}) is called"
    yield from calls_of(getattr(owner, name), good, data)


def calls_of(
    function: Callable[..., Any], good: tuple[Any, ...], data: pd.DataFrame
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a function is called with, and which of it is strange; `good` it can take."""
    found = inspect.signature(function).parameters.values()
    given = dict(zip([each.name for each in found], good, strict=False))
    if not any(each.kind is each.VAR_KEYWORD for each in found):
        yield "misspelt", given | {"misspelt": 1}
    for each in found:
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            for value in strange_values(data):
                yield each.name, given | {each.name: value}


def foreign(function: Callable[..., Any], given: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return what a function answered otherwise than by a value or in a sentence of this package.

    Raises
    ------
    AssertionError
        If it takes a name that it does not have.
    """
    found = []
    for option, arguments in given:
        shown = f"{option}={arguments[option]!r}"
        try:
            repr(function(**arguments))
        except UnknownOptionError as error:
            assert option == "misspelt" and "misspelt=" in str(error)
        except MixedModelError as error:
            if not str(error).rstrip().endswith((".", "^", "?")):
                found.append(f"{shown}: {error}")
        except Exception as error:  # which is what this looks for
            found.append(f"{shown}: {type(error).__name__}: {error}")
        else:
            assert option != "misspelt", f"{function} takes any name"
    return found
