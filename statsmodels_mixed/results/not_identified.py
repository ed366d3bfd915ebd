"""Which numbers of a fit, by kind and name, depend on what the data do not determine.

The kinds are those of `parameters`, and ``"se"`` for standard errors of coefficients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ..errors import IdentificationWarning, warn_caller
from .parameters import CovarianceParameters

__all__ = ["hide", "not_identified", "warn_not_identified"]

Label = tuple[str, str]


def not_identified(result: Any, *, spread: bool = True) -> frozenset[Label]:
    """Return the parameters that the data do not determine, and what depends on them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
    spread : bool
        Whether a coefficient counts when its variance is not determined. Otherwise it does
        only when the estimate itself is not.
    """
    if result.undetermined is None:
        return frozenset()
    rows = np.eye(len(result.estimates.beta))
    names = [result.layout.columns[i] for i in result.estimates.columns]
    without_variance = result.undetermined.tests(rows)
    lost = without_variance if spread else result.undetermined.estimates(rows)
    labels = {("beta", name) for name, is_lost in zip(names, lost, strict=True) if is_lost}
    labels |= {("se", name) for name, one in zip(names, without_variance, strict=True) if one}
    *theta, scale = result._parameters_known()
    components = CovarianceParameters.of_result(result)
    labels |= {
        ("theta", name)
        for name, known in zip(components.theta_names, theta, strict=True)
        if not known
    }
    labels |= {
        label for label, known in result.identified.items() if not known and label[0] != "sigma"
    }
    if not scale:
        labels.add((result.estimates.scale_name, ""))
    return frozenset(labels)


def hide(frame: pd.DataFrame, labels: Iterable[Label]) -> pd.DataFrame:
    """Return a frame whose columns are kinds and names with NaN in those of some labels."""
    lost = frame.columns.isin(list(labels))
    return frame.mask(np.broadcast_to(lost, frame.shape)) if lost.any() else frame


def warn_not_identified(labels: Iterable[Label], what: str) -> None:
    """Warn that numbers are NaN because the data do not determine some parameters."""
    shown = ", ".join(" ".join(filter(None, label)) for label in labels)
    if shown:
        warn_caller(
            f"{what} of {shown} are NaN: they depend on covariance parameters that the data do "
            f"not determine; see `report` of the fit.",
            IdentificationWarning,
        )
