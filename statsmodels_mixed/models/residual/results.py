"""A fitted linear model with correlated residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from ...errors import OptionError
from ...residual_covariance.estimates import ResidualEstimates
from ...residual_covariance.problem import ResidualProblem
from ...residual_covariance.rows import normalized_rows, variances_of_residuals
from ...residual_covariance.solved import SolvedResidual  # noqa: F401 - registers itself
from ...results.layout import Layout
from ...results.notes import facts
from ...results.row_labels import by_row
from ...results.summary import coefficient_table, header_table, title
from ...standard_errors.residual_choice import choose_residual, refer_residual
from ...tables.document import Document
from ..linear.results import LinearMixedModelResultsWrapper
from .clusters import independent_clusters
from .predictions import ResidualPredictions
from .quantities import ResidualQuantities
from .summary import covariance_facts, covariance_table

if TYPE_CHECKING:
    from .model import ResidualCovarianceModel

__all__ = ["ResidualCovarianceResults", "ResidualCovarianceResultsWrapper"]


KINDS = ("response", "marginal", "pearson", "normalized")


class ResidualCovarianceResults(ResidualQuantities, ResidualPredictions):
    """The result of fitting a `ResidualCovarianceModel`.

    Parameters
    ----------
    model : ResidualCovarianceModel
        The model that was fitted.
    estimates : ResidualEstimates
        The numbers.
    layout : Layout
        The names that go with them.

    See Also
    --------
    LinearMixedModelResults

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit(reml=True)
    >>> fit.residual_parameters.round(3)
         estimate  std_error
    sd     49.515      5.017
    rho     0.800      0.043
    """

    kind = "linear model with correlated residuals"
    takes_correlated = True
    unit_residuals = True
    estimates: ResidualEstimates  # type: ignore[assignment]
    model: ResidualCovarianceModel

    def __init__(
        self, model: ResidualCovarianceModel, estimates: ResidualEstimates, layout: Layout
    ) -> None:
        super().__init__(model, estimates, layout)  # type: ignore[arg-type]

    @property
    def sigma(self) -> float:
        """Residual standard deviation; NaN where it is not the same for all rows."""
        variances = np.concatenate([np.diag(each.matrix) for each in self.estimates.residuals])
        same = len(self.estimates.dispersion_names) == 0 and np.ptp(variances) < 1e-12 * max(
            variances
        )
        return float(np.sqrt(variances[0])) if same else np.nan

    @property
    def _residual_sd(self) -> float | None:  # type: ignore[override]
        return None

    @property
    def theta_names(self) -> list[str]:
        """Names of the covariance parameters."""
        return list(self.estimates.names)

    @property
    def _searched(self) -> list[str]:
        return self.theta_names

    @property
    def _groups(self) -> dict[str, int]:
        """Number of subjects, and of levels of each grouping factor, by name."""
        found = {block.name: len(block.levels) for block in self.layout.blocks}
        term = self.estimates.cells.term
        if term is not None and term.subject:
            found[" & ".join(term.subject)] = self.estimates.cells.n_subjects
        return found

    def residuals(  # type: ignore[override]
        self, kind: str = "response", *, standardized: bool = False
    ) -> pd.Series:
        """Return the residuals of the fit.

        Parameters
        ----------
        kind : {"response", "marginal", "pearson", "normalized"}
            ``"response"``: y less the conditional mean X beta + Z b; ``"marginal"``: y - X
            beta; ``"pearson"``: the first divided by the standard deviation of the row's
            residual; ``"normalized"``: L^-1 (y - X beta - Z b) with R = L L' the covariance of
            the residuals of a subject, in the order of its visits: independent with variance 1
            if the model holds.
        standardized : bool
            Divide by the standard deviation that the residual itself has, less than that of the
            row because coefficients and random effects follow it ("studentized" in SAS): Pearson
            and marginal residuals.

        Returns
        -------
        Series, shape (n,)
            NaN for a standardized residual that is zero for any response.

        Raises
        ------
        OptionError
            If there is no such kind, or it is not one to be standardized.
        DataError
            If the data of the fit were removed.

        See Also
        --------
        ResidualCovarianceResults.residual_covariance

        References
        ----------
        Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.3; Gregoire,
        Schabenberger and Barrett (1995), Canadian Journal of Forest Research 25, 137-156.

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit()
        >>> fit.residuals("normalized").head(3).round(3).tolist()
        [-0.085, -0.074, -0.659]
        """
        if kind not in KINDS:
            raise OptionError(
                f"kind={kind!r} is no kind of residuals; choose from {', '.join(KINDS)}."
            )
        estimates = self.estimates
        mean = estimates.linear_predictor if kind == "marginal" else estimates.fitted
        values = self.kept_design().y - self._require(mean)
        if standardized and kind not in ("pearson", "marginal"):
            raise OptionError(
                f'standardized=True does not go with kind={kind!r}: choose kind="pearson" or '
                '"marginal".'
            )
        problem = ResidualProblem(self.kept_design(), estimates.cells)
        if standardized:
            variances = variances_of_residuals(problem, estimates.x, kind == "marginal")
            values = values / np.sqrt(variances)
        elif kind == "pearson":
            values = values / np.sqrt(self._require(estimates.residual_variances))
        elif kind == "normalized":
            values = normalized_rows(problem, estimates.x, values)
        return by_row(self, values, f"{kind} residual")

    # Inference.

    def with_inference(
        self,
        *,
        dof: str | None = None,
        cov_type: str | None = None,
        cov_kwds: Mapping[str, Any] | None = None,
        information: str = "observed",
    ) -> Any:
        """Return the fit with other standard errors or degrees of freedom; nothing is fitted.

        Parameters
        ----------
        dof, cov_type, cov_kwds, information
            As `fit` of the model has them, with the same defaults.

        Returns
        -------
        ResidualCovarianceResults

        Raises
        ------
        OptionError
            If an option does not exist or options do not go together.
        DataError
            If the data of the fit are needed and were removed.

        See Also
        --------
        ResidualCovarianceModel.fit

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days", sleep, residual="cs(days | subj)").fit(reml=True)
        >>> fit.with_inference(dof="satterthwaite").df_coef.round(1).to_dict()
        {'Intercept': 22.8, 'days': 161.0}
        """
        choice = choose_residual(
            dof,
            cov_type,
            cov_kwds,
            information,
            read_clusters=partial(independent_clusters, self.model),
            reml=self.reml,
        )
        reference = refer_residual(
            choice, self.estimates, design=self.model.design, df_resid=self.df_resid
        )
        other: Self = self._referring_to(reference)
        return self.wrapper(other)

    def _fit_options(self) -> dict[str, Any]:
        return {"reml": self.reml, "start": self.estimates.theta}

    # Display.

    def summary(
        self,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Document:
        """Summarize the fit: criteria, sizes, coefficients, covariances, facts.

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

        Returns
        -------
        Document
            Prints as text; has `as_html()`, `as_latex()`, `as_markdown()`, `as_csv()`.

        See Also
        --------
        ResidualCovarianceResults.residual_parameters

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit(reml=True)
        >>> print(fit.summary().tables[-1].as_text())
        Covariance parameters
                 Structure Parameter  Estimate Std. Err.
        ------------------------------------------------
        Residual ar1       sd        49.515    5.01713
                           rho        0.799953 0.0426413
        """
        tables = [
            header_table(self, yname=yname),
            coefficient_table(self, xname=xname, alpha=alpha),
        ]
        if self.layout.blocks:
            tables.append(self.varcorr.table("Random effects"))
        tables.append(covariance_table(self.estimates))
        return Document(title or _title(self), tables, facts(self))

    def _own_facts(self) -> list[str]:
        return covariance_facts(self.estimates)


_title = title

if TYPE_CHECKING:
    _Wrapped = ResidualCovarianceResults
else:
    _Wrapped = object


class ResidualCovarianceResultsWrapper(LinearMixedModelResultsWrapper, _Wrapped):
    """`ResidualCovarianceResults` with pandas labels on its arrays.

    Examples
    --------
    >>> sleep = datasets.load("sleepstudy")
    >>> fit = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)").fit()
    >>> type(fit).__name__, type(fit.params).__name__
    ('ResidualCovarianceResultsWrapper', 'Series')
    """


populate_wrapper(ResidualCovarianceResultsWrapper, ResidualCovarianceResults)
ResidualCovarianceResults.wrapper = ResidualCovarianceResultsWrapper
