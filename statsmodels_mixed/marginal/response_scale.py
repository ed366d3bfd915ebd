"""From the scale on which a model is linear to that of the response.

For generalized models that is the inverse of the link; for a linear model of a transformed
response, such as ``np.log(y) ~ ...``, the inverse of the transformation. The mean of g(eta + e), e
with mean 0 and standard deviation sigma, is g(eta) + g''(eta) sigma^2 / 2 to second order: the
adjustment for bias.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from statsmodels.genmod.families import links

from .._typing import Array

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["ResponseScale", "response_scale"]


# Step of the difference of second derivatives, on the scale of the linear predictor.
STEP = 1e-4

# Responses such as np.log(y) and log(y + 1).
_TRANSFORMED = re.compile(r"^(?:np\.|numpy\.|math\.)?(log|log10|log2|log1p|sqrt)\((.+)\)$")
_SHIFTED = re.compile(r"""^(?:\w+|Q\(["'].*["']\))(?:\+(\d+(?:\.\d*)?))?$""")
_LINK_NAMES = {
    links.Log: "log",
    links.Probit: "probit",
    links.Cauchy: "cauchit",
    links.CLogLog: "cloglog",
    links.LogLog: "loglog",
    links.Logit: "logit",
    links.InversePower: "inverse",
    links.InverseSquared: "1/mu^2",
    links.Sqrt: "sqrt",
    links.Power: "power",
}


@dataclass(frozen=True, eq=False)
class ResponseScale:
    """A transformation back to the scale of the response.

    Parameters
    ----------
    name : str
        Of the scale on which the model is linear: ``"log"``, ``"logit"``.
    link : object
        With `inverse`, `inverse_deriv` and `inverse_deriv2`, as the links of statsmodels.
    ratio : str
        What exponentials of differences are: ``"ratio"``, ``"odds ratio"``; empty if they
        have no meaning.
    sigma : ndarray, shape (m,), or None
        For the adjustment for bias.
    base : float
        What differences are multiplied with before their exponential.
    """

    name: str
    link: Any
    ratio: str = ""
    sigma: Array | None = None
    base: float = 1.0

    def inverse(self, eta: Array) -> Array:
        """Return the response at linear predictors, shape (m,)."""
        plain = self._at("inverse", eta)
        return plain if self.sigma is None else plain + self._half * self.bend(eta)

    def slope(self, eta: Array) -> Array:
        """Return the derivative of `inverse`."""
        plain = self._at("inverse_deriv", eta)
        if self.sigma is None:
            return plain
        third = (self.bend(eta + STEP) - self.bend(eta - STEP)) / (2.0 * STEP)
        return plain + self._half * third

    def bend(self, eta: Array) -> Array:
        """Return the second derivative of the inverse without adjustment."""
        return self._at("inverse_deriv2", eta)

    @property
    def _half(self) -> Array:
        assert self.sigma is not None
        return np.square(self.sigma) / 2.0

    def _at(self, name: str, eta: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(getattr(self.link, name)(np.asarray(eta, dtype=float)), dtype=float)

    def adjusted(self, sigma: Array) -> ResponseScale:
        """Return the scale with the adjustment for bias; sigma has shape (m,)."""
        return replace(self, sigma=sigma)

    def of_ratios(self) -> ResponseScale:
        """Return the scale of ratios: exponentials of differences."""
        return ResponseScale(self.name, _Exponential(self.base, 0.0), self.ratio, base=self.base)


def response_scale(result: MixedModelResults) -> ResponseScale | None:
    """Return how the linear predictor of a fit becomes a response; None if it is one."""
    link = result.model.link
    if type(link) is links.Identity or getattr(link, "power", None) == 1:
        return _of_response(result.layout.response)
    name = next((known for kind, known in _LINK_NAMES.items() if isinstance(link, kind)), "link")
    return ResponseScale(name, link, {"log": "ratio", "logit": "odds ratio"}.get(name, ""))


@dataclass(frozen=True)
class _Exponential:
    """The inverse of log(y + c) to a base, as a link has it."""

    base: float
    constant: float

    def inverse(self, eta: Array) -> Array:
        return np.exp(self.base * eta) - self.constant

    def inverse_deriv(self, eta: Array) -> Array:
        return self.base * np.exp(self.base * eta)

    def inverse_deriv2(self, eta: Array) -> Array:
        return self.base**2 * np.exp(self.base * eta)


def _of_response(name: str) -> ResponseScale | None:
    """Return the inverse of a transformation that the name of a response shows."""
    match = _TRANSFORMED.match(name.replace(" ", ""))
    if match is None:
        return None
    kind, inside = match[1], _SHIFTED.match(match[2])
    if inside is None:
        return None
    if kind == "sqrt":
        return None if inside[1] else ResponseScale(kind, links.Sqrt())
    constant = float(inside[1] or 0.0) + (kind == "log1p")
    base = {"log10": float(np.log(10.0)), "log2": float(np.log(2.0))}.get(kind, 1.0)
    ratio = "" if constant else "ratio"
    # As R's emmeans calls it: a mean on this scale is no logarithm of a mean.
    name = f"{kind}(mu + {inside[1]})" if inside[1] else kind
    return ResponseScale(name, _Exponential(base, constant), ratio, base=base)
