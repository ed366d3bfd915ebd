"""Families with every link that makes sense for them, and small models of every shape."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from glmm_oracle import Model
from oracle import Term
from statsmodels.genmod.families import family as families
from statsmodels.genmod.families import links

from statsmodels_mixed._core import CoreDesign, CoreGeneralized, TermArrays

FAMILIES = {
    "gaussian": families.Gaussian,
    "binomial": families.Binomial,
    "poisson": families.Poisson,
    "gamma": families.Gamma,
    "inverse_gaussian": families.InverseGaussian,
    "negative_binomial": families.NegativeBinomial,
}
LINKS = {
    "identity": links.Identity,
    "log": links.Log,
    "logit": links.Logit,
    "probit": links.Probit,
    "cloglog": links.CLogLog,
    "loglog": links.LogLog,
    "cauchit": links.Cauchy,
    "power": links.Power,
}


@dataclass(frozen=True)
class Kind:
    """A family, a link and an interval of linear predictors that suit it."""

    family: str
    link: str
    low: float
    high: float
    power: float = 1.0

    @property
    def has_dispersion(self) -> bool:
        return self.family not in ("binomial", "poisson")

    def object(self, dispersion: float = 1.0) -> Any:
        """The family of statsmodels; `dispersion` is alpha of a negative binomial."""
        link = links.Power(self.power) if self.link == "power" else LINKS[self.link]()
        extra = {"alpha": dispersion} if self.family == "negative_binomial" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # links that need care
            return FAMILIES[self.family](link, check_link=False, **extra)

    def at(self, dispersion: float) -> dict[str, Any]:
        """Where a `Model` of the oracle keeps the dispersion."""
        inside = self.family == "negative_binomial" or not self.has_dispersion
        return {"family": self.object(dispersion), "phi": 1.0 if inside else dispersion}

    def draw(self, rng: np.random.Generator, mu: np.ndarray, phi: float) -> np.ndarray:
        """Responses of these means; of a binomial one trial each."""
        match self.family:
            case "gaussian":
                return rng.normal(mu, np.sqrt(phi))
            case "binomial":
                return rng.binomial(1, mu).astype(float)
            case "poisson":
                return rng.poisson(mu).astype(float)
            case "gamma":
                return rng.gamma(1 / phi, mu * phi)
            case "inverse_gaussian":
                return rng.wald(mu, 1 / phi)
            case _:
                return rng.negative_binomial(1 / phi, 1 / (1 + phi * mu)).astype(float)


KINDS = {
    f"{kind.family}-{kind.link}{kind.power if kind.link == 'power' else ''}": kind
    for kind in (
        Kind("gaussian", "identity", -2, 2),
        Kind("gaussian", "log", -1, 1),
        Kind("gaussian", "logit", -2, 2),
        Kind("gaussian", "power", 0.6, 1.8, power=-1.0),
        Kind("gaussian", "power", 1.0, 3.0, power=0.5),
        Kind("binomial", "logit", -2, 2),
        Kind("binomial", "probit", -1.2, 1.2),
        Kind("binomial", "cauchit", -2, 2),
        Kind("binomial", "cloglog", -2, 0.8),
        Kind("binomial", "loglog", -0.8, 2),
        Kind("binomial", "log", -1.2, -0.5),
        Kind("binomial", "identity", 0.3, 0.7),
        Kind("poisson", "log", -1, 2),
        Kind("poisson", "identity", 3, 6),
        Kind("poisson", "power", 1.2, 3.0, power=0.5),
        Kind("gamma", "log", -1, 1),
        Kind("gamma", "identity", 2, 4),
        Kind("gamma", "power", 0.6, 1.8, power=-1.0),
        Kind("inverse_gaussian", "power", 0.6, 1.8, power=-2.0),
        Kind("inverse_gaussian", "power", 0.6, 1.8, power=-1.0),
        Kind("inverse_gaussian", "identity", 2, 4),
        Kind("inverse_gaussian", "log", -1, 1),
        Kind("negative_binomial", "log", -1, 2),
        Kind("negative_binomial", "identity", 3, 6),
        Kind("negative_binomial", "power", 1.2, 3.0, power=0.5),
    )
}

# Per term: levels and columns. One name ends in what the model has besides.
SHAPES = {
    "scalar": [(9, 1)],
    "scalar, weights": [(9, 1)],
    "vector": [(8, 2)],
    "vector, weights and offset": [(8, 2)],
    "crossed": [(8, 1), (5, 1)],
    "crossed, weights and offset": [(8, 1), (5, 1)],
    "mixed": [(7, 2), (4, 1)],
    "mixed, weights": [(7, 2), (4, 1)],
}
PHI = 0.3


@dataclass(frozen=True)
class Case:
    """A model, data and parameters."""

    kind: Kind
    model: Model
    theta: np.ndarray
    beta: np.ndarray

    def parameters(self, fast: bool = False) -> np.ndarray:
        zeta = [np.log(PHI)] if self.kind.has_dispersion else []
        return np.concatenate([self.theta, self.beta[: 0 if fast else None], zeta])

    def oracle(self, parameters: np.ndarray, fast: bool = False, **how: Any) -> float:
        k, model = len(self.theta), self.model
        if self.kind.has_dispersion:
            model = replace(model, **self.kind.at(np.exp(parameters[-1])))
        beta = self.beta if fast else parameters[k : k + len(self.beta)]
        return model.objective(parameters[:k], beta, fast=fast, **how)

    def core(
        self, *, observed: bool = False, fast: bool = False, points: int = 1
    ) -> CoreGeneralized:
        model, kind = self.model, self.kind
        arrays = [TermArrays(t.levels, t.refs, t.z, t.pattern) for t in model.terms]
        core = CoreGeneralized(
            CoreDesign(arrays, model.X),
            kind.family,
            kind.link,
            model.y,
            weights=model.weights,
            offset=None if np.ndim(model.offset) == 0 else model.offset,
            power=kind.power,
            observed=observed,
        )
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        core.set_approximation(fast, nodes, np.log(weights / np.sqrt(2 * np.pi)))
        core.set_beta(self.beta)
        return core


def make_case(name: str, shape: str, seed: int = 0) -> Case:
    """A model whose linear predictors keep to the interval of its kind."""
    kind, n = KINDS[name], 72
    rng = np.random.default_rng([seed, *map(ord, name + shape)])
    middle, width = (kind.low + kind.high) / 2, (kind.high - kind.low) / 2
    x = rng.uniform(-1, 1, size=n)
    X = np.column_stack([np.ones(n), x])
    beta = np.array([middle, 0.25 * width])
    terms, theta, eta = [], [], X @ beta
    for levels, k in SHAPES[shape]:
        refs = rng.permutation(np.arange(n) % levels).astype(np.int32)
        z = np.column_stack([np.ones(n), rng.uniform(-1, 1, size=(n, k - 1))])
        T = np.tril(rng.uniform(-0.1, 0.1, size=(k, k)))
        T[np.diag_indices(k)] = rng.uniform(0.1, 0.25, size=k)
        T *= width
        term = Term(levels, refs, z, np.tril(np.ones((k, k), bool)))
        terms.append(term)
        theta.append(T.T[term.pattern.T])
        u = np.clip(rng.normal(size=(levels, k)), -1.2, 1.2)
        eta = eta + term.matrix() @ (u @ T.T).ravel()
    offset = 0.0
    if "offset" in shape:
        offset = rng.uniform(-0.2, 0.2, size=n) * width
        eta = eta + offset
    mu = kind.object(PHI).link.inverse(eta)
    weights = None
    if "weights" in shape and kind.family == "binomial":
        weights = rng.integers(1, 6, size=n).astype(float)
        y = rng.binomial(weights.astype(int), mu) / weights
    else:
        y = kind.draw(rng, mu, PHI)
        if "weights" in shape:
            weights = rng.uniform(0.5, 2.0, size=n)
    if kind.family == "binomial":
        assert 0 < y.mean() < 1
    model = Model(tuple(terms), X, y, weights=weights, offset=offset, **kind.at(PHI))
    return Case(kind, model, np.concatenate(theta), beta)
