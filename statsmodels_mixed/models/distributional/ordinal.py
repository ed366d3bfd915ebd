"""Models of ordered categories."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from ..._typing import Array, Formula
from ...errors import MixedModelWarning, OptionError, warn_caller
from ...fitting.distributional.row_parameters import (
    RowParameters,
    read_piece,
    threshold_matrix,
    thresholds,
)
from ...fitting.families.parted import Ordered
from ...fitting.fixed_effects.basis import orthonormal_basis
from ...fitting.fixed_effects.column_spans import outside_span
from ...formula.other_parts import read_part
from ...formula.terms import MixedFormula
from ...frame.build import ModelFrame
from ...frame.design import Design
from ...frame.table.table import open_table, read_columns
from ...options import CATEGORIES, answering
from ..other_response import of_response, one_response
from .model import DistributionalMixedModel, check_formula

__all__ = ["OrdinalMixedModel", "mixedordinal2"]


# The links whose inverses are the functions of these names.
_FUNCTIONS = {"cloglog": "loglog", "loglog": "cloglog"}
# Of a column that depends on others no larger share is left.
_SPANNED = 1e-9
_THRESHOLDS = ("flexible", "symmetric", "equidistant")


class OrdinalMixedModel(DistributionalMixedModel):
    """A mixed model of ordered categories: P(Y <= j) = F(threshold_j - x'beta - z'b).

    Made by `mixedordinal2`.

    Parameters
    ----------
    kwargs : dict
        Models of this kind are not made from arrays.

    See Also
    --------
    DistributionalMixedModel

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
    >>> mixedordinal2("many ~ height + (1 | brood)", ticks)
    <OrdinalMixedModel: many ~ 1 + height + (1 | brood); 403 rows>
    """

    _implied_intercepts = True
    threshold: str
    link_name: str
    categories: tuple[Any, ...]

    @classmethod
    @answering(CATEGORIES)
    def from_formula(  # type: ignore[override]
        cls,
        formula: str,
        data: Any,
        link: str = "logit",
        threshold: str = "flexible",
        *,
        nominal: Formula | None = None,
        weights: Any = None,
        offset: Any = None,
        contrasts: Any = None,
        subset: Any = None,
        missing: str = "drop",
        eval_env: Any = 0,
        functions: str = "any",
        relationship: Any = None,
        precision: Any = None,
        pedigree: Any = None,
    ) -> OrdinalMixedModel:
        """Make a model of ordered categories from a formula and a table.

        Parameters
        ----------
        formula : str
            Such as ``"rating ~ temp + (1 | judge)"``. The response is an ordered categorical, or
            numbers in their order; text is in that of the alphabet, with a warning. The
            thresholds take the place of the intercept, also where the formula leaves it out.
        data : DataFrame, pyarrow.Table, or mapping of str to array_like
        link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
            The distribution function F is that of the logistic or the normal distribution,
            ``exp(-exp(-x))``, ``1 - exp(-exp(x))`` or that of the Cauchy distribution: by the names
            that clmm of the R package ordinal has for them with one grouping factor. With more
            factors it has the names ``"cloglog"`` and ``"loglog"`` the other way round, as have
            its clm and polr of MASS.
        threshold : {"flexible", "symmetric", "equidistant"}
            Thresholds are free, symmetric about a center, or at equal distances.
        nominal : str, optional
            A formula of fixed effects such as ``"~ contact"`` that differ between thresholds
            (partial proportional odds): P(Y <= j) = F(threshold_j + w'gamma_j - x'beta - z'b).
            What it has is left out of `formula`.
        weights, offset, contrasts, subset, missing, eval_env, functions : optional
            As in `GeneralizedLinearMixedModel.from_formula`.
        relationship, precision, pedigree : optional
            Grouping factors whose levels are related, as in `LinearMixedModel.from_formula`.

        Returns
        -------
        OrdinalMixedModel

        Raises
        ------
        FormulaError, DataError, OptionError
            One sentence that names the term, the column or the option.

        See Also
        --------
        GeneralizedLinearMixedModel.from_formula

        References
        ----------
        Christensen (2019), A tutorial on fitting cumulative link mixed models with clmm2.

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
        >>> fit = mixedordinal2("many ~ cheight + (1 | brood)", ticks).fit()
        >>> fit.params.round(2).to_dict()
        {'no|few': -1.54, 'few|many': 2.27, 'cheight': -0.04}
        """
        if threshold not in _THRESHOLDS:
            raise OptionError(
                f"threshold={threshold!r} is not possible; choose one of {', '.join(_THRESHOLDS)}."
            )
        model = cls.__new__(cls)
        model._set_family(Ordered(), _FUNCTIONS.get(str(link), link), None)
        model.threshold, model.link_name = threshold, str(link)
        model._begin({} if nominal is None else {"nominal": nominal})
        made = model._from_formula(
            formula,
            data,
            None,
            None,
            None,
            weights=weights,
            offset=offset,
            exposure=None,
            contrasts=contrasts,
            subset=subset,
            missing=missing,
            eval_env=eval_env,
            functions=functions,
            relationship=relationship,
            precision=precision,
            pedigree=pedigree,
        )
        made._finish_formulas()
        made._note_alphabet(data)
        return made

    def _note_alphabet(self, data: Any) -> None:
        """Say so where labels have no order but that of the alphabet."""
        labels, name = list(self.categories), self.kept_design().response_name
        table = open_table(data)
        if name not in table.names or not all(isinstance(each, str) for each in labels):
            return
        dtype = read_columns(table, [name])[name].dtype
        if getattr(dtype, "ordered", False) or labels != sorted(labels):
            return
        note = (
            f"The categories of {name} are in the order of the alphabet, {' < '.join(labels)}: "
            "pandas.Categorical(values, categories, ordered=True) has another."
        )
        self.notes = (*self.notes, note)
        warn_caller(note, MixedModelWarning)

    def _set_parts(self, parts: dict[str, str]) -> None:
        super()._set_parts({})
        self.formulas = parts
        for name, text in parts.items():
            check_formula(name, text)
            self._fixed_formulas[name], random = read_part(name, text, "")
            if random:
                raise OptionError(f"{name}= has fixed effects only: leave random effects out.")

    def _finish_formulas(self) -> None:
        for matrix, W in self._other_matrices.values():
            _check_nominal(self.kept_design(), W, matrix.names)
        matrices = [W for _, W in self._other_matrices.values()]
        _check_thresholds(self.kept_design(), matrices)
        super()._finish_formulas()

    def _place_of(self, name: str) -> tuple[str, int, float]:
        return f"{name}: ", 0, 1.0

    def _own_options(self) -> dict[str, Any]:
        own = {name: value for name, value in super()._own_options().items() if name != "family"}
        return {**own, "link": self.link_name, "threshold": self.threshold}

    def _read(self, terms: MixedFormula, data: Any, **options: Any) -> tuple[Design, ModelFrame]:
        return super()._read(terms, data, implied_intercept=True, **options)

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        design = super()._prepare(design, rows)
        self.categories = design.response_levels or ()
        return design

    def with_response(self, y: Any) -> Self:
        """Return a model of another response.

        Parameters
        ----------
        y : array_like, shape (n,)
            Categories of the model; a Series goes by the labels of its rows.

        Returns
        -------
        OrdinalMixedModel

        Raises
        ------
        OptionError
            If y has not one of the categories for each row.
        DataError
            If the data were removed, or y has labels of other rows.

        See Also
        --------
        DistributionalResults.refit

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
        >>> model = mixedordinal2("many ~ cheight + (1 | brood)", ticks)
        >>> model.with_response(ticks["many"]).fit().params.round(2)["cheight"]
        np.float64(-0.04)
        """
        n, given = len(self.kept_design().y), np.asarray(one_response(self, y))
        if given.shape != (n,):
            raise OptionError(f"y must have one value for each of the {n} rows used.")
        codes = pd.Index(self.categories).get_indexer(given)
        if (codes < 0).any():
            raise OptionError(f"y must hold the categories of the model: {self.categories}.")
        return of_response(self, codes.astype(float), self.categories)

    def _rows(self, design: Design) -> RowParameters:
        m = len(self.categories) - 1
        counts = np.bincount(design.y.astype(int), minlength=m + 1)
        below = np.cumsum(counts)[:-1] / len(design.y)
        start = np.asarray(self.link(below), dtype=float)
        if design.offset is not None:
            start = start + np.mean(design.offset)
        effects = self._pieces.get("nominal")
        return thresholds(design.y, self.categories, self.threshold, start, effects)

    def _thresholds(self, kappa: Array, W: Array) -> Array:
        """Return the thresholds between the categories, shape (m, categories - 1).

        Parameters
        ----------
        kappa : ndarray
        W : ndarray, shape (m, c)
            Columns of `nominal`.
        """
        J, _ = threshold_matrix(self.categories, self.threshold)
        by_column = kappa.reshape(1 + W.shape[1], -1) @ J.T
        return np.asarray(by_column[0] + W @ by_column[1:])

    def _probabilities(self, eta: Array, thresholds: Array) -> Array:
        """Return the probabilities of the categories, shape (m, categories)."""
        below = thresholds - eta[:, None]
        inner = np.asarray(self.link.inverse(below), dtype=float)
        ends = np.ones((len(eta), 1))
        return np.diff(np.hstack([0.0 * ends, inner, ends]), axis=1)


def _check_thresholds(design: Design, matrices: list[Array]) -> None:
    """Refuse columns that depend on others together with the thresholds."""
    beside = np.hstack([np.ones((len(design.X), 1)), *matrices])
    whole = orthonormal_basis(np.hstack([beside, design.X]), None).columns
    own = orthonormal_basis(design.X, None).columns
    lost = [design.x_names[i] for i in own if i + beside.shape[1] not in whole]
    if lost:
        raise OptionError(
            f"{', '.join(lost)} depends linearly on other columns and the thresholds, which take "
            "the place of the intercept: leave it out, or take another reference level."
        )


def _check_nominal(design: Design, W: Array, names: tuple[str, ...]) -> None:
    """Refuse columns that depend on each other, or that the formula of the mean has too."""
    constant = np.ones((len(W), 1))
    both = np.hstack([constant, W])
    read_piece(0, both, ("Intercept", *names), "nominal", 0.0)
    shared = outside_span(design.X, constant, _SPANNED) & ~outside_span(design.X, both, _SPANNED)
    if shared.any():
        raise OptionError(
            f"{design.x_names[int(np.argmax(shared))]} is an effect that all thresholds share, and "
            "nominal= has it for each: leave it out of the formula or out of nominal=."
        )


mixedordinal2 = OrdinalMixedModel.from_formula
