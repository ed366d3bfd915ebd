"""A fitted generalized linear mixed model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.base.wrapper import populate_wrapper, union_dicts

from ..._typing import Array
from ...comparison.families_within import is_case
from ...errors import OptionError
from ...fitting.estimates import GeneralizedEstimates
from ...fitting.families.spec import family_object
from ...fitting.generalized.approximation import join_parameters
from ...fitting.search.monte_carlo import MonteCarlo
from ...fitting.separation import SolvedRows, separation
from ...later import load
from ...results.layout import Layout
from ...results.ratios import name_of_ratio, with_ratios
from ...results.summary import summarize
from ...results.wrapper import MixedModelResultsWrapper
from ...standard_errors.contrast_tests import ContrastTests
from ...standard_errors.reference import MODEL_BASED
from ...tables.cell_formats import significant
from ..methods import Methods
from .approximated import Approximated
from .predictions import GeneralizedPredictions
from .residuals import Residuals

if TYPE_CHECKING:
    from ...tables.document import Document
    from .model import GeneralizedLinearMixedModel

__all__ = [
    "GeneralizedLinearMixedModelResults",
    "GeneralizedLinearMixedModelResultsWrapper",
]


# Fitted means this near to all responses, in a fit without maximum, are on their way there.
EXACT = 0.02
COMPLETE = (
    "The response separates completely: the likelihood has no maximum, and nothing "
    "determines the covariance parameters."
)
_BEYOND = (
    "The likelihood is higher with an infinite coefficient than at the end of the search, as where "
    "means of the inverse link change their sign: take another link, or other start_params=."
)


class GeneralizedLinearMixedModelResults(Approximated, GeneralizedPredictions, Residuals, Methods):
    """The result of fitting a `GeneralizedLinearMixedModel`; see `MixedModelResults`.

    The log-likelihood `llf` is that of the approximation that was fitted, Laplace or
    quadrature, with all constants, and so are `aic`, `bic` and the tests built on it.
    `deviance` is relative to a saturated model. `cov_type` says what the standard errors
    are: ``"conditional"`` on theta and the dispersion, from the whole ``"hessian"``, or robust
    to dependence within a ``"cluster"``.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        The model that was fitted.
    estimates : GeneralizedEstimates
        The numbers.
    layout : Layout
        The names that go with them.

    See Also
    --------
    LinearMixedModelResults

    Examples
    --------
    >>> contra = datasets.load("contra")
    >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
    >>> fit.params.round(3).to_dict(), fit.converged, fit.method
    ({'Intercept': -0.7, 'urban[T.Y]': 0.65}, True, 'Laplace')
    >>> round(fit.llf, 2), round(fit.deviance, 2), fit.dof, fit.dispersion
    (-1251.59, 2503.17, 3, 1.0)
    """

    kind = "generalized linear mixed model"
    _by_default = "conditional"
    model: GeneralizedLinearMixedModel
    estimates: GeneralizedEstimates
    # The limit that was found while there were rows.
    _limit: str | None = None

    def __init__(
        self,
        model: GeneralizedLinearMixedModel,
        estimates: GeneralizedEstimates,
        layout: Layout,
    ):
        # phi, which is what statsmodels calls scale; alpha of the negative binomial is not.
        scale = estimates.dispersion if estimates.spec.scaled else 1.0
        estimates = self._look_for_separation(model, estimates)
        super().__init__(model, estimates, layout, scale)

    def _look_for_separation(
        self, model: GeneralizedLinearMixedModel, estimates: GeneralizedEstimates
    ) -> GeneralizedEstimates:
        """Note coefficients without finite estimates; without any fit there is no convergence."""
        design = model.kept_design()
        self.separation = separation(
            design.X[:, estimates.columns],
            design.y,
            estimates.spec,
            estimates.cov_conditional,
            converged=estimates.report.converged,
            rows=SolvedRows(estimates.eta, design.weights, estimates.dispersion),
        )
        if self.separation.higher_at_infinity:
            report = replace(estimates.report, converged=False, message=_BEYOND)
            estimates = replace(estimates, report=report)
        kept = estimates.columns[self.separation.found]
        self.separated = tuple(design.x_names[column] for column in kept)
        # All rows are fitted exactly then, in the limit.
        apart = np.abs(design.y - estimates.fitted).max(initial=0.0)
        if self.separated and apart < EXACT:
            report = replace(estimates.report, converged=False, message=COMPLETE)
            estimates = replace(estimates, report=report)
        return estimates

    @property
    def limit(self) -> str | None:
        """The distribution that a family without overdispersion is, where that was estimated."""
        fitted, design = self.estimates.fitted, self.model.design
        if not len(fitted):
            return self._limit
        return self._limit_at(fitted, None if design is None else design.weights)

    def _limit_at(self, mu: ArrayLike, trials: Any = None) -> str | None:
        estimates = self.estimates
        if not estimates.spec.has_dispersion:
            return None
        limit: str | None = load("fitting.families.limit_of_dispersion:limit_reached")(
            estimates.spec.family, np.log(estimates.dispersion), mu, trials
        )
        return limit

    def _note_before_removal(self) -> None:
        self._limit = self.limit

    @property
    def monte_carlo(self) -> MonteCarlo | None:
        """Monte Carlo errors of an iterative fit; None for a direct one, which has none."""
        return self.estimates.monte_carlo

    @property
    def dispersion(self) -> float:
        """Phi in the variance phi V(mu), alpha of the negative binomial, else 1."""
        return self.estimates.dispersion

    @property
    def family(self) -> Any:
        """The family, as statsmodels has it; a negative binomial with the estimated alpha."""
        # Made afresh each time, because statsmodels' models write into the object.
        return family_object(self.estimates.spec, self.estimates.dispersion)

    @property
    def bse(self) -> Array:
        """Standard errors, shape (rank,); NaN for coefficients without a finite estimate."""
        made = vars(self).get("reference")  # not before something needs it
        own = self.undetermined is None and (made is None or made.errors == MODEL_BASED)
        if own:
            with np.errstate(invalid="ignore"):  # rounding may leave nothing of a variance
                errors = np.sqrt(self.estimates.cov_conditional.diagonal())
        else:
            known = self._tests.known(np.eye(len(self.params)))
            errors = np.where(known, np.sqrt(self.cov_params().diagonal()), np.nan)
        return np.where(self.separation.found, np.nan, errors)

    @property
    def tvalues(self) -> Array:
        """Coefficients over standard errors, shape (rank,)."""
        return np.asarray(self.params / self.bse)

    def _aware(self, tests: ContrastTests) -> ContrastTests:
        tests = super()._aware(tests)
        return replace(tests, infinite=self.separation.found) if self.separated else tests

    def _finite(self, rows: Array) -> NDArray[np.bool_]:
        # A difference of two that go to infinity has no estimate either.
        return np.asarray(~((rows != 0) @ self.separation.found))

    @property
    def _residual_sd(self) -> float | None:
        scaled = self.estimates.spec.scaled
        return float(np.sqrt(self.estimates.dispersion)) if scaled else None

    @property
    def _searched(self) -> list[str]:
        names = self.theta_names + ([] if self.estimates.fast else self.fixefnames)
        return names + (["log dispersion"] if self.estimates.spec.has_dispersion else [])

    # Display.

    def coeftable(self, level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the coefficients with standard errors, z and two-sided p-values.

        Parameters
        ----------
        level : float, optional
            Give confidence intervals of this level too, such as 0.95.
        exponentiate : bool
            Give odds, rate or other ratios, exp(coefficient), in place of coefficients,
            with standard errors by the delta method and z and p of the coefficients.

        Returns
        -------
        DataFrame
            A row for each column of X, NaN for dropped ones.

        Raises
        ------
        OptionError
            If the exponential of a coefficient is no ratio with the link of the model, or the
            level is not between 0 and 1.

        See Also
        --------
        GeneralizedLinearMixedModelResults.summary

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> fit.coeftable(exponentiate=True).round(3)
                    Odds ratio  Std. Error      z  Pr(>|z|)
        Intercept        0.497       0.042 -8.355       0.0
        urban[T.Y]       1.916       0.219  5.685       0.0
        """
        if isinstance(level, bool):
            raise OptionError("level= is a number; write exponentiate=True by name.")
        table = super().coeftable(level)
        return with_ratios(table, self._ratio()) if exponentiate else table

    def _ratio(self) -> str:
        """Return the name of exp(coefficient)."""
        return name_of_ratio(self.estimates.spec)

    def summary(
        self,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
        *,
        exponentiate: bool = False,
    ) -> Document:
        """Summarize the fit: criteria, sizes, coefficients, variance components, facts.

        Parameters
        ----------
        yname : str, optional
            Name to show for the response.
        xname : sequence of str, optional
            Names to show for the estimable coefficients.
        title : str, optional
            First line instead of the one that names the kind of fit.
        alpha : float
            The confidence intervals have level 1 - alpha.
        exponentiate : bool
            Show odds, rate or other ratios, exp(coefficient), and their intervals.

        Returns
        -------
        Document
            Prints as text; has `as_html()`, `as_latex()`, `as_markdown()`, `as_csv()`.

        Raises
        ------
        OptionError
            If the exponential of a coefficient is no ratio with the link of the model.

        See Also
        --------
        GeneralizedLinearMixedModelResults.coeftable

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
        >>> print(fit.summary(exponentiate=True).as_text().splitlines()[0].strip())
        Generalized linear mixed model fit by maximum likelihood
        """
        ratio = self._ratio() if exponentiate else None
        return summarize(self, yname=yname, xname=xname, title_text=title, alpha=alpha, ratio=ratio)

    def _fit_options(self) -> dict[str, Any]:
        estimates = self.estimates
        start = join_parameters(
            estimates.spec,
            estimates.theta,
            estimates.beta,
            estimates.dispersion,
            fast=estimates.fast,
        )
        if estimates.structured is not None:
            start = estimates.structured.phi
        return {
            "n_agq": estimates.n_agq,
            "fast": estimates.fast,
            "hessian": estimates.hessian,
            "start": None if estimates.singular else start,
        }

    def _header(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        spec = self.estimates.spec
        success = self.model.success
        left = [
            *([] if success is None else [("Success:", str(success))]),
            ("Family:", type(self.model.family).__name__),
            ("Link:", _link_name(self.model.link)),
            ("Std. Errors:", self.reference.errors),
        ]
        right = [] if spec.own else [("Deviance:", f"{self.deviance:.4f}")]
        if spec.has_dispersion:
            label = "Dispersion (alpha):" if spec.family == "negative_binomial" else "Dispersion:"
            left.append((label, significant(self.dispersion)))
        return left, right

    def _own_facts(self) -> list[str]:
        facts = list(self.model.notes)
        if self.monte_carlo is not None:
            facts.append(self.monte_carlo.sentence)
        if self.estimates.several_modes:
            facts.append(
                "Conditional modes: with this family and link there are several at the estimates; "
                "the highest that was found is taken."
            )
        if self.separated:
            facts.append(
                "Separation: no finite estimate exists for the coefficients of "
                f"{', '.join(self.separated)}; they ran off until the fit stopped."
            )
        if self.limit is not None:
            in_words = load("fitting.families.limit_of_dispersion:limit_in_words")
            facts.append(f"Dispersion: {in_words(self.limit)}.")
        return facts

    def _check_comparable(self, restricted: GeneralizedLinearMixedModelResults) -> None:
        ours, theirs = self.estimates.spec, restricted.estimates.spec
        links = [(spec.link, spec.power, spec.zeros) for spec in (ours, theirs)]
        if links[0] != links[1] or not is_case(theirs, ours):
            raise OptionError(
                f"one model is {ours.family} with link {ours.link} and the other {theirs.family} "
                f"with link {theirs.link}; only models of the same family and link are "
                "compared, and families with those that are a case of them, such as negative "
                "binomial ones with Poisson ones."
            )

    @property
    def default_model_infos(self) -> dict[str, Callable[[Any], str]]:
        """The lines that statsmodels' `summary_col` adds below the coefficients."""
        return {
            "Family": lambda result: type(result.model.family).__name__,
            "Link": lambda result: _link_name(result.model.link),
            **super().default_model_infos,
        }


def _link_name(link: Any) -> str:
    """Return the name of a link's class, with the power where it says nothing of it."""
    name = type(link).__name__
    return f"{name}({link.power:g})" if name == "Power" else name


if TYPE_CHECKING:
    # A wrapper hands over all that it does not label.
    _Wrapped = GeneralizedLinearMixedModelResults
else:
    _Wrapped = object


class GeneralizedLinearMixedModelResultsWrapper(MixedModelResultsWrapper, _Wrapped):
    """`GeneralizedLinearMixedModelResults` with pandas labels on its arrays.

    Examples
    --------
    >>> contra = datasets.load("contra")
    >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, sm.families.Binomial()).fit()
    >>> type(fit).__name__, type(fit.resid_pearson).__name__
    ('GeneralizedLinearMixedModelResultsWrapper', 'Series')
    """

    resid_response: pd.Series
    resid_pearson: pd.Series
    resid_deviance: pd.Series

    _wrap_attrs = union_dicts(
        MixedModelResultsWrapper._wrap_attrs,
        dict.fromkeys(("resid_response", "resid_pearson", "resid_deviance"), "rows"),
    )


populate_wrapper(GeneralizedLinearMixedModelResultsWrapper, GeneralizedLinearMixedModelResults)
GeneralizedLinearMixedModelResults.wrapper = GeneralizedLinearMixedModelResultsWrapper
