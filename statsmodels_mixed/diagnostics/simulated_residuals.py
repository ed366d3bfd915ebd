"""Residuals that are uniform when the model holds, for any family: ranks among draws.

Row i has the rank of its response among n responses drawn for it from the fit. If the model
holds, all n + 1 are exchangeable (but for the estimation of the parameters), so the rank is
uniform on 0, ..., n; with ties broken at random and a uniform number added,

    residual_i = (rank_i + U_i) / (n + 1)

is uniform on (0, 1): the randomized quantile residual of Dunn and Smyth (1996) with a simulated
distribution function, as in Hartig's R package DHARMa. The tests are Monte Carlo tests (Besag
and Clifford 1989): every draw is ranked among the others in the same way, so that p-values
also hold for rows that share random effects and so are dependent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from .._typing import Array
from ..errors import OptionError
from ..plots.simulated_plots import SimulatedPlots
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import by_row
from ..simulation.simulate import simulate
from ..simulation.streams import Seed, read_seed, stream
from ..tables.document import Document
from ..tables.shown import Shown, table_of

__all__ = ["SimulatedResiduals", "SimulationTest", "ranked", "simulated_residuals"]


# The stream that breaks ties; no draw has it.
TIES = 2**32 - 1


class SimulationTest(NamedTuple):
    """A statistic and its p-value among those of the draws.

    Attributes
    ----------
    statistic : float
    pvalue : float

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> test = fit.simulated_residuals(99, seed=1).uniformity()
    >>> round(test.statistic, 3), 0 < test.pvalue <= 1
    (0.07, True)
    """

    statistic: float
    pvalue: float


@dataclass(frozen=True, eq=False)
class SimulatedResiduals(Shown):
    """Scaled quantile residuals, and tests of them by simulation.

    p-values are multiples of 1 / (n + 1), at least that.

    Parameters
    ----------
    residuals : Series, shape (nobs,)
        Between 0 and 1, uniform under the model.
    observed : Series, shape (nobs,)
        The response.
    fitted_predicted : Series, shape (nobs,)
        Means of the draws.
    simulated : ndarray, shape (nobs, n)
        The draws.
    re : str
        Whether they had ``"new"`` random effects or the ``"conditional"`` modes.
    discrete : bool
        Whether the family is one of counts.
    quantiles : ndarray, shape (nobs, n + 1)
        Column 0 is `residuals`; the others have each draw ranked among all in the same way.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> check = fit.simulated_residuals(99, seed=1)
    >>> check.residuals.head(2).round(2).tolist()
    [0.53, 0.51]
    """

    residuals: pd.Series
    observed: pd.Series
    fitted_predicted: pd.Series
    simulated: Array
    re: str
    discrete: bool
    quantiles: Array

    def __repr__(self) -> str:
        rows, n = self.simulated.shape
        return f'<SimulatedResiduals: {rows} rows, {n} draws, re="{self.re}">'

    def _document(self) -> Document:
        tests = {
            "uniformity": self.uniformity(),
            "dispersion": self.dispersion(),
            "outliers": self.outliers(),
        }
        if self.discrete:
            tests["zero inflation"] = self.zero_inflation()
        frame = pd.DataFrame.from_dict(tests, orient="index", columns=["statistic", "pvalue"])
        return Document("Tests of simulated residuals", [table_of(frame)], [repr(self)[1:-1]])

    @property
    def plot(self) -> SimulatedPlots:
        """Plots: `plot()` of both `plot.qq()` and `plot.against(column)`."""
        return SimulatedPlots(self)

    @cached_property
    def _columns(self) -> Array:
        """The response and the draws, shape (nobs, n + 1)."""
        return np.column_stack([self.observed.to_numpy(), self.simulated])

    def uniformity(self) -> SimulationTest:
        """Test that the residuals are uniform.

        Returns
        -------
        SimulationTest
            Kolmogorov and Smirnov's distance, and the share of draws that have as large a one.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> round(fit.simulated_residuals(99, seed=1).uniformity().pvalue, 2)
        0.75
        """
        ordered = np.sort(self.quantiles, axis=0)
        steps = np.arange(len(ordered) + 1)[:, None] / len(ordered)
        distances = np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=0)
        return _monte_carlo(distances, float(distances[0]), "greater")

    def dispersion(self, alternative: str = "two-sided") -> SimulationTest:
        """Test that responses vary about their means as the draws do.

        Parameters
        ----------
        alternative : {"two-sided", "greater", "less"}
            ``"greater"`` looks for overdispersion only.

        Returns
        -------
        SimulationTest
            Variance of the response about the means of the rows over that of a draw, on
            average: above 1 for overdispersion; NaN where neither varies.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> round(fit.simulated_residuals(99, seed=1).dispersion("greater").statistic, 2)
        0.94
        """
        # A power of two: squares of large and small units stay numbers, and nothing is rounded.
        largest = float(np.abs(self._columns).max(initial=0.0))
        columns = np.ldexp(self._columns, -int(np.frexp(largest)[1]))
        spread = (columns - columns.mean(axis=1, keepdims=True)).var(axis=0)
        with np.errstate(all="ignore"):
            ratio = float(spread[0] / spread[1:].mean())
        return _monte_carlo(spread, ratio, alternative)

    def outliers(self, alternative: str = "two-sided") -> SimulationTest:
        """Test the number of rows whose response lies outside all their draws.

        Parameters
        ----------
        alternative : {"two-sided", "greater", "less"}

        Returns
        -------
        SimulationTest
            Share of such rows; under the model it is 2 / (n + 1) on average.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> round(fit.simulated_residuals(99, seed=1).outliers().statistic, 3)
        0.028
        """
        rank = np.floor(self.quantiles * self.quantiles.shape[1])
        share = ((rank == 0) | (rank == self.quantiles.shape[1] - 1)).mean(axis=0)
        return _monte_carlo(share, float(share[0]), alternative)

    def zero_inflation(self, alternative: str = "two-sided") -> SimulationTest:
        """Test the number of zeros in the response.

        Parameters
        ----------
        alternative : {"two-sided", "greater", "less"}
            ``"greater"`` looks for more zeros than the model has.

        Returns
        -------
        SimulationTest
            Number of zeros over that of a draw, on average; infinite when no draw has any.

        Raises
        ------
        OptionError
            If the response is continuous.

        Examples
        --------
        >>> ticks = datasets.load("grouseticks")
        >>> fit = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, sm.families.Poisson()).fit()
        >>> round(fit.simulated_residuals(99, seed=1).zero_inflation().statistic, 2)
        1.05
        """
        if not self.discrete:
            raise OptionError("zero_inflation() is for counts: this response is continuous.")
        zeros = (self._columns == 0).sum(axis=0)
        with np.errstate(all="ignore"):
            ratio = float(zeros[0] / zeros[1:].mean())
        return _monte_carlo(zeros, ratio, alternative)


def _monte_carlo(values: NDArray[Any], statistic: float, alternative: str) -> SimulationTest:
    """Place the first of exchangeable values, shape (n + 1,), among all."""
    above, below = float(np.mean(values >= values[0])), float(np.mean(values <= values[0]))
    tails = {"greater": above, "less": below, "two-sided": min(1.0, 2.0 * min(above, below))}
    if alternative not in tails:
        raise OptionError(f"alternative={alternative!r} is not one of {', '.join(tails)}.")
    return SimulationTest(statistic, tails[alternative])


@own_first
def simulated_residuals(
    result: Any, n: int = 250, *, seed: Seed = None, re: str = "new"
) -> SimulatedResiduals:
    """Rank every response among responses drawn from the fit.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    n : int
        Number of draws.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same residuals; the draws are those of `simulate`.
    re : {"new", "conditional"}
        Draw new random effects, which checks the model as a whole; or keep them at their
        conditional modes, which checks the distribution of the rows given them. The modes have
        seen the response, so that conditional residuals vary too little when levels have few
        rows. With new random effects the residuals of rows that share levels are dependent:
        use the tests here, not others that take the residuals for independent.

    Returns
    -------
    SimulatedResiduals
        The residuals, and tests of uniformity, dispersion, outliers and zero inflation.

    Raises
    ------
    OptionError
        If an option does not go with the model.
    DataError
        If the data of the result were removed, or a mean is impossible for the family.

    See Also
    --------
    residuals, simulate

    References
    ----------
    Dunn and Smyth (1996), Journal of Computational and Graphical Statistics 5, 236-244.
    Hartig, DHARMa: residual diagnostics for hierarchical (multi-level/mixed) regression models.
    Besag and Clifford (1989), Biometrika 76, 633-642.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> check = fit.simulated_residuals(99, seed=1)
    >>> round(check.dispersion().statistic, 2), round(check.dispersion().pvalue, 2)
    (0.94, 0.8)
    """
    result = unwrap(result, correlated=True)
    root = read_seed(seed)
    drawn = simulate(result, n, seed=root, re=re)
    spec = result.estimates.spec
    discrete = spec is not None and spec.discrete
    return ranked(result, drawn, root, re=re, discrete=discrete, ties=discrete)


def ranked(
    result: Any,
    drawn: Array,
    root: np.random.SeedSequence,
    *,
    re: str,
    discrete: bool,
    ties: bool,
) -> SimulatedResiduals:
    """Rank the responses of a fit among draws.

    Parameters
    ----------
    result : MixedModelResults
    drawn : ndarray, shape (nobs, n)
    root : SeedSequence
        That of the draws.
    re : str
        How they were made.
    discrete : bool
        Whether zeros are counted.
    ties : bool
        Whether draws may be equal.
    """
    y = result.kept_design().y
    columns = np.column_stack([y, drawn])
    uniform = stream(root, TIES).random(columns.shape)
    if ties:
        columns = np.round(columns, 10)  # proportions are equal but for rounding
        below = rankdata(columns, method="min", axis=1) - 1.0
        equal = rankdata(columns, method="max", axis=1) - 1.0 - below
    else:
        below, equal = rankdata(columns, method="ordinal", axis=1) - 1.0, 0.0
    quantiles = (below + uniform * (equal + 1.0)) / columns.shape[1]
    return SimulatedResiduals(
        residuals=by_row(result, quantiles[:, 0], "residual"),
        observed=by_row(result, y, result.layout.response),
        fitted_predicted=by_row(result, drawn.mean(axis=1), "fitted_predicted"),
        simulated=drawn,
        re=re,
        discrete=discrete,
        quantiles=quantiles,
    )
