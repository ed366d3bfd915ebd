"""What the tests and intervals of the coefficients of one fit refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._frozen import quickly_made
from ..errors import OptionError
from .contrast_tests import ContrastTests

__all__ = [
    "DOF_METHODS",
    "KENWARD_ROGER",
    "MODEL_BASED",
    "RESIDUAL_DOF_METHODS",
    "Reference",
    "refuse_none_left",
]

# Standard errors of the coefficients as if the covariance parameters were known.
MODEL_BASED = "given theta"

# Where degrees of freedom may come from, and what that is called.
DOF_METHODS = {
    None: "",
    "residual": "residual",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "kenward-roger-linear": "Kenward-Roger (linear)",
}

KENWARD_ROGER = ("kenward-roger", "kenward-roger-linear", "kenward-roger-mmrm")

# The same for models with correlated residuals.
RESIDUAL_DOF_METHODS = {
    **DOF_METHODS,
    "between-within": "between-within",
    "kenward-roger-mmrm": "Kenward-Roger (mmrm)",
}


@quickly_made
@dataclass(frozen=True, eq=False)
class Reference:
    """Covariance of the coefficients and reference distributions of their tests.

    Parameters
    ----------
    tests : ContrastTests
        Coefficients, their covariance, and degrees of freedom for any contrast.
    dof : {None, "residual", "satterthwaite", "kenward-roger"}
        Where the degrees of freedom come from; None for normal and chi-squared tests.
    cov_type : str
        What the covariance is: ``"nonrobust"`` (``"conditional"``, ``"hessian"`` for
        generalized models) or ``"cluster"``.
    errors : str
        The same in words, for the summary.
    fact : str
        A sentence for the reader of the summary; empty when there is nothing to say.
    cov_kwds : mapping
        With clusters, their labels by row, ``groups``, and the correction, ``kind``.
    information : {"observed", "expected"}
        What the degrees of freedom of a model with correlated residuals come from.
    """

    tests: ContrastTests
    dof: str | None
    cov_type: str
    errors: str
    fact: str = ""
    cov_kwds: Mapping[str, Any] = field(default_factory=dict)
    information: str = "observed"


def refuse_none_left(df_resid: float) -> None:
    """Refuse Student's t without degrees of freedom.

    Parameters
    ----------
    df_resid : float
        Rows minus estimated parameters.

    Raises
    ------
    OptionError
        If it is not positive.
    """
    if df_resid <= 0:
        raise OptionError(
            'dof="residual" leaves no degrees of freedom, because the model has as many parameters '
            "as rows or more; use dof=None, or a smaller model."
        )
