"""The conditional modes of the random effects, by level: alone, with errors, with coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from .._typing import Array
from ..errors import OptionError
from ..fitting.problem import problem_of
from ..later import load
from ..options import ChecksOptions
from ..standard_errors.undetermined import Undetermined
from ..tables.shown import LevelTables
from .layout import BlockLayout, Layout
from .level_matrices import LevelMatrices

if TYPE_CHECKING:
    from ..fitting.estimates import Estimates
    from ..frame.design import Design

__all__ = ["ConditionalModes"]

_LONG = ("group", "level", "term", "estimate", "std_error", "lower", "upper")


class ConditionalModes(ChecksOptions):
    """Conditional modes, for classes that hold estimates."""

    estimates: Estimates
    layout: Layout
    undetermined: Undetermined | None

    def sufficient_design(self) -> Design:
        """Return arrays with the likelihood of the fit, unless the data have been removed."""
        raise NotImplementedError

    @property
    def fixef(self) -> pd.Series:
        """Coefficients of the estimable columns of X."""
        raise NotImplementedError

    @overload
    def ranef(
        self,
        uscale: bool = False,
        *,
        se: bool = False,
        form: Literal["wide"] = "wide",
        level: float = 0.95,
        levels: Mapping[str, Any] | None = None,
    ) -> LevelTables: ...

    @overload
    def ranef(
        self,
        uscale: bool = False,
        *,
        se: bool = False,
        form: Literal["long"],
        level: float = 0.95,
        levels: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame: ...

    def ranef(
        self,
        uscale: bool = False,
        *,
        se: bool = False,
        form: str = "wide",
        level: float = 0.95,
        levels: Mapping[str, Any] | None = None,
    ) -> LevelTables | pd.DataFrame:
        """Return the conditional modes of the random effects.

        Parameters
        ----------
        uscale : bool
            Give them on the spherical scale u; otherwise b = T u, on that of the linear
            predictor (for a linear model that of the response).
        se : bool
            With the conditional standard deviations, the parameters taken as known: in columns
            whose names end in ``_std_error``.
        form : {"wide", "long"}
            A table for each grouping factor; or one table for all, with a row for each level and
            effect: ``group``, ``level``, ``term``, ``estimate``, ``std_error``, ``lower``,
            ``upper``.
        level : float
            Level of the intervals of the long form.
        levels : mapping of str to sequence, optional
            Labels of some levels by grouping factor, to which the tables are restricted; of
            factors that are not named there is no table. See `condvar`.

        Returns
        -------
        dict of DataFrame, or DataFrame
            By grouping factor: one row per level, one column per random effect. NaN where
            the data do not determine the covariance parameters that a mode depends on; on the
            spherical scale all are NaN then.

        Raises
        ------
        OptionError
            If the form or a level is unknown, or errors are asked for on the spherical scale.
        DataError
            If the data were removed and errors are asked for.

        See Also
        --------
        LinearMixedModelResults.condvar, LinearMixedModelResults.coef_by_group

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.ranef()["subj"].head(2).round(3)
              Intercept   days
        subj
        S308      2.816  9.076
        S309    -40.048 -8.644
        >>> fit.ranef(form="long").head(2).round(2)
          group level       term  estimate  std_error  lower  upper
        0  subj  S308  Intercept      2.82      11.87 -20.46  26.09
        1  subj  S308       days      9.08       2.27   4.62  13.53
        """
        if form not in ("wide", "long"):
            raise OptionError(f"form= is 'wide' or 'long', not {form!r}.")
        modes = self._modes(uscale)
        if levels is not None:
            positions = self._positions(levels)
            modes = LevelTables(
                (name, table.iloc[positions[name]])
                for name, table in modes.items()
                if name in positions
            )
        if form == "wide" and not se:
            return modes
        if uscale:
            raise OptionError("standard errors and intervals are those of b: leave uscale= out.")
        if not 0 < level < 1:
            raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
        errors = {
            name: np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
            for name, matrices in self.condvar(levels).items()
        }
        if form == "wide":
            return LevelTables(
                (name, _with_errors(table, errors[name])) for name, table in modes.items()
            )
        quantile = float(ndtri(0.5 + level / 2))
        tables = [
            _long(name, table, errors[name], quantile, self._names(name, table))
            for name, table in modes.items()
        ]
        if not tables:
            return pd.DataFrame(columns=list(_LONG))
        return pd.concat(tables, ignore_index=True)

    def _modes(self, uscale: bool = False) -> LevelTables:
        modes = self.estimates.u if uscale else self.estimates.b
        if self.undetermined is not None:
            lost = self.undetermined.modes(self.estimates.effects_scale)
            modes = tuple(
                np.where(mask | (uscale & mask.any()), np.nan, b)
                for b, mask in zip(modes, lost, strict=True)
            )
        if not uscale:
            modes = tuple(self._at_places(i, b) for i, b in enumerate(modes))
        return LevelTables(
            (block.name, _table(block, values))
            for block, values in zip(self.layout.blocks, modes, strict=True)
        )

    def _names(self, group: str, table: pd.DataFrame) -> NDArray[np.str_]:
        """Return the name of each effect of levels, (l, k); empty for places that they have not."""
        (block,) = [one for one in self.layout.blocks if one.name == group]
        names = np.tile(np.asarray(table.columns, dtype=str), (len(table), 1))
        if block.own_places:
            at = block.labels.get_indexer(table.index)
            whole = names.astype(object)
            for own in block.own_places:
                whole[:, own.columns] = own.matrix.labels()[at]
            return whole.astype(str)
        return names

    def _at_places(self, block: int, b: Array) -> Array:
        """Return effects, of those at places of their own what they are there; NaN for none."""
        fit = self.estimates.structured
        for own in self.layout.blocks[block].own_places:
            assert fit is not None
            b = b.copy()
            b[:, own.columns] = own.effects(b[:, own.columns], fit.phi_of(block, own.columns))
        return b

    def _covariances_at_places(self, block: int, V: Array) -> Array:
        """Return covariances of effects, (l, k, k), likewise."""
        fit = self.estimates.structured
        for own in self.layout.blocks[block].own_places:
            assert fit is not None
            V = V.copy()
            C = own.factors(fit.phi_of(block, own.columns))
            V[:, own.columns] = C @ V[:, own.columns]
            V[:, :, own.columns] = V[:, :, own.columns] @ np.swapaxes(C, 1, 2)
            absent = ~own.matrix.present
            V[:, own.columns][absent] = np.nan
            np.swapaxes(V, 1, 2)[:, own.columns][absent] = np.nan
        return V

    @property
    def random_effects(self) -> dict[object, pd.Series] | dict[str, dict[object, pd.Series]]:
        """Conditional modes as statsmodels' `MixedLM` gives them: a Series by level.

        With several grouping factors, such a dict for each of them. `ranef` gives
        the same numbers as tables.
        """
        nested = {
            name: {level: frame.iloc[i] for i, level in enumerate(frame.index)}
            for name, frame in self._modes().items()
        }
        return next(iter(nested.values())) if len(nested) == 1 else nested

    def _positions(self, levels: Mapping[str, Any]) -> dict[str, NDArray[np.intp]]:
        """Return where labels are, by grouping factor."""
        known = {block.name: block.labels for block in self.layout.blocks}
        out = {}
        for name, labels in levels.items():
            if name not in known:
                raise OptionError(
                    f"levels= names {name!r}, which is no grouping factor: {', '.join(known)}."
                )
            if isinstance(labels, str) or not np.iterable(labels):
                raise OptionError(f"levels= has a list of labels for {name!r}, not {labels!r}.")
            found = known[name].get_indexer(list(labels))
            if np.any(found < 0):
                lost = list(labels)[int(np.argmin(found))]
                raise OptionError(f"levels= has {lost!r}, which is no level of {name!r}.")
            out[name] = found
        return out

    def condvar(self, levels: Mapping[str, Any] | None = None) -> dict[str, LevelMatrices]:
        """Return the conditional covariance matrices of the random effects given the data.

        Parameters
        ----------
        levels : mapping of str to sequence, optional
            Labels of some levels by grouping factor. For these alone no factorization is needed
            after an iterative fit: the equations are solved for each of them.

        Returns
        -------
        dict of LevelMatrices, shape (l, k, k)
            By grouping factor, one matrix per level; the parameters are taken as known. Arrays,
            with `of(level)` and `to_frame()` for their labels. NaN where they depend on
            parameters that the data do not determine.

        Raises
        ------
        DataError
            If the data were removed.
        OptionError
            If a grouping factor or a level is unknown.

        See Also
        --------
        LinearMixedModelResults.ranef

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.condvar()["subj"][0].round(2)
        array([[140.97, -20.6 ],
               [-20.6 ,   5.16]])
        >>> fit.condvar()["subj"].of("S308").round(2)
                   Intercept   days
        Intercept     140.97 -20.60
        days          -20.60   5.16
        """
        design = self.sufficient_design()
        if levels is not None:
            return self._condvar_of(design, self._positions(levels))
        try:
            matrices = problem_of(design, self.estimates).conditional_variances()
        except MemoryError as error:
            if self.estimates.monte_carlo is None:
                raise
            raise MemoryError(
                "the variances of all conditional modes need the factorization that this iterative "
                f"fit did without; ask for those of some levels by levels=. {error}"
            ) from error
        if self.undetermined is not None:
            matrices = self.undetermined.conditional_variances(design, matrices)
        matrices = tuple(self._covariances_at_places(i, V) for i, V in enumerate(matrices))
        return {
            block.name: _matrices(block, matrix)
            for block, matrix in zip(self.layout.blocks, matrices, strict=True)
        }

    def _condvar_of(
        self, design: Design, positions: dict[str, NDArray[np.intp]]
    ) -> dict[str, LevelMatrices]:
        """Return conditional covariances of some levels."""
        if self.estimates.monte_carlo is None:
            found = {name: np.asarray(matrix) for name, matrix in self.condvar().items()}
            chosen = {name: found[name][here] for name, here in positions.items()}
        else:
            none = np.empty(0, dtype=np.intp)
            matrices = load("fitting.iterative.variances:variances_of_levels")(
                design,
                self.estimates,
                [positions.get(block.name, none) for block in self.layout.blocks],
            )
            names = [block.name for block in self.layout.blocks]
            chosen = {k: v for k, v in zip(names, matrices, strict=True) if k in positions}
        return {
            block.name: LevelMatrices(
                chosen[block.name], block.labels[positions[block.name]], block.effects
            )
            for block in self.layout.blocks
            if block.name in chosen
        }

    def coef_by_group(self) -> dict[str, pd.DataFrame]:
        """Return the coefficients of every level: fixed effects plus conditional modes.

        Returns
        -------
        dict of DataFrame
            By grouping factor, one row per level: the estimable fixed effects, to which the mode
            of the random effect of the same name is added; then random effects that have no fixed
            effect. With several grouping factors the table of one holds its own effects alone.

        See Also
        --------
        LinearMixedModelResults.ranef

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.coef_by_group()["subj"].head(2).round(3)
              Intercept    days
        subj
        S308    254.221  19.543
        S309    211.357   1.824
        """
        fixed = self.fixef
        tables = LevelTables()
        for name, modes in self._modes().items():
            others = [column for column in modes.columns if column not in fixed.index]
            table = modes.reindex(columns=[*fixed.index, *others], fill_value=0.0)
            tables[name] = table.add(fixed.reindex(table.columns, fill_value=0.0), axis="columns")
        return tables


def _table(block: BlockLayout, values: Array) -> pd.DataFrame:
    """Return modes, shape (l, k), with their labels; a row for each member."""
    values = values if block.members is None else values.T
    return pd.DataFrame(values, index=block.labels, columns=list(block.effects))


def _matrices(block: BlockLayout, values: Array) -> LevelMatrices:
    if block.members is not None:
        values = np.diagonal(values[0])[:, None, None]
    return LevelMatrices(values, block.labels, block.effects)


def _with_errors(table: pd.DataFrame, errors: Array) -> pd.DataFrame:
    names = [f"{name}_std_error" for name in table.columns]
    return table.join(pd.DataFrame(errors, index=table.index, columns=names))


def _long(
    name: str, table: pd.DataFrame, errors: Array, quantile: float, names: NDArray[np.str_]
) -> pd.DataFrame:
    """Return modes, shape (l, k), and their errors with a row for each that has a name."""
    k = table.shape[1]
    levels = table.index.to_flat_index() if isinstance(table.index, pd.MultiIndex) else table.index
    estimate, error = table.to_numpy().ravel(), errors.ravel()
    error = np.where(np.isnan(estimate), np.nan, error)
    half = quantile * error
    terms = names.ravel().astype(object)
    columns = (levels.repeat(k).astype(object), terms, estimate, error, estimate - half)
    rows = dict(zip(_LONG, (name, *columns, estimate + half), strict=True))
    shown = pd.DataFrame(rows)
    return shown if names.all() else shown[terms != ""].reset_index(drop=True)
