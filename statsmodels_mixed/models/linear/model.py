"""The face statsmodels users know: `LinearMixedModel`, also `smf.mixedlm2`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from patsy.eval import EvalEnvironment

from ..._typing import Numbers
from ...errors import OptionError
from ...fitting.crossprod import one_thread_if_small
from ...fitting.linear.fit import fit_linear
from ...fitting.search.optimize import FitOptions
from ...formula.terms import MixedFormula
from ...frame.design_checks import LARGEST_RESPONSE, SMALLEST_RESPONSE, check_groupings
from ...later import load
from ...options import FITTING, MAKING, answering
from ...results.row_labels import find_clusters
from ...standard_errors.choice import choose
from ..kept_structure import structure_to_fit
from ..reading import kind_for, names_for, streaming_options
from .evaluation import LinearEvaluation
from .results import LinearMixedModelResults, LinearMixedModelResultsWrapper

if TYPE_CHECKING:
    from ..residual.model import ResidualCovarianceModel

__all__ = ["LinearMixedModel"]


class LinearMixedModel(LinearEvaluation):
    """Linear mixed model: y = X beta + Z b + e.

    The random effects b of the levels of a grouping factor are independent and normal
    with covariance sigma^2 T T', the errors e independent and normal with variance
    sigma^2 / weight. `from_formula`, also `smf.mixedlm2`, is the usual way to make one.

    Parameters
    ----------
    endog : array_like, shape (n,)
        Response.
    exog : array_like, shape (n, p)
        Fixed-effects matrix, with a column of ones if the model has an intercept.
    groups : array_like, shape (n,), or mapping of str to array_like
        Level of every row; several grouping factors as a mapping by name.
    exog_re : array_like, shape (n, k), or mapping of str to array_like, optional
        Random-effects matrix, with a mapping for several grouping factors one for each
        of those that have more than a random intercept, the default.
    weights : array_like, shape (n,), optional
        Prior weights, positive.
    offset : array_like, shape (n,), optional
        Known part of the mean.
    missing : {"none", "drop", "raise"}
        What to do with rows that have missing values.

    Raises
    ------
    DataError
        If the arrays do not fit together or no model can be fitted to them.

    See Also
    --------
    GeneralizedLinearMixedModel

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> exog = sm.add_constant(sleep["days"])
    >>> model = LinearMixedModel(sleep["reaction"], exog, sleep["subj"])
    >>> model.fit().params.round(2).to_dict()
    {'const': 251.41, 'days': 10.47}
    """

    _results: type[LinearMixedModelResults] = LinearMixedModelResults

    of_batches = "models.streamed.linear:StreamedLinearMixedModel"

    @answering(MAKING)
    def __init__(
        self,
        endog: ArrayLike,
        exog: ArrayLike,
        groups: Any,
        exog_re: Any = None,
        *,
        weights: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        missing: str = "none",
    ) -> None:
        self._from_arrays(
            endog, exog, groups, exog_re, weights=weights, offset=offset, missing=missing
        )

    @classmethod
    @answering(MAKING)
    def from_formula(
        cls,
        formula: str | MixedFormula,
        data: Any,
        groups: Any = None,
        re_formula: str | None = None,
        vc_formula: Mapping[str, str] | None = None,
        *,
        weights: Any = None,
        offset: Any = None,
        contrasts: Mapping[str, Any] | None = None,
        subset: Any = None,
        missing: str = "drop",
        eval_env: int | EvalEnvironment | Mapping[str, Any] = 0,
        functions: str = "any",
        residual: str | None = None,
        dispersion: str | None = None,
        relationship: Any = None,
        precision: Mapping[str, Any] | None = None,
        pedigree: Any = None,
        batch_rows: int | None = None,
        progress: bool | None = None,
    ) -> LinearMixedModel | ResidualCovarianceModel:
        """Make a model from a formula and a table.

        Parameters
        ----------
        formula : str or MixedFormula
            Such as ``"reaction ~ days + (days | subj)"``; without bars together with
            `groups`.
        data : DataFrame, pyarrow.Table, mapping of str to array_like, path or lazy table
            The table; only the columns the model needs are read. A path of a Parquet, Arrow or
            CSV file or directory, a ``pyarrow.dataset.Dataset``, a ``polars.LazyFrame`` and a
            ``dask.dataframe`` are read by batches, in memory that does not grow with the rows.
        groups, re_formula, vc_formula : optional
            Random effects as statsmodels' `mixedlm` takes them: the column (or array) of
            groups, the formula of the effects of a group (a random intercept by default),
            and formulas of variance components by name.
        weights : str or array_like, optional
            Prior weights: a column, or one number per row of `data`.
        offset : str or array_like, optional
            Known part of the mean: a column, or one number per row of `data`.
        contrasts : mapping, optional
            How to code columns, such as ``{"days": Treatment()}``; they become categorical.
        subset : str, callable or array_like, optional
            The rows to use: a query, a function of the table, a mask or labels.
        missing : {"drop", "raise", "none"}
            What to do with rows where a needed column is missing.
        eval_env : int, EvalEnvironment or mapping
            Where functions in the formula are looked up: how many calls above this one
            (0: the caller), or the names themselves; -1 allows no code, as ``functions="safe"``.
        functions : {"any", "safe"}
            Evaluating a formula runs the Python code in it. ``"safe"`` allows columns,
            arithmetic and named functions only (``np.log``, ``C``, ``bs``, ...).
        residual : str, optional
            Covariance of the residuals of a subject, such as ``"us(visit | subject)"``,
            ``"ar1(time | subject)"`` or, one for each stratum, ``"us(visit | subject,
            by=arm)"``; the formula needs no random effects then.
        dispersion : str, optional
            What the residual standard deviation depends on: ``"~ arm"``, ``"power(x)"`` or
            ``"exp(x)"``.
        relationship : mapping of str to DataFrame or (matrix, labels), optional
            Grouping factors whose levels are related, with the covariance of the levels up to
            the variance that is estimated: of kin, of species in a phylogeny.
        precision : mapping of str to (matrix, labels), optional
            The same with the inverse of the covariance, which may be sparse.
        pedigree : mapping of str to DataFrame, or DataFrame, optional
            The same with a table of animal, sire and dam; by itself that of ``animal``.
        batch_rows : int, optional
            Rows that are read at a time, of data that are streamed.
        progress : bool, optional
            Whether to show bars while data are streamed; by default after a second, in terminals
            and notebooks.

        Returns
        -------
        LinearMixedModel
            The model, to be fitted by `fit`; with `residual` or `dispersion` it is a
            `ResidualCovarianceModel`.

        Raises
        ------
        FormulaError, DataError, OptionError
            One sentence that names the term, the column or the option.

        See Also
        --------
        GeneralizedLinearMixedModel.from_formula, parse

        References
        ----------
        Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1).

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> mixedlm2("reaction ~ days + (days | subj)", sleep)
        <LinearMixedModel: reaction ~ 1 + days + (1 + days | subj); 180 rows>
        """
        correlated = residual is not None or dispersion is not None
        kind = kind_for(cls, data, batch_rows, progress, correlated=correlated)
        if correlated:
            other: type[ResidualCovarianceModel] = load(
                "models.residual.model:ResidualCovarianceModel"
            )
            return other.from_formula(
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
                eval_env=names_for(eval_env, 2),
                functions=functions,
                relationship=relationship,
                precision=precision,
                pedigree=pedigree,
            )
        return kind.__new__(kind)._from_formula(
            formula,
            data,
            groups,
            re_formula,
            vc_formula,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            subset=subset,
            missing=missing,
            eval_env=eval_env,
            functions=functions,
            relationship=relationship,
            precision=precision,
            pedigree=pedigree,
            **streaming_options(batch_rows, progress),
        )

    @answering(FITTING)
    def fit(
        self,
        reml: bool = False,
        *,
        sigma: float | None = None,
        dof: str | None = None,
        cov_type: str = "nonrobust",
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
    ) -> LinearMixedModelResultsWrapper:
        """Estimate the model.

        Parameters
        ----------
        reml : bool
            Minimize the REML criterion; by default the likelihood is maximized.
        sigma : float, optional
            Known residual standard deviation; estimated by default.
        dof : {None, "residual", "satterthwaite", "kenward-roger", "kenward-roger-linear"}
            Degrees of freedom of t and F tests, of intervals and of the summary: none, so that
            tests are normal and chi-squared; `df_resid`, with clusters their number less one;
            Satterthwaite's, computed for every contrast; or Kenward and Roger's, who also
            adjust the standard errors, with or without the second derivatives of covariance
            structures.
        cov_type : {"nonrobust", "cluster"}
            Standard errors as the model implies them, or robust to any dependence within
            clusters.
        cov_kwds : dict, optional
            For clusters: ``groups``, a column of the model or one label per row, such that
            every level of a grouping factor lies in one cluster, and ``kind``, the correction
            for few clusters: ``"CR0"`` (none), ``"CR1"`` (the default), ``"CR1S"``,
            ``"CR2"`` or ``"CR3"`` (the jackknife over clusters).
        start : array_like, shape (n_theta,), optional
            Covariance parameters to start from.
        start_params : array_like, shape (rank,), optional
            Coefficients of an earlier fit, as statsmodels' `MICE` passes them on. They are
            checked; a fit solves for its coefficients and needs none to start from.
        optimizer : str
            ``"newton"`` or the name of an NLopt algorithm, such as ``"LN_BOBYQA"``. Of covariance
            structures and iterative solutions the first alone, without tolerances.
        ftol_rel, ftol_abs, xtol_rel, xtol_abs : float
            Stop when a step changes the objective, or every element of theta, by less.
        max_eval : int
            Largest number of evaluations of the objective; 0 for no limit.
        max_time : float
            Largest time in seconds; 0 for no limit.
        solver : {"auto", "direct", "iterative"}
            Factorization of the mixed-model equations; conjugate gradients, with random probes for
            determinant and traces, for crossed factors whose factorization no memory holds; or
            the latter where the former does not fit. See `monte_carlo` of the result.
        probes, seed : int
            Number of random probes of the iterative solver, and their seed.

        Returns
        -------
        LinearMixedModelResults
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
        SingularFitWarning
            An estimated covariance matrix of random effects is not of full rank.
        RankWarning
            Columns of X were dropped because they depend linearly on others.

        See Also
        --------
        LinearMixedModelResults.with_inference, FitOptions

        References
        ----------
        Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1).
        Satterthwaite (1946), Biometrics Bulletin 2, 110-114. Fai and Cornelius (1996), Journal of
        Statistical Computation and Simulation 54, 363-378. Kenward and Roger (1997), Biometrics 53,
        983-997. Bell and McCaffrey (2002), Survey Methodology 28, 169-181
        (CR2).

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", sleep).fit(reml=True)
        >>> fit.converged, round(fit.sigma, 3)
        (True, 25.592)
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
        if not isinstance(reml, bool | np.bool_):
            raise OptionError(f"reml must be True or False, not {reml!r}.")
        self._check_coefficients(start_params)
        choice = choose(
            dof,
            cov_type,
            cov_kwds,
            read_clusters=partial(find_clusters, self),
            linear=True,
            reml=bool(reml),
        )
        design = self.sufficient_design()
        check_groupings(design, allow_observation_level=sigma is not None, normal=True)
        with one_thread_if_small(design):
            estimates = fit_linear(
                design,
                reml=bool(reml),
                sigma=None if sigma is None else _positive(sigma),
                start=self._read_start(start),
                options=options,
                structure=None if solver == "iterative" else structure_to_fit(self, design),
            )
        results = self._results(self, estimates, self.layout)
        wrapped: LinearMixedModelResultsWrapper = self._finish(results, choice)
        return wrapped


def _positive(sigma: Any) -> float:
    """Return a residual standard deviation whose square is a double."""
    if (
        not isinstance(sigma, int | float | np.number)
        or not SMALLEST_RESPONSE < sigma < LARGEST_RESPONSE
    ):
        raise OptionError(
            f"sigma={sigma!r} is not possible; give a positive number, whose square is no less and "
            "no more than numbers can be."
        )
    return float(sigma)
