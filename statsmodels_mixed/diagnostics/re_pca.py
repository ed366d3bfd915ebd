"""Principal components of the random effects: how many directions they really vary in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..results.base import unwrap
from ..results.own_function import own_first
from ..tables.document import Document
from ..tables.shown import Shown, table_of

__all__ = ["PrincipalComponents", "re_pca"]


@dataclass(frozen=True, eq=False)
class PrincipalComponents(Shown):
    """Principal components of the random effects of one grouping factor.

    Parameters
    ----------
    name : str
        The grouping factor.
    sdev : Series, shape (k,)
        Standard deviations of the components, by decreasing size.
    rotation : DataFrame, shape (k, k)
        Orthonormal loadings: a column for each component, a row for each random effect. The
        largest loading of a component is positive.
    corr : bool
        Whether they are those of the correlations.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> components = fit.re_pca()["subj"]
    >>> components.sdev.round(3).tolist(), components.proportion.round(3).tolist()
    ([23.785, 5.697], [0.946, 0.054])
    """

    name: str
    sdev: pd.Series
    rotation: pd.DataFrame
    corr: bool

    def __repr__(self) -> str:
        what = "of correlations, " if self.corr else ""
        return f"<PrincipalComponents: {self.name}; {what}sdev {self.sdev.round(4).tolist()}>"

    def _document(self) -> Document:
        title = f"Principal components of the random effects of {self.name}"
        notes = ["Of their correlations."] if self.corr else []
        return Document(title, [table_of(self.summary_frame()), table_of(self.rotation)], notes)

    @property
    def proportion(self) -> pd.Series:
        """Share of each component in the total variance, shape (k,); NaN if that is zero."""
        with np.errstate(all="ignore"):
            return (self.sdev**2 / np.sum(self.sdev.to_numpy() ** 2)).rename("proportion")

    @property
    def cumulative(self) -> pd.Series:
        """Share of the first components together, shape (k,)."""
        return self.proportion.cumsum().rename("cumulative")

    def summary_frame(self) -> pd.DataFrame:
        """Return standard deviations, proportions and cumulative proportions by component.

        Returns
        -------
        DataFrame
            A row for each component.

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.re_pca()["subj"].summary_frame().round(3)
               sdev  proportion  cumulative
        PC1  23.785       0.946       0.946
        PC2   5.697       0.054       1.000
        """
        return pd.concat([self.sdev, self.proportion, self.cumulative], axis=1)


@own_first
def re_pca(result: Any, corr: bool = False) -> dict[str, PrincipalComponents]:
    """Return the principal components of the covariance of each grouping factor.

    Components of zero variance are directions in which the estimated random effects do not
    vary: the model has more of them than the data support.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    corr : bool
        Take the correlations rather than the covariances, as MixedModels.jl does: the units of
        the random effects then play no part.

    Returns
    -------
    dict of PrincipalComponents
        By grouping factor, NaN where the data do not determine the covariances. These are in
        the units of the linear predictor; lme4's `rePCA` has them over sigma.

    Raises
    ------
    OptionError
        If `result` is not a fitted mixed model.

    See Also
    --------
    LinearMixedModelResults.issingular

    References
    ----------
    Bates, Kliegl, Vasishth and Baayen (2015), Parsimonious mixed models, arXiv:1506.04967.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.re_pca(corr=True)["subj"].proportion.round(3).tolist()
    [0.541, 0.459]
    """
    result = unwrap(result, correlated=True)
    out = {}
    blocks = zip(result.layout.blocks, result.estimates.factors, strict=True)
    for b, (block, T) in enumerate(blocks):
        factor = result.estimates.effects_scale * T
        if corr:
            lengths = np.linalg.norm(factor, axis=1, keepdims=True)
            factor = factor / np.where(lengths > 0, lengths, 1.0)
        rotation, sdev, _ = np.linalg.svd(factor)
        largest = np.take_along_axis(rotation, np.abs(rotation).argmax(axis=0)[None], axis=0)
        rotation = rotation * np.where(largest < 0, -1.0, 1.0)
        if not result._elements_known(b).all():
            rotation, sdev = np.full_like(rotation, np.nan), np.full_like(sdev, np.nan)
        components = [f"PC{i + 1}" for i in range(len(sdev))]
        out[block.name] = PrincipalComponents(
            block.name,
            pd.Series(sdev, components, name="sdev"),
            pd.DataFrame(rotation, list(block.columns), components),
            corr,
        )
    return out
