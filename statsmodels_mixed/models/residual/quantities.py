"""The covariance of the residuals of a fit, as data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...options import ChecksOptions
from ...residual_covariance.estimates import ResidualEstimates

__all__ = ["ResidualQuantities"]


class ResidualQuantities(ChecksOptions):
    """What a fit says of the covariance of its residuals."""

    estimates: ResidualEstimates

    @property
    def residual_covariance(self) -> pd.DataFrame | dict[Any, pd.DataFrame]:
        """Covariance matrix of the residuals of a subject, before weights and dispersion.

        A frame by visit or time; with `by=` a dict of frames by stratum.
        """
        frames = {
            label: pd.DataFrame(each.matrix, index=each.labels, columns=each.labels)
            for label, each in zip(
                self.estimates.cells.strata, self.estimates.residuals, strict=True
            )
        }
        return next(iter(frames.values())) if len(frames) == 1 else frames

    @property
    def residual_correlation(self) -> pd.DataFrame | dict[Any, pd.DataFrame]:
        """Correlation matrix of the residuals of a subject; see `residual_covariance`."""

        def scaled(frame: pd.DataFrame) -> pd.DataFrame:
            sds = np.sqrt(np.diag(frame))
            return frame / np.outer(sds, sds)

        found = self.residual_covariance
        if isinstance(found, dict):
            return {label: scaled(frame) for label, frame in found.items()}
        return scaled(found)

    @property
    def residual_parameters(self) -> pd.DataFrame:
        """Parameters of the covariance of the residuals, on their natural scale.

        Standard errors are those of the observed information. With `by=` names have the stratum
        first. Parameters of the dispersion are ratios of standard deviations to those of
        the reference level, or exponents.
        """
        estimates = self.estimates
        rows: list[tuple[Any, str, float, float]] = []
        for label, each in zip(estimates.cells.strata, estimates.residuals, strict=True):
            reported = zip(each.names, each.values, each.errors, strict=True)
            rows += [(label, name, float(value), float(error)) for name, value, error in reported]
        spread = estimates.dispersion_values, estimates.dispersion_errors
        reported = zip(estimates.dispersion_names, *spread, strict=True)
        rows += [("", name, float(value), float(error)) for name, value, error in reported]
        several = len(estimates.residuals) > 1
        names = [
            f"{label}: {name}" if several and label != "" else name for label, name, _, _ in rows
        ]
        columns = ["estimate", "std_error"]
        return pd.DataFrame([row[2:] for row in rows], index=names, columns=columns)
