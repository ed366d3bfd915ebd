"""Shares of variance of ordinal models: those of the latent variable behind the categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..diagnostics.variance_explained import ICC, R2
from ..diagnostics.variance_explained import icc as _icc
from ..diagnostics.variance_explained import r2 as _r2
from ..errors import OptionError

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults
    from .generalized_results import GeneralizedLinearMixedModelResults

__all__ = ["icc", "r2"]


def r2(self: DistributionalResults) -> R2:
    """Return the marginal and the conditional R2 of an ordinal model, on the latent scale.

    Returns
    -------
    R2
        ``marginal`` and ``conditional``: shares in the variance of the latent variable, whose
        residual has that of the standard distribution behind the link.

    Raises
    ------
    OptionError
        For models of other kinds, or with the link cauchit, whose distribution has no variance.

    See Also
    --------
    DistributionalResults.icc

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.

    Examples
    --------
    >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
    >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
    >>> [round(share, 2) for share in fit.r2()]
    [0.27, 0.78]
    """
    return _r2(_latent(self, "R2"))


def icc(self: DistributionalResults) -> ICC:
    """Return intraclass correlations of an ordinal model, on the latent scale.

    Returns
    -------
    ICC
        ``adjusted``, ``unadjusted`` and a table ``by_group``.

    Raises
    ------
    OptionError
        As for `r2`.

    See Also
    --------
    DistributionalResults.r2

    References
    ----------
    Nakagawa, Johnson and Schielzeth (2017), Journal of the Royal Society Interface 14, 20170213.

    Examples
    --------
    >>> scores = datasets.load("sleepstudy").assign(slow=lambda d: pd.cut(d["reaction"], 3))
    >>> fit = mixedordinal2("slow ~ days + (1 | subj)", scores).fit()
    >>> round(fit.icc().adjusted, 2)
    0.7
    """
    return _icc(_latent(self, "ICC"))


def _latent(fit: DistributionalResults, what: str) -> GeneralizedLinearMixedModelResults:
    """Return the part of the mean of an ordinal model."""
    if not fit._ordered:
        raise OptionError(
            f"{what} is not known where zeros or the dispersion have formulas, or a distribution "
            "has shapes: what they add to the variance depends on the row."
        )
    return fit._mean_part
