"""Linear models with `residual=` or `dispersion=`: correlated residuals, unequal variances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from patsy.eval import EvalEnvironment
from statsmodels.genmod.families.links import Identity

from ..._typing import Array, Numbers
from ...errors import OptionError
from ...fitting.crossprod import SharedStructure
from ...formula.residual import (
    parse_dispersion,
    parse_residual,
)
from ...frame.design import Design
from ...frame.design_checks import check_groupings, check_linear_response, check_random_columns
from ...frame.model_frame import ModelFrame
from ...options import FITTING, answering
from ...residual_covariance.cells import read_cells
from ...residual_covariance.dispersion import read_dispersion
from ...residual_covariance.fit import fit_residual
from ...residual_covariance.problem import changes_of, covariance_model
from ...results.notes import warn
from ...standard_errors.residual_choice import choose_residual, refer_residual
from ..reading import names_for
from .clusters import independent_clusters
from .likelihood import ResidualLikelihood
from .results import ResidualCovarianceResults, ResidualCovarianceResultsWrapper

__all__ = ["ResidualCovarianceModel"]


class ResidualCovarianceModel(ResidualLikelihood):
    """Linear model y = X beta + Z b + e in which the residuals e have a covariance matrix.

    `smf.mixedlm2` with `residual=` or `dispersion=` makes one. Residuals of different subjects
    are independent; within a subject they have the covariance that a structure gives to their
    visits or times, by their values. Random effects may be added, or left out: a model for
    repeated measures (MMRM), or generalized least squares.

    Parameters
    ----------
    endog, exog
        Arrays are not taken: residuals have places by name.

    See Also
    --------
    LinearMixedModel.from_formula

    References
    ----------
    Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, chapter 5. Mallinckrodt et
    al. (2008), Drug Information Journal 42, 303-319.

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> model = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)")
    >>> fit = model.fit(reml=True)
    >>> fit.params.round(2).to_dict(), round(fit.llf, 3)
    ({'Intercept': 253.74, 'days': 10.47}, -869.603)
    """

    link = Identity()
    _implied_intercepts = True
    _shares_analysis = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise OptionError(
            "models with residual= or dispersion= are made from formulas: mixedlm2(formula, data, "
            'residual="us(visit | subject)").'
        )

    @classmethod
    def from_formula(
        cls,
        formula: Any,
        data: Any,
        groups: Any = None,
        re_formula: str | None = None,
        vc_formula: Mapping[str, str] | None = None,
        *,
        residual: str | None = None,
        dispersion: str | None = None,
        weights: Any = None,
        offset: Any = None,
        contrasts: Mapping[str, Any] | None = None,
        subset: Any = None,
        missing: str = "drop",
        eval_env: int | EvalEnvironment | Mapping[str, Any] = 0,
        functions: str = "any",
        relationship: Any = None,
        precision: Mapping[str, Any] | None = None,
        pedigree: Any = None,
    ) -> ResidualCovarianceModel:
        """Make a model from a formula and a table.

        Parameters
        ----------
        formula, data, groups, re_formula, vc_formula
            As for `LinearMixedModel.from_formula`.
        residual, dispersion : str, optional
            One of them at least.
        weights, offset, contrasts, subset, missing, eval_env, functions
            As for `LinearMixedModel.from_formula`.
        relationship, precision, pedigree : optional
            How levels of grouping factors are related, as for `LinearMixedModel.from_formula`.

        Returns
        -------
        ResidualCovarianceModel

        Raises
        ------
        FormulaError, DataError, OptionError
            One sentence that names the term, the column or the option.

        See Also
        --------
        LinearMixedModel.from_formula

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> ResidualCovarianceModel.from_formula(
        ...     "reaction ~ days", sleep, residual="ar1(days | subj)", dispersion="exp(days)"
        ... )
        <ResidualCovarianceModel: reaction ~ 1 + days; ar1(days | subj); exp(days); 180 rows>
        """
        if residual is None and dispersion is None:
            raise OptionError("a ResidualCovarianceModel needs residual= or dispersion=.")
        return cls.__new__(cls)._with_residuals(
            formula,
            data,
            groups,
            re_formula,
            vc_formula,
            residual=residual,
            dispersion=dispersion,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            subset=subset,
            missing=missing,
            eval_env=names_for(eval_env, 1),
            functions=functions,
            relationship=relationship,
            precision=precision,
            pedigree=pedigree,
        )

    def _own_options(self) -> dict[str, Any]:
        return {
            **super()._own_options(),
            "residual": None if self.residual is None else self.residual.text,
            "dispersion": None if self.dispersion is None else self.dispersion.text,
        }

    def _with_residuals(
        self,
        formula: Any,
        data: Any,
        groups: Any,
        re_formula: str | None,
        vc_formula: Mapping[str, str] | None,
        *,
        residual: str | None,
        dispersion: str | None,
        **options: Any,
    ) -> Self:
        """Set every attribute of a model made from a formula."""
        self.residual = None if residual is None else parse_residual(residual)
        self.dispersion = None if dispersion is None else parse_dispersion(dispersion)
        columns = list(() if self.residual is None else self.residual.columns)
        if self.dispersion is not None:
            if self.dispersion.kind == "formula":
                self._other_formulas = {"dispersion": self.dispersion.text}
            else:
                columns.append(self.dispersion.code)
        self._from_formula(
            formula,
            data,
            groups,
            re_formula,
            vc_formula,
            bars=False,
            columns=columns,
            **options,
        )
        assert self.frame is not None
        if self.dispersion is not None:
            matrix = None
            if self.dispersion.kind == "formula":
                coded, values = self._other_matrices["dispersion"]
                matrix = values, coded.names
            spread = read_dispersion(
                self.dispersion, self.frame.rows.columns, matrix, self.cells.structures
            )
            self.cells = replace(self.cells, dispersion=spread)
        self.cells = replace(self.cells, changes=changes_of(self.kept_design()))
        said = [each.text for each in (self.residual, self.dispersion) if each is not None]
        self.formula_full = f"{self.formula_full}; {'; '.join(said)}"
        covariance_model(self.cells, self.kept_design().blocks)  # whose structures may refuse
        return self

    def _place_rows(self, frame: ModelFrame) -> None:
        self.cells = read_cells(self.residual, frame.rows)

    def _prepare(self, design: Design, rows: pd.Index | None) -> Design:
        """Refuse responses and groups that no linear model can have."""
        check_linear_response(design)
        check_random_columns(design)
        check_groupings(design, allow_observation_level=True)
        return design

    def _analyse(self, design: Design) -> SharedStructure:
        raise OptionError("models with residual= or dispersion= keep no analysed structure.")

    @answering(FITTING)
    def fit(
        self,
        reml: bool = False,
        *,
        dof: str | None = None,
        cov_type: str = "nonrobust",
        cov_kwds: Mapping[str, Any] | None = None,
        information: str = "observed",
        start: Numbers | None = None,
        max_eval: int = 500,
    ) -> ResidualCovarianceResultsWrapper:
        """Estimate the model.

        Parameters
        ----------
        reml : bool
            Minimize the REML criterion; by default the likelihood is maximized.
        dof : str, optional
            Degrees of freedom of t and F tests, of intervals and of the summary:
            ``"residual"``, ``"between-within"``, ``"satterthwaite"``, ``"kenward-roger"``,
            ``"kenward-roger-linear"`` or ``"kenward-roger-mmrm"``; none by default, so that tests
            are normal. The last three, after a fit by REML, adjust the standard errors too, with
            second derivatives of the covariance in the parameters that SAS has, without them, and
            with those in the parameters of the R package mmrm.
        cov_type : {"nonrobust", "cluster"}
            Standard errors as the model implies them, or empirical ("sandwich").
        cov_kwds : dict, optional
            For empirical ones: ``kind``, ``"CR0"`` (the default), ``"CR1"``, ``"CR1S"``,
            ``"CR2"`` or ``"CR3"``, and ``groups``, the clusters: a column of the model or one
            label per row; by default the subjects.
        information : {"observed", "expected"}
            Information on the covariance parameters that Satterthwaite's and Kenward and
            Roger's methods take: the Hessian, as SAS and mmrm, or its mean, as Kenward and
            Roger (and pbkrtest).
        start : array_like, shape (n_theta,), optional
            Covariance parameters to start from, as `theta_names` says.
        max_eval : int
            Largest number of evaluations of the objective; 0 for no limit.

        Returns
        -------
        ResidualCovarianceResults
            The estimates. They do not change when the model is fitted again.

        Raises
        ------
        OptionError
            If an option does not exist, is not possible, or does not go with others.
        DataError
            If the data were removed.

        Warns
        -----
        ConvergenceWarning
            The minimization stopped before the gradient vanished.
        SingularFitWarning
            An estimated covariance matrix of random effects is not of full rank.
        RankWarning
            Columns of X were dropped because they depend linearly on others.

        See Also
        --------
        ResidualCovarianceResults.residual_covariance

        References
        ----------
        Kenward and Roger (1997), Biometrics 53, 983-997. Bell and McCaffrey (2002), Survey
        Methodology 28, 169-181.

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> model = mixedlm2("reaction ~ days", sleep, residual="cs(days | subj)")
        >>> fit = model.fit(reml=True, dof="kenward-roger")
        >>> fit.df_coef.round(1).to_dict()
        {'Intercept': 22.8, 'days': 161.0}
        """
        if not isinstance(reml, bool | np.bool_):
            raise OptionError(f"reml must be True or False, not {reml!r}.")
        choice = choose_residual(
            dof,
            cov_type,
            cov_kwds,
            information,
            read_clusters=partial(independent_clusters, self),
            reml=bool(reml),
        )
        estimates = fit_residual(
            self.problem,
            reml=bool(reml),
            start=self._read_start(start),
            max_eval=max_eval,
        )
        results = ResidualCovarianceResults(self, estimates, self.layout)
        if len(estimates.beta) < len(self.layout.columns):
            self.data.keep_columns(estimates.columns, self.kept_design().X)
        warn(results)
        if not choice.is_default:
            reference = refer_residual(
                choice, estimates, design=self.design, df_resid=results.df_resid
            )
            results = results._referring_to(reference)
        wrapped: ResidualCovarianceResultsWrapper = results.wrapper(results)
        return wrapped

    def predict(
        self, params: Numbers, exog: Numbers | None = None, offset: Numbers | None = None
    ) -> Array:
        """Return the fixed part of the mean, X beta + offset.

        Parameters
        ----------
        params, exog, offset
            As for `LinearMixedModel.predict`.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        DataError
            If the coefficients do not go with the columns, or the data were removed.

        See Also
        --------
        LinearMixedModel.predict

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> model = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)")
        >>> model.predict([250.0, 10.0])[:3]
        array([250., 260., 270.])
        """
        return self._linear_predictor(params, exog, offset)
