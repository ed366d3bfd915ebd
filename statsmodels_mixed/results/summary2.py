"""The other summary of statsmodels: `summary2`, whose tables are data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from ..options import answering
from .notes import facts

if TYPE_CHECKING:
    import pandas as pd

    from .base import MixedModelResults
    from .varcorr import VarCorr

__all__ = ["summary2", "variance_components"]


@answering({})
def summary2(
    result: MixedModelResults,
    yname: str | None = None,
    xname: Sequence[str] | None = None,
    title: str | None = None,
    alpha: float = 0.05,
    float_format: str = "%.4f",
) -> Any:
    """Summarize the fit in statsmodels' second form, whose `tables` are data frames.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    yname : str, optional
        Name to show for the response.
    xname : sequence of str, optional
        Names to show for the estimable coefficients.
    title : str, optional
        The first line.
    alpha : float
        The confidence intervals have level 1 - alpha.
    float_format : str
        How numbers are written, such as ``"%.4f"``.

    Returns
    -------
    statsmodels.iolib.summary2.Summary
        With three tables: the fit, the coefficients, the variance components.

    Raises
    ------
    OptionError
        If names are missing, or an option is of another kind.

    See Also
    --------
    LinearMixedModelResults.summary

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.summary2().tables[1].iloc[:, :2].round(3)
                 Coef.  Std.Err.
    Intercept  251.405     6.632
    days        10.467     1.502
    """
    from statsmodels.iolib.summary2 import Summary  # noqa: PLC0415 - slow to import, seldom used

    names = result.fixefnames if xname is None else list(xname)
    if len(names) != len(result.fixefnames):
        raise OptionError(f"xname must have {len(result.fixefnames)} names, one per coefficient.")
    document = Summary()
    document.add_base(
        results=result,
        alpha=alpha,
        float_format=float_format,
        xname=names,
        yname=yname,
        title=title or f"Results: {result.kind}, {result.method}",
    )
    document.add_df(variance_components(result.varcorr), float_format=float_format)
    for fact in facts(result):
        document.add_text(fact)
    return document


def variance_components(varcorr: VarCorr) -> pd.DataFrame:
    """Return the variance components as `summary2` shows them.

    Parameters
    ----------
    varcorr : VarCorr
    """
    components = varcorr.to_frame().rename(columns={"variance": "Variance", "std_dev": "Std.Dev."})
    components.columns = [name.replace("corr_", "Corr. ") for name in components.columns]
    components.index = [" ".join(filter(None, labels)) for labels in components.index]
    return components
