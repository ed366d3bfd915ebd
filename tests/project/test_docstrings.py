"""The help of every public name: its sections, and its examples, which are run.

The rule, for functions and methods defined by this package:

- Parameters names every argument but `self`; Returns is there unless nothing is returned;
  Raises is there where the body raises; all in numpydoc's order.
- Every function and method has Examples. See Also names things that exist.
- Properties say in a sentence what they are; the class that has them has Examples. So have all
  other public classes but errors and warnings, whose examples are the calls that raise them.

Examples are run with the names of `statsmodels_mixed` and of its `inference`, with `np`, `pd`
and `sm`, each docstring by itself.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from pages import Example, agrees

import statsmodels_mixed
from statsmodels_mixed import datasets, inference, plots
from statsmodels_mixed.comparison.likelihood_ratio import LikelihoodRatio
from statsmodels_mixed.formula.terms import Grouping, RandomTerm
from statsmodels_mixed.plots.accessor import Drawn
from statsmodels_mixed.prediction.results import MixedPrediction
from statsmodels_mixed.results.group_covariance import GroupCovariance
from statsmodels_mixed.tables.document import Document
from statsmodels_mixed.tables.table import Table

ORDER = (
    "Parameters",
    "Attributes",
    "Returns",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
)
HEADING = re.compile(r"^(\w[\w ]*)\n(-{3,})$", re.MULTILINE)
# Called by the constructors of statsmodels, not by users.
INTERNAL = {"initialize"}
# Classes of what functions return that have no name at the top.
RETURNED = (
    Document,
    GroupCovariance,
    Grouping,
    LikelihoodRatio,
    MixedPrediction,
    RandomTerm,
    Table,
)
# Methods that come from the literature.
SOURCES = {
    "LinearMixedModel.fit": ("Satterthwaite", "Kenward", "Bates", "Bell and McCaffrey"),
    "GeneralizedLinearMixedModel.fit": ("Pinheiro and Chao",),
    "LinearMixedModelResults.get_prediction": ("Henderson",),
    "Influence.covratio": ("Belsley",),
    "Power.table": ("Clopper",),
    "inference.anova": ("Self and Liang", "Stram and Lee"),
    "inference.bootstrap": ("Efron", "Field and Welsh"),
    "inference.cooks_distance": ("Cook (1977)",),
    "inference.denominators": ("Satterthwaite", "Fai and Cornelius", "Kenward and Roger"),
    "inference.f_test": ("Satterthwaite", "Kenward and Roger"),
    "inference.icc": ("Nakagawa",),
    "inference.profile": ("Bates and Watts",),
    "inference.r2": ("Nakagawa", "Johnson"),
    "inference.re_pca": ("Bates, Kliegl",),
    "inference.residuals": ("Williams",),
    "inference.simulated_residuals": ("Dunn and Smyth", "Hartig"),
    "inference.vif": ("Fox and Monette",),
    "inference.with_inference": ("Satterthwaite", "Kenward and Roger"),
}


def _unwrapped(member: Any) -> Any:
    """Return the function of a method, property or cached function."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, cached_property):
        return member.func
    if isinstance(member, Drawn):  # a plot: a function of what is drawn
        return member.function
    return inspect.unwrap(getattr(member, "__func__", member))


def _is_ours(member: Any) -> bool:
    module = getattr(_unwrapped(member), "__module__", None) or ""
    return inspect.isroutine(_unwrapped(member)) and module.startswith("statsmodels_mixed")


@cache
def _public() -> dict[str, Any]:
    spaces = {
        "": statsmodels_mixed,
        "inference.": inference,
        "datasets.": datasets,
        "plots.": plots,
    }
    found = {
        f"{start}{name}": getattr(m, name) for start, m in spaces.items() for name in m.__all__
    }
    found |= {kind.__name__: kind for kind in RETURNED}
    found["open"] = statsmodels_mixed.open
    return found


@cache
def classes() -> dict[str, type]:
    """Public classes that are no errors or warnings."""
    return {
        name.removeprefix("inference.").removeprefix("plots."): value
        for name, value in _public().items()
        if isinstance(value, type) and not issubclass(value, Exception)
    }


@cache
def routines() -> dict[str, Any]:
    """Public functions and methods that this package defines; each definition once."""
    found = {name: _unwrapped(value) for name, value in _public().items() if _is_ours(value)}
    for name, owner in classes().items():
        for key in dir(owner):
            getattr(owner, key, None)  # puts functions in the place of those that stand for them
            member = inspect.getattr_static(owner, key)
            hidden = key.startswith("_") or key in INTERNAL
            is_value = isinstance(member, property | cached_property)
            if _is_ours(member) and not hidden and not is_value:
                found[f"{name}.{key}"] = _unwrapped(member)
    first = {function: name for name, function in reversed(found.items())}
    return {name: function for function, name in first.items()}


@cache
def properties() -> dict[str, Any]:
    return {
        f"{name}.{key}": _unwrapped(inspect.getattr_static(owner, key))
        for name, owner in classes().items()
        for key in dir(owner)
        if not key.startswith("_")
        and isinstance(inspect.getattr_static(owner, key), property | cached_property)
        and _is_ours(inspect.getattr_static(owner, key))
    }


def sections(thing: Any) -> dict[str, str]:
    """Text of each section of a docstring by its heading; the opening under ``""``."""
    parts = HEADING.split(inspect.getdoc(thing) or "")
    return {"": parts[0], **dict(zip(parts[1::3], parts[3::3], strict=True))}


def _arguments(function: Any) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return [name for name in names if name not in ("self", "cls")]


def _raises(function: Any) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


each_routine = pytest.mark.parametrize("name", routines())


@each_routine
def test_sections_of_a_function(name):
    function = routines()[name]
    found = sections(function)
    assert found[""].split("\n")[0].endswith("."), "the first line is a sentence"
    headings = list(found)[1:]
    assert headings == [heading for heading in ORDER if heading in headings]
    wanted = {"Examples"}
    if _arguments(function):
        wanted.add("Parameters")
    if inspect.signature(function).return_annotation not in ("None", None):
        wanted.add("Returns")
    if _raises(function):
        wanted.add("Raises")
    if name.startswith("inference."):
        wanted.add("See Also")
    assert wanted - set(headings) == set()
    named = re.findall(r"^(\S.*)$", found.get("Parameters", ""), re.MULTILINE)
    described = {word for line in named for word in re.findall(r"\w+", line.split(":")[0])}
    assert [argument for argument in _arguments(function) if argument not in described] == []


@pytest.mark.parametrize("name", classes())
def test_sections_of_a_class(name):
    found = sections(classes()[name])
    headings = list(found)[1:]
    assert headings == [heading for heading in ORDER if heading in headings]
    assert "Examples" in headings
    assert {"Parameters", "Attributes"} & set(headings) or name.endswith("Wrapper")


@pytest.mark.parametrize("name", properties())
def test_a_property_says_what_it_is(name):
    assert sections(properties()[name])[""].split("\n")[0].endswith((".", ":"))


def test_errors_and_warnings_say_when_they_occur():
    kinds = [v for v in _public().values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) == 10
    assert [kind for kind in kinds if not (kind.__doc__ or "").split("\n")[0].endswith(".")] == []


@pytest.mark.parametrize("name", SOURCES)
def test_methods_name_their_sources(name):
    references = " ".join(sections(routines()[name])["References"].split())
    assert [source for source in SOURCES[name] if source not in references] == []


@pytest.mark.parametrize("name", [*routines(), *classes()])
def test_see_also_names_what_exists(name):
    thing = routines().get(name) or classes()[name]
    for other in re.findall(r"[\w.]+", sections(thing).get("See Also", "")):
        value: Any = None
        value = _variables().get(other.partition(".")[0], _public().get(other))
        for part in other.split(".")[1:]:
            value = getattr(value, part, None)
        assert value is not None, other


@cache
def _variables() -> dict[str, Any]:
    ours = {
        **{name: getattr(inference, name) for name in inference.__all__},
        **{name: getattr(datasets, name) for name in datasets.__all__},
        **{name: getattr(statsmodels_mixed, name) for name in statsmodels_mixed.__all__},
    }
    return {
        **ours,
        **{kind.__name__: kind for kind in RETURNED},
        "statsmodels_mixed": statsmodels_mixed,
        "plots": plots,
        "np": np,
        "pd": pd,
        "sm": sm,
    }


@pytest.mark.parametrize("name", [*routines(), *classes()])
def test_examples_print_what_the_help_shows(name):
    thing = routines().get(name) or classes()[name]
    found = doctest.DocTestParser().get_examples(sections(thing)["Examples"])
    assert found
    assert any(example.want for example in found)
    variables = dict(_variables())
    for example in found:
        printed = Example(example.source, example.want, 0, 0, False).run(variables)
        assert agrees(example.want, printed), f"{example.source}{printed}"


def test_public_names_are_seen():
    assert len(routines()) > 75
    assert len(classes()) > 20
    assert len(properties()) > 80
    assert {"mixedlm2", "inference.bootstrap", "VarCorr.to_frame"} <= set(routines())
    assert {"LinearMixedModelResults.sigma", "Bootstrap.frame"} <= set(properties())
