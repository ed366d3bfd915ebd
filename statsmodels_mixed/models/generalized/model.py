"""The face statsmodels users know: `GeneralizedLinearMixedModel`, also `smf.mixedglm2`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from patsy.eval import EvalEnvironment

from ..._typing import Formula, Numbers
from ...errors import OptionError
from ...fitting.crossprod import one_thread_if_small
from ...fitting.generalized.rows_together import fit_rows_together
from ...fitting.search.optimize import FitOptions
from ...formula.terms import MixedFormula, RandomTerm
from ...later import load
from ...options import FITTING, MAKING, answering
from ...results.row_labels import find_clusters
from ...standard_errors.choice import choose
from ..kept_structure import structure_to_fit
from ..reading import kind_for, refuse_streams, streaming_options
from .evaluation import GeneralizedEvaluation
from .results import (
    GeneralizedLinearMixedModelResults,
    GeneralizedLinearMixedModelResultsWrapper,
)

__all__ = ["GeneralizedLinearMixedModel"]


class GeneralizedLinearMixedModel(GeneralizedEvaluation):
    """Generalized linear mixed model: g(E[y | b]) = X beta + Z b + offset.

    The random effects b of the levels of a grouping factor are independent and normal
    with covariance T T'; given them the responses are independent and follow the family.
    `from_formula`, also `smf.mixedglm2`, is the usual way to make one.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, 2)
        Response. With a binomial family 0 and 1, truth values, two labels (the second,
        as they are sorted, is success), proportions with the numbers of trials as
        `weights`, or two columns, successes and failures.
    exog : array_like, shape (n, p)
        Fixed-effects matrix, with a column of ones if the model has an intercept.
    groups : array_like, shape (n,), or mapping of str to array_like
        Level of every row; several grouping factors as a mapping by name.
    exog_re : array_like, shape (n, k), or mapping of str to array_like, optional
        Random-effects matrix, with a mapping for several grouping factors one for each
        of those that have more than a random intercept, the default.
    family : str or statsmodels family
        A name such as ``"poisson"``, or an object such as ``sm.families.Poisson()``: Binomial,
        `Bernoulli`, Poisson, Gamma, InverseGaussian, Gaussian or NegativeBinomial. Dispersions
        are estimated, alpha of the negative binomial among them: the value its object carries
        is not used.
    link : str or statsmodels link, optional
        A name such as ``"probit"`` or an object, in place of the link of the family.
    weights : array_like, shape (n,), optional
        Positive. Binomial: numbers of trials. Poisson, negative binomial: how many rows
        each row represents. Others: divisors of the dispersion.
    offset : array_like, shape (n,), optional
        Known part of the linear predictor.
    exposure : array_like, shape (n,), optional
        With a log link, what the mean is proportional to: its logarithm is added to the
        offset.
    missing : {"none", "drop", "raise"}
        What to do with rows that have missing values.

    Raises
    ------
    OptionError
        If the family cannot be modelled, or an option does not go with it.
    DataError
        If the arrays do not fit together or no model can be fitted to them.

    See Also
    --------
    LinearMixedModel

    Examples
    --------
    >>> contra = datasets.load("contra")
    >>> exog = np.ones((len(contra), 1))
    >>> families = sm.families
    >>> GeneralizedLinearMixedModel(contra["use"], exog, contra["dist"], family=families.Binomial())
    <GeneralizedLinearMixedModel: use; 1934 rows>
    """

    of_batches = "models.streamed.generalized:StreamedGeneralizedMixedModel"

    @answering(MAKING)
    def __init__(
        self,
        endog: ArrayLike,
        exog: ArrayLike,
        groups: Any,
        exog_re: Any = None,
        *,
        family: Any = None,
        link: Any = None,
        weights: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        missing: str = "none",
    ) -> None:
        self._set_family(family, link, exposure)
        if self.spec.parted:
            raise OptionError(
                f"a model of the family {self.spec.family} is made from a formula: mixedglm2."
            )
        self._from_arrays(
            endog,
            exog,
            groups,
            exog_re,
            weights=weights,
            offset=offset,
            exposure=exposure,
            missing=missing,
        )

    @classmethod
    @answering(MAKING)
    def from_formula(
        cls,
        formula: str | MixedFormula,
        data: Any,
        family: Any = None,
        groups: Any = None,
        re_formula: str | None = None,
        vc_formula: Mapping[str, str] | None = None,
        *,
        link: Any = None,
        weights: Any = None,
        offset: Any = None,
        exposure: Any = None,
        zero_inflation: Formula | None = None,
        hurdle: Formula | None = None,
        dispersion: Formula | None = None,
        contrasts: Mapping[str, Any] | None = None,
        subset: Any = None,
        missing: str = "drop",
        eval_env: int | EvalEnvironment | Mapping[str, Any] = 0,
        functions: str = "any",
        relationship: Any = None,
        precision: Mapping[str, Any] | None = None,
        pedigree: Any = None,
        batch_rows: int | None = None,
        progress: bool | None = None,
    ) -> GeneralizedLinearMixedModel:
        """Make a model from a formula and a table.

        Parameters
        ----------
        formula : str or MixedFormula
            Such as ``"use ~ age + urban + (1 | dist)"``; a binomial response may be two
            columns, ``"hits + misses ~ ..."``. Without bars together with `groups`.
        data : DataFrame, pyarrow.Table, mapping, path, dataset or lazy table
            The table. Paths, datasets and lazy tables are read by batches, at every step of PIRLS.
        family : str or statsmodels family
            Such as ``"binomial"`` or ``sm.families.Binomial()``; see
            `GeneralizedLinearMixedModel`, also for the responses it takes.
        link : str or statsmodels link, optional
            Such as ``"probit"``, in place of the link of the family.
        weights : str or array_like, optional
            A column, or one number per row of `data`: numbers of trials if the family is
            binomial and the response a proportion.
        offset : str or array_like, optional
            Known part of the linear predictor: a column, or one number per row of `data`.
        exposure : str or array_like, optional
            What the mean is proportional to, with a log link: a column, or one number per
            row of `data`.
        zero_inflation, hurdle, dispersion : str, optional
            Formulas such as ``"~ x"`` for the probability of zeros besides those of the
            family, for the probability of all zeros, or for the dispersion; the first two may have
            random effects, ``"~ x + (1 | g)"``. The model is a `DistributionalMixedModel` then.
        groups, re_formula, vc_formula, contrasts, subset, missing, eval_env, functions : optional
            As in `LinearMixedModel.from_formula`.
        relationship, precision, pedigree : optional
            Grouping factors whose levels are related, as in `LinearMixedModel.from_formula`.
        batch_rows, progress : optional
            For data that are read by batches, as in `LinearMixedModel.from_formula`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model, to be fitted by `fit`.

        Raises
        ------
        FormulaError, DataError, OptionError
            One sentence that names the term, the column or the option.

        Warns
        -----
        MixedModelWarning
            Counts are not whole.

        See Also
        --------
        LinearMixedModel.from_formula, parse

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> model = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial())
        >>> model
        <GeneralizedLinearMixedModel: use ~ 1 + urban + (1 | dist); 1934 rows>
        """
        given = {"zero_inflation": zero_inflation, "hurdle": hurdle, "dispersion": dispersion}
        formulas = {name: text for name, text in given.items() if text is not None}
        kind = kind_for(cls, data, batch_rows, progress)
        model = kind.__new__(kind)
        model._set_family(family, link, exposure)
        if formulas or model.spec.parted:
            refuse_streams(data, "formulas for zeros and dispersion, and families with more parts,")
            kind = load("models.distributional.model:DistributionalMixedModel")
            model = kind.__new__(kind)
            model._set_family(family, link, exposure)
        model._begin(formulas)
        made = model._from_formula(
            formula,
            data,
            groups,
            re_formula,
            vc_formula,
            weights=weights,
            offset=offset,
            exposure=exposure,
            contrasts=contrasts,
            subset=subset,
            missing=missing,
            eval_env=eval_env,
            functions=functions,
            other_random=model._other_random(),
            relationship=relationship,
            precision=precision,
            pedigree=pedigree,
            **streaming_options(batch_rows, progress),
        )
        made._finish_formulas()
        return made

    def _begin(self, formulas: dict[str, str]) -> None:
        """Take formulas other than that of the mean, which this kind of model has not."""

    def _other_random(self) -> tuple[RandomTerm, ...]:
        """Return the random effects of these formulas."""
        return ()

    def _finish_formulas(self) -> None:
        """Read these formulas, which this kind of model has not."""

    @answering(FITTING)
    def fit(
        self,
        *,
        n_agq: int = 1,
        fast: bool = False,
        hessian: str | None = None,
        dof: str | None = None,
        cov_type: str | None = None,
        cov_kwds: Mapping[str, Any] | None = None,
        start: Numbers | None = None,
        start_params: Numbers | None = None,
        optimizer: str = FitOptions.optimizer,
        ftol_rel: float = FitOptions.ftol_rel,
        ftol_abs: float = FitOptions.ftol_abs,
        xtol_rel: float = FitOptions.xtol_rel,
        xtol_abs: float = FitOptions.xtol_abs,
        max_eval: int = FitOptions.max_eval,
        max_time: float = FitOptions.max_time,
        solver: str = FitOptions.solver,
        probes: int = FitOptions.probes,
        seed: int = FitOptions.seed,
    ) -> GeneralizedLinearMixedModelResultsWrapper:
        """Estimate the model by maximum likelihood.

        Parameters
        ----------
        n_agq : int
            Points of adaptive Gauss-Hermite quadrature for each random effect of a level,
            which needs a single grouping factor, at most 10000; 1 is the Laplace approximation.
            Several terms of the factor, as (1 + x || g) has, are taken together.
        fast : bool
            Take the coefficients from the joint mode with the random effects instead of
            maximizing the likelihood over them: faster and less accurate.
        hessian : {None, "expected", "observed"}
            Information in the Laplace approximation; None is the expected one of the families
            that statsmodels has, and the observed one of others, which have no other. They agree
            for canonical links; elsewhere the observed one is often nearer to quadrature.
        dof : {None, "residual"}
            Degrees of freedom of t and F tests, of intervals and of the summary: none, so that
            tests are normal and chi-squared, or `df_resid`, with clusters their number less
            one.
        cov_type : {None, "conditional", "hessian", "cluster"}
            Standard errors given theta (and the dispersion), from the Hessian of the
            objective in all parameters, which accounts for their estimation, or robust to any
            dependence within clusters. None is the first for families that statsmodels has, and
            the second for others, whose means and dispersions are estimated together, and for
            inverse Gaussian responses.
        cov_kwds : dict, optional
            For clusters: ``groups``, a column of the model or one label per row, such that
            every level of a grouping factor lies in one cluster, and ``kind``, the correction
            for few clusters: ``"CR0"`` (none), ``"CR1"`` (the default), ``"CR1S"``.
        start : array_like, optional
            Where to start: theta, or theta, coefficients of the estimable columns (not with
            `fast`) and log dispersion if there is one. An alpha of almost zero is
            moved up, to where the gradient distinguishes it from zero.
        start_params : array_like, shape (rank,), optional
            Coefficients to start from, as statsmodels' `MICE` passes on those of an earlier
            fit; by default those of the model without random effects.
        optimizer, ftol_rel, ftol_abs, xtol_rel, xtol_abs, max_eval, max_time
            As in `FitOptions`.
        solver : {"auto", "direct", "iterative"}
            Factorization of the equations of penalized least squares; conjugate gradients, with
            random probes for determinant and traces, for crossed factors whose factorization no
            memory holds; or the latter where the former does not fit. See `monte_carlo` of the
            result.
        probes, seed : int
            Number of random probes of the iterative solver, and their seed.

        Returns
        -------
        GeneralizedLinearMixedModelResults
            The estimates. They do not change when the model is fitted again.

        Raises
        ------
        OptionError
            If an option does not exist, is not possible, or does not go with others.
        DataError
            If the data were removed, or the response cannot be fitted by the model.

        Warns
        -----
        ConvergenceWarning
            The optimizer stopped before the gradient vanished.
        SeparationWarning
            Some coefficients have no finite estimate.
        SingularFitWarning
            An estimated covariance matrix of random effects is not of full rank.
        RankWarning
            Columns of X were dropped because they depend linearly on others.

        See Also
        --------
        GeneralizedLinearMixedModelResults.with_inference, FitOptions

        References
        ----------
        Pinheiro and Chao (2006), Journal of Computational and Graphical Statistics 15, 58-81.

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> fit.converged, fit.params.round(3).to_dict()
        (True, {'Intercept': -0.7, 'urban[T.Y]': 0.65})
        """
        options = FitOptions(
            optimizer=optimizer,
            ftol_rel=ftol_rel,
            ftol_abs=ftol_abs,
            xtol_rel=xtol_rel,
            xtol_abs=xtol_abs,
            max_eval=max_eval,
            max_time=max_time,
            solver=solver,
            probes=probes,
            seed=seed,
        )
        if not isinstance(fast, bool | np.bool_):
            raise OptionError(f"fast must be True or False, not {fast!r}.")
        coefficients = self._check_coefficients(start_params)
        choice = choose(
            dof,
            cov_type,
            cov_kwds,
            read_clusters=partial(find_clusters, self),
            linear=False,
            fast=bool(fast),
            default=self.spec.errors,
        )
        results = self._fitted(
            n_agq=n_agq,
            fast=bool(fast),
            hessian=hessian or self.spec.information,
            start=self._read_start(start),
            coefficients=coefficients,
            options=options,
        )
        return self._finish(results, choice)  # type: ignore[no-any-return]

    def _fitted(self, **options: Any) -> GeneralizedLinearMixedModelResults:
        """Return the results; `fit_generalized` has the options."""
        design = self.kept_design()
        with one_thread_if_small(design):
            structure = partial(structure_to_fit, self, design)
            estimates = fit_rows_together(design, self.spec, structure, **options)
        return GeneralizedLinearMixedModelResults(self, estimates, self.layout)
