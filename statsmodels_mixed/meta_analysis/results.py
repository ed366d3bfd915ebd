"""The results of a meta-analysis."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

from .._typing import Array
from ..errors import DataError
from ..models.linear.model import LinearMixedModel
from ..options import ChecksOptions
from ..prediction.rows import fixed_predictor, open_new_data
from ..results.row_labels import find_clusters
from ..results.summary import coefficient_table, levels_of_groups
from ..tables.cell_formats import fixed, p_value, significant
from ..tables.document import Document
from ..tables.table import Column, Table
from .sampling import SamplingCovariance

__all__ = ["MetaAnalysis"]


class MetaAnalysis(ChecksOptions):
    """A mixed model of estimates with known sampling variances, and its results.

    Parameters
    ----------
    model : LinearMixedModel
        The model of the estimates as they were given.
    fit : LinearMixedModelResults
        Its fit, with sigma 1. Of dependent errors the rows of the fit are those of L^-1 times the
        estimates, where V = L L'; what is asked of rows is then in these units.
    sampling : ndarray, shape (n,), or SamplingCovariance
        The known variances, or their covariance.

    Examples
    --------
    >>> found = meta([0.1, 0.6, 0.3, 0.9], [0.02, 0.05, 0.03, 0.04])
    >>> round(float(found.tau2.iloc[0]), 4), round(found.Q, 2)
    (0.0936, 11.86)
    """

    def __init__(
        self, model: LinearMixedModel, fit: Any, sampling: Array | SamplingCovariance
    ) -> None:
        self.model = model
        self.fit = fit
        self._logdet = sampling.logdet if isinstance(sampling, SamplingCovariance) else 0.0
        self._sampling = sampling

    def _whiten(self, values: Array) -> Array:
        """Return rows whose errors have variance 1, for rows."""
        if isinstance(self._sampling, SamplingCovariance):
            return self._sampling.whiten(values)
        return values / np.sqrt(self._sampling).reshape(-1, *(1,) * (values.ndim - 1))

    @property
    def params(self) -> pd.Series:
        """Estimated coefficients, by name."""
        return pd.Series(np.asarray(self.fit.params), index=self.fit.fixefnames)

    @property
    def bse(self) -> pd.Series:
        """Standard errors of the coefficients."""
        return pd.Series(np.asarray(self.fit.bse), index=self.fit.fixefnames)

    @property
    def llf(self) -> float:
        """The log-likelihood, or the restricted one, of the estimates as they were given."""
        return float(self.fit.llf) - self._logdet / 2.0

    @property
    def tau2(self) -> pd.Series:
        """Variances of the random effects, by grouping factor and effect."""
        values = {}
        for block, T in zip(self.fit.layout.blocks, self.fit.estimates.factors, strict=True):
            variances = np.square(T).sum(axis=1)
            columns = block.columns
            original = next(b for b in self.model.layout.blocks if b.name == block.name)
            if len(original.columns) != len(columns):  # those within a block of V, all alike
                columns, variances = original.columns, variances[:1]
            for name, value in zip(columns, variances, strict=True):
                values[block.name, name] = float(value)
        index = pd.MultiIndex.from_tuples(list(values), names=["group", "effect"])
        return pd.Series(list(values.values()), index=index, name="tau2")

    @cached_property
    def _fixed_only(self) -> tuple[float, float, int]:
        """Q, the trace of V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, and their degrees of freedom."""
        design = self.model.kept_design()
        y = design.y_less_offset
        columns = design.X[:, self.fit.estimates.columns]
        Q = np.linalg.qr(self._whiten(columns))[0]
        # X beta does not change the residuals; without it estimates far from zero lose no digits.
        white = self._whiten(y - columns @ self.fit.estimates.beta)
        rest = white - Q @ (Q.T @ white)
        if isinstance(self._sampling, SamplingCovariance):
            half = self._whiten(np.eye(len(y)))
            trace = float(np.sum(half**2) - np.sum((Q.T @ half) ** 2))
        else:
            precision = 1.0 / self._sampling
            trace = float(precision.sum() - np.sum(precision[:, None] * Q**2))
        return float(rest @ rest), trace, len(y) - columns.shape[1]

    @property
    def Q(self) -> float:
        """Cochran's Q: the squares of the residuals of a fit without random effects, over V."""
        return self._fixed_only[0]

    @property
    def Q_df(self) -> int:
        """Degrees of freedom of Q."""
        return self._fixed_only[2]

    @property
    def Q_pvalue(self) -> float:
        """Probability of a larger Q without random effects."""
        return float(chi2.sf(self.Q, self.Q_df))

    @property
    def QM(self) -> tuple[float, int, float]:
        """Wald test that moderators (without any, the mean) are zero: statistic, df, p-value."""
        names = self.fit.fixefnames
        tested = [i for i, name in enumerate(names) if name != "Intercept"] or [0]
        beta = np.asarray(self.fit.params)[tested]
        covariance = np.asarray(self.fit.cov_params())[np.ix_(tested, tested)]
        statistic = float(beta @ np.linalg.solve(covariance, beta))
        return statistic, len(tested), float(chi2.sf(statistic, len(tested)))

    @cached_property
    def _between(self) -> Array:
        """Variance of each row's random effects, by grouping factor, averaged over rows."""
        out = []
        for block in self.model.kept_design().blocks:
            where = [b.name for b in self.fit.layout.blocks].index(block.name)
            T = self.fit.estimates.factors[where]
            T = T if len(T) == block.z.shape[1] else T[:1, :1]
            out.append(float(np.mean(np.sum(np.square(block.z @ T), axis=1))))
        return np.array(out)

    @property
    def typical_variance(self) -> float:
        """The sampling variance with which I2 compares (Higgins and Thompson 2002)."""
        _, trace, df = self._fixed_only
        return df / trace

    @cached_property
    def _between_known(self) -> NDArray[np.bool_]:
        """Whether the data determine the variances of each grouping factor, and last of all."""
        identification = self.fit.estimates.identification
        blocks = self.model.kept_design().blocks
        if not identification.dimension:
            return np.ones(len(blocks) + 1, dtype=bool)
        names = [block.name for block in blocks]
        rows = np.zeros((len(blocks), len(identification.size)))
        for at, e in enumerate(identification.elements):
            own = names.index(self.fit.layout.blocks[e.block].name)
            z = blocks[own].z
            rows[own, at] = len(e.places) * float(np.mean(z[:, e.row] * z[:, e.column]))
        known: NDArray[np.bool_] = identification.known(np.vstack([rows, rows.sum(axis=0)]))
        return known

    @property
    def I2(self) -> float:
        """Percentage of the variance of the estimates that is not due to sampling.

        NaN if the data do not determine the variances of the random effects.
        """
        total = float(self._between.sum()) if self._between_known[-1] else np.nan
        return 100.0 * total / (total + self.typical_variance)

    @property
    def I2_by_group(self) -> pd.Series:
        """The same by grouping factor; they add up to `I2`."""
        *each, every = self._between_known
        total = float(self._between.sum()) + self.typical_variance if every else np.nan
        between = np.where(each, self._between, np.nan)
        names = [block.name for block in self.model.layout.blocks]
        return pd.Series(100.0 * between / total, index=names, name="I2")

    def prediction_interval(self, data: Any = None, alpha: float = 0.05) -> pd.DataFrame:
        """Return where the true effect of a new study lies.

        Parameters
        ----------
        data : DataFrame, optional
            Moderators of new studies; without any moderator not needed.
        alpha : float
            The intervals have probability 1 - alpha, of the normal distribution.

        Returns
        -------
        DataFrame
            Columns mean, se, ci_lower, ci_upper, pi_lower, pi_upper; one row for each study. NaN
            where the data do not determine the mean, with a RankWarning, or the variances.

        Raises
        ------
        DataError
            If the model has moderators and no data are given, or random effects of several
            columns, whose variance depends on more than the moderators.

        See Also
        --------
        MetaAnalysis.knapp_hartung

        Examples
        --------
        >>> found = meta([0.1, 0.6, 0.3, 0.9], [0.02, 0.05, 0.03, 0.04])
        >>> found.prediction_interval().columns.to_list()
        ['mean', 'se', 'ci_lower', 'ci_upper', 'pi_lower', 'pi_upper']
        """
        if data is None:
            has_offset = self.model.kept_design().offset is not None
            if list(self.fit.fixefnames) != ["Intercept"] or has_offset:
                raise DataError("the model has moderators: give data= with those of the new study.")
            X, mean, labels = np.ones((1, 1)), np.asarray(self.params), None
        else:
            new = open_new_data(self.model, data)
            assert new is not None
            rows = new.fixed()
            X, mean = rows[:, self.fit.estimates.columns], fixed_predictor(self, new, rows)
            labels = new.labels
        if any(len(block.columns) > 1 for block in self.model.layout.blocks):
            raise DataError(
                "a level has several random effects: the variance of a new effect depends on which."
            )
        between = float(self.tau2.sum()) if self._between_known[-1] else np.nan
        known, se = np.isfinite(mean), np.full(len(X), np.nan)
        se[known] = self.fit._tests.errors(X[known])
        z = norm.isf(alpha / 2.0)
        wide = np.sqrt(se**2 + between)
        values = {"mean": mean, "se": se, "ci_lower": mean - z * se, "ci_upper": mean + z * se}
        values |= {"pi_lower": mean - z * wide, "pi_upper": mean + z * wide}
        return pd.DataFrame(values, index=labels)

    def knapp_hartung(self) -> pd.DataFrame:
        """Return coefficients with the standard errors and t tests of Knapp and Hartung (2003).

        Returns
        -------
        DataFrame
            Columns coef, se, t, df, pvalue.

        See Also
        --------
        MetaAnalysis.prediction_interval

        References
        ----------
        Knapp and Hartung (2003), Statistics in Medicine 22, 2693-2710.

        Examples
        --------
        >>> found = meta([0.1, 0.6, 0.3, 0.9], [0.02, 0.05, 0.03, 0.04])
        >>> int(found.knapp_hartung()["df"].iloc[0])
        3
        """
        df = self.Q_df
        squares = float(self.fit.estimates.pwrss) / df
        beta, se = self.params, self.bse * np.sqrt(squares)
        ratio = beta / se
        p = 2.0 * t.sf(np.abs(ratio), df)
        return pd.DataFrame({"coef": beta, "se": se, "t": ratio, "df": df, "pvalue": p})

    def robust(self, clusters: Any, kind: str = "CR2") -> pd.DataFrame:
        """Return coefficients with cluster-robust standard errors and t tests.

        They hold where estimates of a cluster depend on one another in ways that the model
        does not say, such as those of studies of the same patients.

        Parameters
        ----------
        clusters : str or array_like, shape (n,)
            A grouping factor or column of the formula, or a label for each estimate.
        kind : {"CR2", "CR0", "CR1", "CR1S", "CR3"}
            The correction for few clusters, as in `LinearMixedModel.fit`.

        Returns
        -------
        DataFrame
            Columns coef, se, t, df (Satterthwaite's), pvalue.

        Raises
        ------
        OptionError
            If a level of a grouping factor lies in several clusters, or labels are missing.

        See Also
        --------
        MetaAnalysis.knapp_hartung

        References
        ----------
        Pustejovsky and Tipton (2018), Journal of Business and Economic Statistics 36, 672-683.

        Examples
        --------
        >>> found = meta([0.1, 0.6, 0.3, 0.9], [0.02, 0.05, 0.03, 0.04])
        >>> found.robust("study").round(3)
                    coef     se      t     df  pvalue
        Intercept  0.454  0.179  2.532  2.973   0.086
        """
        groups = find_clusters(self.model, clusters, "clusters").labels.to_numpy()
        kwds = {"groups": groups, "kind": kind}
        fit = self.fit.with_inference(dof="satterthwaite", cov_type="cluster", cov_kwds=kwds)
        beta, se = self.params, np.asarray(fit.bse)
        ratio, df = beta / se, np.asarray(fit.df_coef)
        p = 2.0 * t.sf(np.abs(ratio), df)
        return pd.DataFrame({"coef": beta, "se": se, "t": ratio, "df": df, "pvalue": p})

    def summary(self) -> Document:
        """Return the estimates, and a table of heterogeneity.

        Returns
        -------
        Document

        See Also
        --------
        MetaAnalysis.prediction_interval

        Examples
        --------
        >>> found = meta([0.1, 0.6, 0.3, 0.9], [0.02, 0.05, 0.03, 0.04])
        >>> print(str(found.summary()).splitlines()[0].strip())
        Meta-analysis by REML
        """
        how = "REML" if self.fit.method == "REML" else "maximum likelihood"
        tables = [self._header(), coefficient_table(self.fit), self._heterogeneity()]
        lost = self.fit.report.not_identified
        notes = [f"Not identified: {'; '.join(lost)}."] if lost else []
        return Document(f"Meta-analysis by {how}", tables, notes)

    def _header(self) -> Table:
        rows = [
            ("Estimates:", str(self.model.layout.nobs)),
            *levels_of_groups(self.model.layout),
            ("Log-Likelihood:", f"{self.llf:.4f}"),
            ("Converged:", "yes" if self.fit.converged else "no"),
        ]
        columns = (Column("name", "", align="left"), Column("value", ""))
        return Table(columns, tuple(rows), self.model.formula_full, stretch=1)

    def _heterogeneity(self) -> Table:
        columns = (
            Column("statistic", "", align="left"),
            Column("value", "value", significant, "point"),
            Column("df", "df", fixed(0)),
            Column("p_value", "P>chi2", p_value),
        )
        statistic, df, p = self.QM
        tested = "moderators" if list(self.fit.fixefnames) != ["Intercept"] else "mean"
        rows: list[tuple[Any, ...]] = [
            *((f"tau2 {' '.join(name)}", value, None, None) for name, value in self.tau2.items()),
            ("I2 (%)", self.I2, None, None),
            ("Q of heterogeneity", self.Q, float(self.Q_df), self.Q_pvalue),
            (f"Test of the {tested}", statistic, float(df), p),
        ]
        return Table(columns, tuple(rows), "Heterogeneity")

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return (
            f"<MetaAnalysis: {self.model.formula_full}; {self.model.nobs} estimates, "
            f"I2 {self.I2:.1f}%>"
        )
