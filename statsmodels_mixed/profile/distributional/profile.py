"""Profiles of the likelihood of fits with parameters of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from ..._core import one_blas_thread
from ...errors import DataError, OptionError
from ...results.parameters import KINDS, CovarianceParameters
from ...results.progress import Progress
from ..path import trace
from ..profile import Profile
from ..targets import wanted_targets
from .row_model import RowModel

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["profile"]


def profile(
    self: DistributionalFit,
    kinds: str | Sequence[str] | None = None,
    *,
    level: float = 0.999,
    progress: bool | None = None,
) -> Profile:
    """Profile the likelihood of the fit.

    A coefficient that has no finite estimate, as of a probability of zeros or an overdispersion
    that was estimated as none, is followed on one side; its interval has no end on the other.

    Parameters
    ----------
    kinds : str or sequence of str, optional
        Which parameters: some of ``"beta"`` (coefficients of all parts), ``"theta"``, ``"sd"``
        (standard deviations of the random effects), ``"corr"`` (their correlations); or single
        parameters by their names, such as ``"zi: Intercept"``. All by default.
    level : float
        Largest level of confidence of the intervals to be asked for.
    progress : bool, optional
        Show a progress bar, which needs the package tqdm.

    Returns
    -------
    Profile

    Raises
    ------
    OptionError
        If the model has no parameters of a kind or name.
    DataError
        If the data of the fit were removed, or the fit has not converged.
    MixedModelError
        If a deviance below that of the fit is found: it was no maximum of the likelihood.

    See Also
    --------
    DistributionalResults.conf_int, DistributionalResults.bootstrap

    References
    ----------
    Bates and Watts (1988), Nonlinear regression analysis and its applications, chapter 6.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().profile("beta").conf_int().loc["beta"].round(2)
                   estimate  lower  upper
    name
    Intercept          0.55   0.22   0.86
    zi: Intercept     -3.48  -5.00  -2.60
    """
    if not 0 < level < 1:
        raise OptionError(f"level must be between 0 and 1, not {level!r}.")
    if not self.converged:
        raise DataError(
            "profile() needs a maximum of the likelihood, and the fit has not converged: take a "
            "simpler model."
        )
    components, names = CovarianceParameters.of(self.layout), tuple(self._names)
    present = {"beta": names, "theta": True, "sd": components.sd_names}
    present["corr"] = components.corr_names
    infinite = np.where(self._infinite, self._infinite, self.estimates.ends)
    unknown = {
        ("beta", name)
        for name, at in zip(names, self._order, strict=True)
        if not (infinite[at] or np.isfinite(self.estimates.covariance[at, at]))
    }
    with one_blas_thread():
        design = self.model.kept_design()
        model = RowModel(design, self.estimates, components, self._order, infinite)
        there = [kind for kind in KINDS if present.get(kind)]
        targets = wanted_targets(model, kinds, there, names)
        known = [each for each in targets if (each.kind, each.name) not in unknown]
        traced = []
        with Progress("profile", len(known), progress, unit="parameter") as shown:
            for target in known:
                traced.append(trace(model, target, float(norm.isf((1 - level) / 2))))
                shown.update(1)
    return Profile(
        formula=str(self.model.formula_full),
        level=level,
        curves=tuple(curve for curve, _ in traced),
        optima=tuple(optima for _, optima in traced),
        scale_name="",
        fixed_names=names,
        components=components,
        not_identified=tuple(sorted({(each.kind, each.name) for each in targets} & unknown)),
    )
