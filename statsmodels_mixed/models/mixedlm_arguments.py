"""The `smf.mixedlm` idiom, ``groups=``, ``re_formula=``, ``vc_formula=``, as a formula with bars.

    groups="g"                                        (1 | g)
    groups="g", re_formula="1 + x"                    (1 + x | g)
    groups="g", vc_formula={"a": "0 + C(h)"}          (1 | g & h)
    groups="g", vc_formula={"a": "0 + x"}             (0 + x | g)
    groups="g", vc_formula={"a": "0 + C(h):x"}        (0 + x | g & h)

A variance component gives each column of its matrix an independent coefficient of
common variance, group by group: that is a random-effects term as long as the formula is
one term, whose categorical factors join the grouping factor.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..errors import DataError, FormulaError, OptionError
from ..formula.parse import parse
from ..formula.terms import MixedFormula, quote_column
from ..formula.tokens import atoms
from ..frame.table.alignment import align
from ..frame.table.columns import as_array, as_column, is_number, tidy_values
from ..frame.table.table import DataTable, open_table, unknown_columns, whole_numbers_with_missing

__all__ = ["attach_groups", "translate"]


def translate(
    formula: str | MixedFormula,
    data: Any,
    groups: str,
    re_formula: str | None = None,
    vc_formula: Mapping[str, str] | None = None,
) -> MixedFormula:
    """Write the old idiom as a formula with bars.

    Parameters
    ----------
    formula : str
        The bar-free formula of response and fixed effects.
    data : table
        Consulted only to see whether a factor of a variance component is categorical.
    groups : str
        Column that holds the groups.
    re_formula : str, optional
        Formula of the random effects of a group; without it and without `vc_formula`
        a random intercept.
    vc_formula : mapping of str to str, optional
        Formulas of the variance components by name.

    Returns
    -------
    MixedFormula
        With the translation as its text.

    Raises
    ------
    OptionError
        If the formula has bars as well, or a variance component cannot be written as a
        random-effects term.
    FormulaError
        If a formula cannot be read.
    """
    if not isinstance(re_formula, str | None):
        raise OptionError(f"re_formula= is the text of a formula, not {re_formula!r}.")
    if vc_formula is not None and not (
        isinstance(vc_formula, Mapping) and all(isinstance(v, str) for v in vc_formula.values())
    ):
        raise OptionError(f"vc_formula= is a dict of formulas by name, not {vc_formula!r}.")
    if not isinstance(formula, str):
        raise OptionError("groups= goes with the text of a formula that has no bars.")
    if _has_bars(formula):
        raise OptionError(
            "random effects are given twice, by bars in the formula and by groups=: choose one."
        )
    group = quote_column(groups)
    terms = []
    if re_formula is not None or not vc_formula:
        terms.append(f"({_right_side('1' if re_formula is None else re_formula)} | {group})")
    for name, code in (vc_formula or {}).items():
        terms.append(_component(name, code, data, group))
    return _parse(" + ".join([formula.strip(), *terms]), formula)


def attach_groups(data: Any, groups: Any) -> tuple[DataTable, str]:
    """Open the data and return the column of the groups, added if it was given as an array.

    Parameters
    ----------
    data : DataFrame, pyarrow.Table, mapping, or structured array
        Not changed.
    groups : str or array_like, shape (n,)
        Name of a column, or one label per row.

    Returns
    -------
    table : DataTable
        With the groups among its columns.
    name : str
        Their column: the array's own name if it has one and the data have no other column of
        this name, else ``"groups"``.
    """
    table = open_table(data)
    names = list(table.names)
    if isinstance(groups, str):
        if groups not in names:
            raise unknown_columns([groups], names)
        return table, groups
    own = getattr(groups, "name", None)
    if isinstance(own, str) and own in names and _holds(table, own, groups):
        return table, own
    name = own if isinstance(own, str) and own not in names else "groups"
    if name in names:
        raise OptionError(
            f"the data already have a column {name!r}: give groups= the name of a column."
        )
    groups = align(groups, table.index, "groups=")
    values = groups.array if isinstance(groups, pd.Series) else as_array(groups, "groups=")
    if values.ndim != 1 or len(values) != table.n_rows:
        raise DataError(
            f"groups= must have one label for each of the {table.n_rows} rows, "
            f"not shape {values.shape}."
        )
    return table.with_column(name, as_column(values, table.index, "groups=")), name


def _holds(table: DataTable, name: str, groups: Any) -> bool:
    """Return whether a column holds these groups: ``groups=data["g"]`` is ``groups="g"``."""
    given = align(groups, table.index, "groups=")
    if not isinstance(given, pd.Series) and hasattr(given, "to_pandas"):
        # A column of polars or pyarrow.
        whole = whole_numbers_with_missing(given)
        given = given.to_pandas() if whole is None else whole
    columns = [pd.Series(each).array for each in (table.read([name])[name], given)]
    column, labels = (pd.Series(each, dtype=object) for each in columns)
    return bool(column.equals(labels))


def _has_bars(formula: str) -> bool:
    """Return whether a formula already has random-effects terms."""
    if "|" not in formula:
        return False
    try:
        return bool(parse(formula).random)
    except FormulaError:
        return False  # the message will come when the translation is parsed


def _right_side(code: str) -> str:
    """Return a one-sided formula without its tilde."""
    left, tilde, right = code.partition("~")
    if tilde and left.strip():
        raise OptionError(f"{code!r} must be one-sided: nothing may be left of its tilde.")
    return (right if tilde else left).strip()


def _parse(text: str, original: str) -> MixedFormula:
    """Parse a text made from `original`; an error shows what the user wrote."""
    try:
        return parse(text)
    except FormulaError as error:
        inside = error.end is not None and error.end <= len(original)
        start, end = (error.start, error.end) if inside else (None, None)
        raise FormulaError(error.message, original if inside else text, start, end) from error


def _component(name: str, code: str, data: Any, group: str) -> str:
    """Return the random-effects term for one variance component."""
    right = _right_side(code)
    parts = _parse(f"y ~ 1 + ({right} || {group})", code).random
    if len(parts) > 1:
        raise OptionError(
            f"variance component {name!r}: {code!r} gives several effects one common variance; "
            "write one component for each, beginning with 0 +, such as '0 + C(f)'."
        )
    grouping, slopes = [group], []
    for atom in atoms(parts[0].effects) if parts[0].effects else ():
        factor = _categorical(atom, data)
        if factor is None:
            slopes.append(atom)
        else:
            grouping.append(quote_column(factor))
    effect = f"0 + {':'.join(slopes)}" if slopes else "1"
    return f"({effect} | {' & '.join(grouping)})"


def _categorical(atom: str, data: Any) -> str | None:
    """Return the column an atom takes as categorical, None if it is a number."""
    tree = ast.parse(atom, mode="eval").body
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        column = _column(tree.args[0]) if tree.args else None
        if tree.func.id == "C":
            if column is None or len(tree.args) > 1 or tree.keywords:
                raise OptionError(
                    f"vc_formula: {atom} is more than a column; write C(column) with its name."
                )
            return column
    name = _column(tree)
    if name is None:
        return None
    table = open_table(data)
    if name not in table.names:
        return None
    return None if is_number(tidy_values(table.read([name])[name])) else name


def _column(tree: ast.expr) -> str | None:
    """Return the column that ``name`` or ``Q("name")`` refers to."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "Q":
        argument = tree.args[0] if len(tree.args) == 1 else None
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
    return None
