"""What linear and generalized mixed models have in common: how they are made and predict."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from patsy.eval import EvalEnvironment
from statsmodels.base.model import LikelihoodModel

from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.crossprod import SharedStructure
from ..formula.terms import MixedFormula
from ..frame.build import ModelFrame, build_frame
from ..frame.design import Design, build_design
from ..frame.matrices.coding import CodedMatrix
from ..frame.table.alignment import align_names
from ..frame.table.columns import as_numbers
from ..frame.table.sources import Sources
from ..later import Method, load
from ..results.base import MixedModelResults
from ..results.fit_log import log_fit
from ..results.layout import Layout
from ..results.notes import warn
from ..results.with_inference import referring_to
from ..standard_errors.choice import Choice
from ..tables.document import Document
from ..tables.shown import Shown
from .evaluated import Evaluated
from .reading import names_for, read_terms
from .statsmodels_data import MixedData
from .written_formula import WrittenFormula

if TYPE_CHECKING:
    from .linear_predictor import linear_predictor
    from .other_response import with_response
else:
    linear_predictor = Method("models.linear_predictor:linear_predictor")
    with_response = Method("models.other_response:with_response")

__all__ = ["MixedModel"]


class MixedModel(Evaluated, Shown, LikelihoodModel):  # type: ignore[misc]
    """A model with random effects, before it is fitted.

    A class of models says in `_prepare` what it needs of the response and the groups, and
    in `link` how the mean depends on the linear predictor.
    """

    _title = "Mixed model"
    # Families other than the linear model take labels for the response.
    _labels = False
    # What `weights` are when there are none: plots of statsmodels divide by those of linear models.
    _no_weights: float | None = None

    link: Any
    design: Design | None
    # Kept for fits to other responses, once there was one.
    _structure: SharedStructure | None = None
    endog: Array | None
    exog: Array | None

    # How the formula was read: contrasts by column, which a saved model has lost, and whether
    # code was allowed.
    given_contrasts: Mapping[str, Any] | None = None
    coded_columns: tuple[str, ...] = ()
    functions: str = "any"
    # Formulas beside that of the mean, by option; whether their intercepts are left out; and
    # their matrices, to be used for new rows too, with their columns for the rows of the model.
    _other_formulas: Mapping[str, str] = MappingProxyType({})
    # Whether effects at times that differ by level may be those at its own times alone.
    _own_places = False
    _implied_intercepts = False
    _other_matrices: Mapping[str, tuple[CodedMatrix, Array]] = MappingProxyType({})
    # Whether fits to other responses begin with one analysis of what they have in common.
    _shares_analysis = True
    # Whether `with_response` has replaced that of the data.
    other_response = False

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        """Check what any fit needs and return the design to fit; `rows` are the labels."""
        raise NotImplementedError

    def _analyse(self, design: Design) -> SharedStructure:
        """Analyse what fits to other responses will have in common with this one."""
        raise NotImplementedError

    def _from_arrays(
        self, endog: ArrayLike, exog: ArrayLike, groups: Any, exog_re: Any, **options: Any
    ) -> None:
        """Set every attribute of a model made from arrays."""
        make = load("models.arrays:design_from_arrays")
        design, rows, n_dropped = make(endog, exog, groups, exog_re, labels=self._labels, **options)
        self._attach(design, rows, None, n_dropped)
        self._note_sources(**options)

    def _from_formula(
        self,
        formula: str | MixedFormula,
        data: Any,
        groups: Any,
        re_formula: str | None,
        vc_formula: Mapping[str, str] | None,
        *,
        eval_env: int | EvalEnvironment | Mapping[str, Any],
        functions: str,
        bars: bool = True,
        columns: Sequence[str] = (),
        **options: Any,
    ) -> Self:
        """Set every attribute of a model made from a formula.

        Names are looked up where `from_formula` was called: above it and `answering`.
        """
        if functions not in ("any", "safe"):
            raise OptionError(f"functions= is 'any' or 'safe', not {functions!r}.")
        names = names_for(eval_env, 3)
        safe = functions == "safe" or isinstance(names, int)
        names = {} if safe else names
        bars = bars and not options.get("other_random")
        terms, data = read_terms(formula, data, groups, re_formula, vc_formula, bars=bars)
        others = None
        if self._other_formulas:
            others = load("frame.other_formulas:OtherFormulas")(
                self._other_formulas, names, safe, self._implied_intercepts
            )
            columns = [*columns, *others.columns(data)]
        if columns:
            options["columns"] = list(dict.fromkeys(columns))
        design, frame = self._read(terms, data, env=names, safe=safe, **options)
        if others is not None:
            self._other_matrices = others.made(frame, options["contrasts"])
        self.formula_full = str(terms)
        self.given_contrasts = options["contrasts"]
        self.coded_columns = tuple(self.given_contrasts or ())
        self.functions = "safe" if safe else "any"
        self._attach(design, frame.index, frame, frame.n_dropped)
        self._note_sources(**options)
        return self

    def _read(self, terms: MixedFormula, data: Any, **options: Any) -> tuple[Design, ModelFrame]:
        """Match a formula with a table; `build_frame` has the options."""
        frame = build_frame(terms, data, own_places=self._own_places, **options)
        self._place_rows(frame)
        return build_design(frame), frame

    def _place_rows(self, frame: ModelFrame) -> None:
        """Find out what else a model needs of rows, while the labels of their columns are known."""

    def _attach(
        self, design: Design, rows: pd.Index | None, frame: ModelFrame | None, n_dropped: int
    ) -> None:
        design = self._prepare(design, rows)
        # Fits and what is asked of them later read these arrays: an edit would mix two data sets.
        for array in (design.y, design.X, design.weights, design.offset):
            if array is not None:
                array.flags.writeable = False
        self.design = design
        self.data = MixedData(design, rows, frame)
        self.frame = frame
        self.endog, self.exog = design.y, design.X
        self.weights = self._no_weights if design.weights is None else design.weights
        self.offset = design.offset
        self.layout = Layout.of(design, n_dropped)
        self._data_attr: list[str] = []
        self._init_keys: list[str] = []

    def _note_sources(
        self, *, offset: Any = None, exposure: Any = None, weights: Any = None, **_: Any
    ) -> None:
        """Remember where offset, exposure and weights came from, to find them in new data."""
        self.sources = Sources.of(offset, exposure, weights, self._is_weighted(weights))
        self.data.note_sources(self.sources, self.offset)

    def _is_weighted(self, given: Any) -> bool:
        """Return whether rows have prior weights, given as such or made by the response."""
        return self.design is not None and self.design.weights is not None

    def _seen_with(self, dof: str | None) -> Self:
        """Return this model as other packages see it behind a result with its own dof=."""
        data = self.data.seen_with(dof)
        if data is self.data:
            return self
        other = copy.copy(self)
        other.data = data
        return other

    @property
    def formula(self) -> WrittenFormula:
        """The formula as it was written.

        It shows and compares with its random effects. As plain text, in which other packages
        search, it is the formula of the fixed effects. A model made from arrays has none.
        """
        if self.frame is None:
            raise AttributeError("a model made from arrays has no formula.")
        terms = self.frame.formula
        return WrittenFormula(terms.text or str(terms), terms.fixed_formula)

    def update(
        self,
        formula: str,
        data: Any = None,
        *,
        eval_env: int | EvalEnvironment | Mapping[str, Any] = 0,
        **options: Any,
    ) -> Self:
        """Make a model like this one with a changed formula, other data or other options.

        Parameters
        ----------
        formula : str
            Such as ``". ~ . - x"`` or ``"~ . + (1 | h)"``: a dot left of the tilde is the
            response, on its right all that was there; ``. ~ .:z`` crosses the fixed effects and
            keeps the rest. Terms are added and taken away, random-effects terms and
            ``offset(...)`` too.
        data : table, optional
            New data; by default the rows and columns that this model uses, so that fits can be
            compared. A term with another column needs them.
        eval_env
            As in `from_formula`.
        options
            Those of `from_formula` that change, such as ``weights=``. Others stay.

        Returns
        -------
        LinearMixedModel or GeneralizedLinearMixedModel

        Raises
        ------
        FormulaError
            If the change cannot be read, or takes away what is not there.
        DataError
            If the model has not kept a column or rows that are needed.
        OptionError
            If the model was made from arrays, or weights, offset or exposure were arrays that do
            not go with new data.

        See Also
        --------
        LinearMixedModel.from_formula

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy"))
        >>> model.update(". ~ . - (days | subj) + (1 | subj)")
        <LinearMixedModel: reaction ~ 1 + days + (1 | subj); 180 rows>
        """
        names = names_for(eval_env, 2)
        if isinstance(names, int):
            names, options = {}, {"functions": "safe", **options}
        if not isinstance(names, EvalEnvironment):
            names = EvalEnvironment([names])
        model: Self = load("models.updated:updated")(self, formula, data, names, options)
        return model

    def _own_options(self) -> dict[str, Any]:
        """Return the options that only this kind of model takes from a formula."""
        related = {
            b.name: b.related for b in self.sufficient_design().blocks if b.related is not None
        }
        return {"precision": related} if related else {}

    if not TYPE_CHECKING:  # type checkers know what there is

        def __getattr__(self, name: str) -> Any:
            raise load("models.elsewhere:no_attribute_of_model")(self, name)

    def __repr__(self) -> str:
        formula = getattr(self, "formula_full", self.layout.response)
        return f"<{type(self).__name__}: {formula}; {self.layout.nobs} rows>"

    def _document(self) -> Document:
        formula = getattr(self, "formula_full", None)
        weights = None if isinstance(self.weights, float | None) else "given"
        facts = {"Weights": weights, "Offset": None if self.offset is None else "given"}
        # A fit does not show its model.
        describe = load("models.description:describe")
        document: Document = describe(self._title, formula, self.layout, **self._facts(), **facts)
        return document

    def _facts(self) -> dict[str, str]:
        """Return lines of the description that only this kind of model has."""
        return {}

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.layout.nobs

    @property
    def theta_names(self) -> list[str]:
        """Names of the covariance parameters."""
        return self.layout.theta_names

    @property
    def k_constant(self) -> int:
        """1 when the columns of X span a constant, else 0."""
        return self.data.k_constant

    def kept_design(self) -> Design:
        """Return the arrays of the model.

        Returns
        -------
        Design
            With `y`, `X`, `weights`, `offset` and the `blocks` of random effects.

        Raises
        ------
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModel.without_data

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> model.kept_design().X.shape
        (180, 2)
        """
        if self.design is None:
            raise DataError("the data of this model were removed; keep them to ask for this.")
        return self.design

    def _theta(self, theta: ArrayLike) -> Array:
        """Return covariance parameters as an array, after checking them."""
        if any(block.own_places for block in self.layout.blocks):
            raise OptionError(
                "theta does not say all of the covariances of effects at places that differ by "
                "level: the objective is one of the parameters of their structures, which fit() "
                "finds and its start= takes."
            )
        theta = align_names(theta, [self.theta_names], "theta")
        values = np.atleast_1d(as_numbers(theta, "theta"))
        wanted = sum(int(np.count_nonzero(block.pattern)) for block in self.layout.blocks)
        if values.shape != (wanted,) or not np.isfinite(values).all():
            raise OptionError(
                f"theta must be {wanted} finite numbers, for {', '.join(self.theta_names)}."
            )
        return values

    def _read_start(self, start: ArrayLike | None) -> Array | None:
        """Return numbers to start from, given in order or by the names of the parameters."""
        if start is None:
            return None
        names = (self.theta_names, [*self.theta_names, *self.layout.columns])
        return as_numbers(align_names(start, names, "start="), "start=")

    _linear_predictor = linear_predictor

    def _check_coefficients(self, start_params: ArrayLike | None) -> Array | None:
        if start_params is None:
            return None
        start_params = align_names(start_params, [self.layout.columns], "start_params=")
        values = as_numbers(start_params, "start_params=")
        most = len(self.layout.columns)
        if values.ndim != 1 or not 0 < len(values) <= most or not np.isfinite(values).all():
            raise OptionError(
                f"start_params= has one finite number for each estimable coefficient, at most "
                f"{most}; theta is given by start=."
            )
        return values

    def _finish(self, results: MixedModelResults, choice: Choice) -> Any:
        """Name the coefficients, warn the caller of `fit` and put labels on what it gets."""
        if len(results.estimates.beta) < len(self.layout.columns):
            self.data.keep_columns(results.estimates.columns, self.sufficient_design().X)
        log_fit(results)
        warn(results)
        if not choice.is_default:
            results = referring_to(results, choice)
        return results.wrapper(results)

    with_response = with_response

    def without_data(self) -> Self:
        """Return a copy without data, for results that are to be small.

        Returns
        -------
        LinearMixedModel or GeneralizedLinearMixedModel

        See Also
        --------
        LinearMixedModelResults.remove_data

        Examples
        --------
        >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
        >>> model.without_data().endog is None
        True
        """
        bare = copy.copy(self)
        bare._structure = None
        bare.design = bare.endog = bare.exog = bare.weights = None
        bare.offset = None if self.offset is None else self.offset[:0]
        bare.data = self.data.without_rows()
        bare.frame = bare.data.model_frame
        return bare
