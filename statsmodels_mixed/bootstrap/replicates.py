"""Bootstrap replicates as a value: tables, intervals, and what they were made from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import MixedModelWarning, OptionError
from ..fitting.covariance import SINGULAR
from ..plots.replicate_plots import BootstrapPlots
from ..results.not_identified import warn_not_identified
from ..results.parameters import KINDS, parameter_index, quantile_levels, select_kinds
from ..tables.document import Document
from ..tables.shown import Shown, table_of
from .parameter_rows import ParameterRows
from .recipe import Recipe
from .replicate_file import read_file, write_file

__all__ = ["Bootstrap", "shortest_interval"]


# Searches on from the end of every replicate would take some fifty times as long as one run.
SEVERAL_MODES = (
    "Conditional modes: the fit has several, and the objective jumps where another becomes the "
    "highest. Each replicate is the end of one run, without the further searches of a fit, and may "
    "lie above what a fit finds."
)
METHODS = ("percentile", "basic", "equal-tail", "shortest")


@dataclass(frozen=True, eq=False)
class Bootstrap(Shown):
    """Replicates of a bootstrap.

    Parameters
    ----------
    recipe : Recipe
        What they follow from.
    requested : int
        Number of replicates that were asked for; fewer are there after an interruption.
    number : ndarray of int, shape (m,)
        Number of each replicate, counted from 0, ascending. The number and the seed fix it.
    values : ndarray, shape (m, width)
        Objective, scale, coefficients, standard errors and theta of each; NaN where the
        model could not be fitted.
    converged : ndarray of bool, shape (m,)
        Whether the fit of each reached a stationary point.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> replicates = fit.bootstrap(20, seed=1)
    >>> replicates.frame["beta"].shape, int(replicates.failed.sum()), replicates.share_singular
    ((20, 2), 0, 0.0)
    """

    recipe: Recipe
    requested: int
    number: NDArray[np.int64]
    values: Array
    converged: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.number)

    def __repr__(self) -> str:
        return f"<Bootstrap: {self.recipe.formula}; {self._counts}>"

    @property
    def _counts(self) -> str:
        count = f"{len(self)} replicates"
        if len(self) < self.requested:
            count = f"{len(self)} of {self.requested} replicates"
        singular = f"{100 * self.share_singular:.1f} % singular"
        if self.recipe.by:
            count += f" of cases by {self.recipe.by}"
        failed = int(self.failed.sum())
        if failed:
            singular += f", {failed} could not be fitted"
        parted = int(self._infinite.any(axis=1).sum())
        if parted:
            singular += f", {parted} separated"
        return f"{count}, {singular}"

    def _document(self) -> Document:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedModelWarning)  # limits that are NaN are shown
            table = self.conf_int() if len(self) else pd.DataFrame()
        shown = [table_of(table, title="95 % intervals by percentiles")] if len(table) else []
        return Document(f"Bootstrap of {self.recipe.formula}", shown, self._facts)

    @property
    def _facts(self) -> list[str]:
        return [self._counts, *([SEVERAL_MODES] if self.recipe.several_modes else [])]

    @property
    def _rows(self) -> ParameterRows:
        return self.recipe.read(self.values)

    @property
    def plot(self) -> BootstrapPlots:
        """Plots of the replicates: `plot()`, `plot.densities()` and `plot.ridge()`."""
        return BootstrapPlots(self)

    @property
    def seed(self) -> np.random.SeedSequence:
        """The seed, with which a run can be repeated."""
        return np.random.SeedSequence(self.recipe.entropy, spawn_key=self.recipe.spawn_key)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per replicate, its columns by kind and name.

        The kinds are ``objective``, ``beta``, ``se``, ``sigma`` or ``dispersion``, ``theta``,
        ``sd`` and ``corr``; ``frame["beta"]`` has the coefficients. Of models with covariance
        structures or correlated residuals ``theta`` has what results report. A correlation is NaN
        where a standard deviation is zero, and what depends on parameters that the data do not
        determine is NaN throughout.
        """
        frame = self.recipe.table(self.values)
        frame.index = pd.Index(self.number, name="replicate")
        return frame

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of parameters there are."""
        present = set(self.frame.columns.get_level_values("kind"))
        return tuple(kind for kind in KINDS if kind in present)

    @property
    def singular(self) -> NDArray[np.bool_]:
        """Whether some covariance matrix of each fitted replicate is singular, shape (m,)."""
        if self.recipe.components.natural:
            return np.asarray(self.values[:, -1] == 1.0)
        diagonal = self._rows.theta[:, self.recipe.components.diagonal]
        return np.asarray((np.abs(diagonal) * self.recipe.units < SINGULAR).any(axis=1))

    @property
    def share_singular(self) -> float:
        """Share with a singular covariance matrix of the replicates that could be fitted."""
        fitted = ~self.failed
        return float(self.singular[fitted].mean()) if fitted.any() else math.nan

    @property
    def _infinite(self) -> NDArray[np.bool_]:
        return np.isinf(self._rows.beta)

    @property
    def separated(self) -> pd.Series:
        """In how many replicates each coefficient has no finite estimate, by name.

        They are plus or minus infinity in `frame`.
        """
        return pd.Series(self._infinite.sum(axis=0), index=list(self.recipe.fixed_names))

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Whether the model could not be fitted to each replicate, shape (m,)."""
        return np.isnan(self._rows.objective)

    def conf_int(
        self,
        alpha: float = 0.05,
        method: str = "percentile",
        kinds: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return confidence intervals.

        Parameters
        ----------
        alpha : float
            Intervals have level 1 - alpha.
        method : {"percentile", "basic", "equal-tail", "shortest"}
            ``"percentile"``: order statistics (m + 1) alpha/2 and (m + 1) (1 - alpha/2),
            interpolated; ``"basic"``: the estimate less what replicates exceed by the parameters
            they were drawn from (Davison and Hinkley 1997), which may leave the range of a
            parameter; ``"equal-tail"``: sample
            quantiles; ``"shortest"``: the shortest interval that holds a share 1 - alpha.
        kinds : str or sequence of str, optional
            Some of ``"beta"``, ``"sigma"``, ``"dispersion"``, ``"theta"``, ``"sd"``, ``"corr"``.

        Returns
        -------
        DataFrame
            By kind and name: ``estimate``, ``lower``, ``upper``, and ``replicates``, the
            number of replicates in which the parameter is defined. Limits are infinite where
            too many replicates are (see `separated`). About an infinite estimate there are only
            percentiles, those on its other side, NaN if they are infinite. All are NaN for what
            the data do not determine (see `identified` of a result).

        Raises
        ------
        OptionError
            If the method, a kind or alpha is not possible.

        Warns
        -----
        IdentificationWarning
            The data do not determine some of the parameters.

        See Also
        --------
        Profile.conf_int

        References
        ----------
        Davison and Hinkley (1997), Bootstrap methods and their application.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.bootstrap(99, seed=1).conf_int(kinds="sd").round(1)
                             estimate  lower  upper  replicates
        kind name
        sd   subj.Intercept      36.0   23.0   47.7          99
        """
        if method not in METHODS:
            raise OptionError(f"method must be one of {', '.join(METHODS)}, not {method!r}.")
        quantile_levels(alpha)
        wanted = select_kinds(kinds, self.kinds)
        estimates = self.recipe.table(self.recipe.estimate).iloc[0]
        truths = self.recipe.table(self.recipe.truth).iloc[0]
        rows, labels = [], []
        for label in self.frame.columns:
            if label[0] not in wanted:
                continue
            values = np.sort(self.frame[label].to_numpy(dtype=float))
            values = values[~np.isnan(values)]
            estimate = float(estimates[label])
            lower, upper = _interval(values, estimate, float(truths[label]), alpha, method)
            labels.append(label)
            rows.append((estimate, lower, upper, len(values)))
        warn_not_identified(
            [label for label in labels if label in self.recipe.not_identified],
            "bootstrap intervals",
        )
        columns = ["estimate", "lower", "upper", "replicates"]
        frame = pd.DataFrame(rows, index=parameter_index(labels), columns=columns)
        order = [i for kind in wanted for i, label in enumerate(labels) if label[0] == kind]
        return frame.iloc[order]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the replicates to an Arrow file (stream format), replacing what is there.

        Parameters
        ----------
        path : str or path
            The file.

        See Also
        --------
        Bootstrap.restore

        Examples
        --------
        >>> import pathlib, tempfile
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "replicates.arrow"
        ...     fit.bootstrap(5, seed=1).save(path)
        ...     print(Bootstrap.restore(path).requested)
        5
        """
        rows = self.number, self.values, self.converged
        write_file(path, self.recipe, self.requested, rows)

    @staticmethod
    def restore(path: str | PathLike[str]) -> Bootstrap:
        """Read replicates back; neither model nor data are needed.

        Parameters
        ----------
        path : str or path
            A file that `save` wrote or `bootstrap` was writing when it was stopped.

        Returns
        -------
        Bootstrap
            The replicates that the file holds.

        Raises
        ------
        DataError
            If the file is something else.

        See Also
        --------
        Bootstrap.save

        Examples
        --------
        >>> import pathlib, tempfile
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "replicates.arrow"
        ...     replicates = fit.bootstrap(5, seed=1, path=path)
        ...     print(Bootstrap.restore(path).frame["beta"].shape)
        (5, 2)
        """
        content = read_file(path)
        return Bootstrap(content.recipe, content.requested, *content.rows)


def _interval(
    values: Array, estimate: float, truth: float, alpha: float, method: str
) -> tuple[float, float]:
    """Return an interval from sorted replicates; NaN when there are none."""
    if not len(values) or (math.isinf(estimate) and method in ("basic", "shortest")):
        return math.nan, math.nan
    if method == "shortest":
        return shortest_interval(values, 1 - alpha)
    levels = quantile_levels(alpha)
    if method == "equal-tail":
        lower, upper = _quantiles(values, levels, "linear")
    else:
        lower, upper = _quantiles(values, levels, "weibull")
    if method == "basic":
        # Replicates vary about the truth as the estimate does about its own.
        lower, upper = estimate + truth - upper, estimate + truth - lower
    if math.isinf(estimate):  # one-sided, unless replicates say no more than the estimate does
        other = lower if estimate > 0 else upper
        if math.isinf(other):
            return math.nan, math.nan
        lower, upper = (other, estimate) if estimate > 0 else (estimate, other)
    return float(lower), float(upper)


def _quantiles(
    values: Array, levels: tuple[float, float], method: Literal["linear", "weibull"]
) -> tuple[float, float]:
    """Return two sample quantiles; infinite where one of the values between which they lie is."""
    with np.errstate(invalid="ignore"):
        lower, upper = (float(np.quantile(values, level, method=method)) for level in levels)
    if math.isnan(lower):
        lower = float(np.quantile(values, levels[0], method="lower"))
    if math.isnan(upper):
        upper = float(np.quantile(values, levels[1], method="higher"))
    return lower, upper


def shortest_interval(values: Array, level: float) -> tuple[float, float]:
    """Return the shortest interval between order statistics that holds a share of a sample.

    Parameters
    ----------
    values : ndarray, shape (m,)
        The sample, sorted.
    level : float
        Share to hold; the leftmost of equally short intervals is returned.
    """
    # 0.95 * 20 is a little above 19
    inside = min(len(values), math.ceil(len(values) * level - 1e-9))
    with np.errstate(invalid="ignore"):
        lengths = values[inside - 1 :] - values[: len(values) - inside + 1]
    first = int(np.argmin(np.where(np.isnan(lengths), np.inf, lengths)))
    return float(values[first]), float(values[first + inside - 1])
