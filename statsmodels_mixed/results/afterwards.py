"""What users do next with a fit, as methods that hand over to `statsmodels_mixed.inference`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ..inference.influence import Influence
    from ..inference.power import Power
    from ..inference.profile import Profile
    from ..inference.re_pca import PrincipalComponents
    from ..inference.replicates import Bootstrap
    from ..inference.simulated_residuals import SimulatedResiduals
    from ..inference.variance_explained import ICC, R2
    from .comparison import LikelihoodRatio

__all__ = ["Afterwards"]

Array = NDArray[np.float64]


class Afterwards:
    """Methods of a result that are functions of the same name in `statsmodels_mixed.inference`.

    The parameters of each are described there.
    """

    # Tests and comparison.

    def with_inference(
        self,
        *,
        dof: str | None = None,
        cov_type: str | None = None,
        cov_kwds: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return this fit with other standard errors or degrees of freedom.

        Parameters
        ----------
        dof, cov_type, cov_kwds
            As in `fit`, with the same defaults. Nothing is fitted again.
        """
        from ..inference.references import with_inference

        return with_inference(self, dof=dof, cov_type=cov_type, cov_kwds=cov_kwds)

    def anova(self, *others: Any, typ: int | None = None, ddf: str | None = "auto") -> pd.DataFrame:
        """Test the terms of this fit, or compare it with nested fits; see `inference.anova`."""
        from ..inference.anova import anova

        return anova(self, *others, typ=typ, ddf=ddf)

    def compare_lr_test(self, restricted: Any) -> LikelihoodRatio:
        """Test against a smaller model nested in this one; see `likelihood_ratio`."""
        from .comparison import likelihood_ratio

        return likelihood_ratio(self, restricted)

    def drop1(self) -> pd.DataFrame:
        """Test each term of the fixed part by leaving it out; see `inference.drop1`."""
        from ..inference.drop1 import drop1

        return drop1(self)

    def ranova(self) -> pd.DataFrame:
        """Test each random-effects term by leaving it out; see `inference.ranova`."""
        from ..inference.drop1 import ranova

        return ranova(self)

    # Likelihood and simulation.

    def profile(self, kinds: Any = None, *, level: float = 0.999) -> Profile:
        """Profile the likelihood; see `inference.profile`."""
        from ..inference.profile import profile

        return profile(self, kinds, level=level)

    def simulate(self, n: int = 1, **options: Any) -> Array:
        """Draw `n` responses from the fit; options as in `inference.simulate`."""
        from ..inference.simulate import simulate

        return simulate(self, n, **options)

    def refit(self, y: ArrayLike) -> Any:
        """Fit the same model to another response; see `inference.refit`."""
        from ..inference.refit import refit

        return refit(self, y)

    def bootstrap(self, n: int, **options: Any) -> Bootstrap:
        """Refit to `n` simulated or resampled responses; options as in `inference.bootstrap`."""
        from ..inference.bootstrap import bootstrap

        return bootstrap(self, n, **options)

    def power(self, n: int = 1000, **options: Any) -> Power:
        """Estimate the power of tests by simulation; options as in `inference.power`."""
        from ..inference.power import power

        return power(self, n, **options)

    # Diagnostics.

    def residuals(
        self, kind: str = "response", *, scaled: bool = False, standardized: bool = False
    ) -> pd.Series:
        """Return residuals of any kind; see `inference.residuals`."""
        from ..inference.residuals import residuals

        return residuals(self, kind, scaled=scaled, standardized=standardized)

    def simulated_residuals(self, n: int = 250, **options: Any) -> SimulatedResiduals:
        """Rank responses among simulated ones; options as in `inference.simulated_residuals`."""
        from ..inference.simulated_residuals import simulated_residuals

        return simulated_residuals(self, n, **options)

    def leverage(self) -> pd.Series:
        """Return the diagonal of the hat matrix; see `inference.leverage`."""
        from ..inference.leverage import leverage

        return leverage(self)

    def cooks_distance(self) -> pd.Series:
        """Return Cook's distances without any refit; see `inference.cooks_distance`."""
        from ..inference.cooks_distance import cooks_distance

        return cooks_distance(self)

    def influence(self, by: str | ArrayLike = "obs") -> Influence:
        """Fit again without each row or each group of rows; see `inference.influence`."""
        from ..inference.influence import influence

        return influence(self, by)

    # What a fit explains.

    def r2(self, **options: Any) -> R2:
        """Return Nakagawa's marginal and conditional R2; see `inference.r2`."""
        from ..inference.variance_explained import r2

        return r2(self, **options)

    def icc(self, **options: Any) -> ICC:
        """Return intraclass correlations; see `inference.icc`."""
        from ..inference.variance_explained import icc

        return icc(self, **options)

    def re_pca(self, corr: bool = False) -> dict[str, PrincipalComponents]:
        """Return principal components of the random effects; see `inference.re_pca`."""
        from ..inference.re_pca import re_pca

        return re_pca(self, corr)

    def vif(self) -> pd.DataFrame:
        """Return variance inflation factors of the terms of the fixed part; see `inference.vif`."""
        from ..inference.vif import vif

        return vif(self)
