"""What a table of several models shows of a mixed one below the coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import OptionError
from ..options import answering, described

if TYPE_CHECKING:
    from .base import MixedModelResults

__all__ = ["STD_ERRORS", "deviations", "table_lines"]

# The label of the kind of standard errors.
STD_ERRORS = "Std. Errors"
MOST_DECIMALS = 16


@answering({})
def table_lines(result: MixedModelResults, decimals: int = 4) -> dict[str, str]:
    """Return the lines of a mixed model in a table of several: levels, deviations, kind of errors.

    `summary_col` of statsmodels, stargazer and maketables show them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    decimals : int
        Of standard deviations.

    Returns
    -------
    dict of str to str
        By label: numbers of levels, standard deviations of random effects, the residual one and
        the kind of standard errors.

    Raises
    ------
    OptionError
        If there are more decimals than a double has digits.

    See Also
    --------
    LinearMixedModelResults.summary2

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.table_lines(2)["SD (subj: Intercept)"]
    '36.01'
    """
    if not 0 <= decimals <= MOST_DECIMALS:
        raise OptionError(f"decimals must be from 0 to {MOST_DECIMALS}, not {described(decimals)}.")
    decimals = int(decimals)
    lines = {f"Groups ({b.name})": str(len(b.levels)) for b in result.layout.blocks}
    lines |= {label: f"{value:.{decimals}f}" for label, value in deviations(result).items()}
    if result._residual_sd is not None:
        lines["Residual sd"] = f"{result._residual_sd:.{decimals}f}"
    lines[STD_ERRORS] = result.reference.errors
    return lines


def deviations(result: MixedModelResults) -> dict[str, float]:
    """Return the standard deviations of random effects by label."""
    return {
        f"SD ({group.name}: {name})": float(value)
        for group in result.varcorr.groups
        for name, value in zip(group.columns, group.std_dev, strict=True)
    }
