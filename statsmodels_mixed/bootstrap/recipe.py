"""What the replicates of a bootstrap follow from, and the names of their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..results.not_identified import hide
from ..results.parameters import CovarianceParameters, parameter_index
from .parameter_rows import ParameterRows

__all__ = ["Recipe", "ReplicateRows"]


# Number, values and convergence of some replicates; see `Bootstrap`.
ReplicateRows = tuple[NDArray[np.int64], Array, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Recipe:
    """Everything that the replicates follow from, and the names of their parameters.

    Parameters
    ----------
    model : str
        Fingerprint of the design and of how it was fitted.
    formula : str
        What the model is called when replicates are shown.
    entropy : int or tuple of int
        Of the seed.
    spawn_key : tuple of int
        Of the seed.
    stream_length : int
        Consecutive replicates that share a stream of random numbers.
    re : str
        ``"new"`` or ``"conditional"`` random effects; empty for cases.
    by : str
        Grouping factor whose levels are drawn with replacement; empty for responses drawn
        from the model.
    scale_name : str
        ``"sigma"`` or ``"dispersion"``; empty for a family without one.
    fixed_names : tuple of str
        Names of the estimable coefficients.
    components : CovarianceParameters
        Names of the covariance parameters.
    units : ndarray, shape (n_sd,)
        Root mean square of the column of Z of each random effect.
    truth, estimate : ndarray, shape (1, width)
        Parameters that responses were drawn from, and those of the fit, as a row of
        replicates; see `ParameterRows`. Objective and standard errors of `truth` are NaN.
    not_identified : tuple of (str, str)
        Kind and name of what depends on parameters that the data do not determine.
    several_modes : bool
        Whether the fit has several conditional modes, so that objectives jump.
    """

    model: str
    formula: str
    entropy: int | tuple[int, ...]
    spawn_key: tuple[int, ...]
    stream_length: int
    re: str
    by: str
    scale_name: str
    fixed_names: tuple[str, ...]
    components: CovarianceParameters
    units: Array
    truth: Array
    estimate: Array
    not_identified: tuple[tuple[str, str], ...] = ()
    several_modes: bool = False

    @property
    def kind(self) -> str:
        """What is drawn: ``"parametric"`` or ``"cases"``."""
        return "cases" if self.by else "parametric"

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Kind and name of each number of a row."""
        fixed = self.fixed_names
        return [
            ("objective", ""),
            (self.scale_name or "dispersion", ""),
            *(("beta", name) for name in fixed),
            *(("se", name) for name in fixed),
            *(("theta", name) for name in self.components.theta_names),
            *([("singular", "")] if self.components.natural else []),
        ]

    def read(self, rows: Array) -> ParameterRows:
        """Return rows of replicates, shape (m, width), by the names of their parts."""
        return ParameterRows(rows, len(self.fixed_names))

    def table(self, rows: Array) -> pd.DataFrame:
        """Return rows with the standard deviations and correlations they imply.

        What the data do not determine is NaN.
        """
        components, parts = self.components, self.read(rows)
        theta = parts.theta
        scale = parts.scale if self.scale_name == "sigma" else 1.0
        values = [rows, components.deviations(theta, scale), components.correlations(theta)]
        labels = [
            *self.labels,
            *(("sd", name) for name in components.sd_names),
            *(("corr", name) for name in components.corr_names),
        ]
        frame = pd.DataFrame(np.hstack(values), columns=parameter_index(labels))
        frame = hide(frame, self.not_identified).drop(
            columns="singular", level="kind", errors="ignore"
        )
        return frame if self.scale_name else frame.drop(columns="dispersion", level="kind")
