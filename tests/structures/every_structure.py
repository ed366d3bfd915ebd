"""A model of each kind of covariance structure, and the same as dense matrices.

Kinds are those that are registered; what the left side of the bar means follows from `needs`, so
that a kind joins when it is added.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from dense_structures import Dense, DispersedPiece, Piece, RelatedPiece

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.residual_covariance.problem import ResidualProblem
from statsmodels_mixed.structures import Parameters, Structure, known, make, register

SUBJECTS, TIMES = 16, 4
# What the options of a kind must be for its parameters to be determined here.
OPTIONS = {"rr": {"d": 1}}
TRIALS = 6
FAMILIES = {"poisson": "count", "binomial": "event"}
# Models of residuals, by the options that they have besides the structure.
RESIDUALS: dict[str, dict[str, Any]] = {
    "residual": {},
    "by": {"more": ", by=arm"},
    "dispersion": {"dispersion": "~ arm"},
}
# How subjects are related, where they are.
A = 0.6 ** np.abs(np.subtract.outer(np.arange(SUBJECTS), np.arange(SUBJECTS)))
RELATIONSHIP = {"relationship": {"g": pd.DataFrame(A, range(SUBJECTS), range(SUBJECTS))}}


@register
class Halves(Structure):
    """A structure of a user: one variance, half of it shared, more or less, by a rate."""

    name = "halves"
    needs = "columns"

    def parameters(self, k):
        return Parameters(["sd", "share"], [1.0, 0.5], [(0.0, np.inf), (0.0, 1.0)], scales=[0])

    def sigma(self, phi):
        return phi[0] ** 2 * self._matrix(phi[1])

    def derivatives(self, phi):
        own = np.ones((self.k, self.k)) - np.eye(self.k)
        return np.array([2 * phi[0] * self._matrix(phi[1]), phi[0] ** 2 * own * 2 * phi[1]])

    def second_derivatives(self, phi):
        own = np.ones((self.k, self.k)) - np.eye(self.k)
        mixed = 4 * phi[0] * phi[1] * own
        return np.array([[2 * self._matrix(phi[1]), mixed], [mixed, 2 * phi[0] ** 2 * own]])

    def _matrix(self, share):
        return np.eye(self.k) + share**2 * (np.ones((self.k, self.k)) - np.eye(self.k))


KINDS = known()


@cache
def table(kind: str, repeats: int = 2) -> pd.DataFrame:
    """Data whose effects of g have this structure; not every subject is seen at every time."""
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    g, t = (np.repeat(each.ravel(), repeats) for each in np.indices((SUBJECTS, TIMES)))
    data = pd.DataFrame({"g": g, "t": t})
    n = len(data)
    data["x"], data["h"] = rng.normal(size=n), rng.integers(0, 9, n)
    data["arm"] = np.where(data.g % 2, "p", "q")
    data["f"] = np.array(list("abcd"))[data.t]
    structure = make(kind, **OPTIONS.get(kind, {})).bind(tuple("abcd"), np.arange(4.0))
    S = np.asarray(structure.sigma(structure.starts(np.full(4, 1.5))[0]))
    effects = rng.multivariate_normal(np.zeros(4), S, SUBJECTS)[g, t]
    data["e"] = rng.normal(size=n)
    eta = 0.5 * data.x + effects + 0.7 * rng.normal(size=9)[data.h]
    data["y"] = 1.0 + eta + 0.6 * data.e
    data["count"] = rng.poisson(np.exp(1.0 + 0.6 * eta))
    data["event"] = rng.binomial(TRIALS, 1 / (1 + np.exp(-eta))) / TRIALS
    data["trials"] = TRIALS
    lost = (rng.random(n) < 0.1) | ((data.g == 3) & (data.t == 2))
    return data[~lost].reset_index(drop=True)


def term(kind: str) -> str:
    """The term of a kind around a bar."""
    left = "0 + f" if make(kind).needs == "columns" else "0 + t"
    options = "".join(f", {name}={value}" for name, value in OPTIONS.get(kind, {}).items())
    return f"{kind}({left} | g{options})"


def residual_term(kind: str, more: str = "") -> str:
    """The same of residuals."""
    return f"{kind}(t | g{more})"


def linear(kind: str, reml: bool, **options: Any) -> Any:
    """A linear model with company."""
    return mixedlm2(f"y ~ x + {term(kind)} + (1 | h)", table(kind), **options).fit(reml=reml)


def generalized(kind: str, family: str) -> Any:
    return generalized_model(f"{FAMILIES[family]} ~ x + {term(kind)}", table(kind), family).fit()


def generalized_model(formula: str, data: pd.DataFrame, family: str) -> Any:
    options = {"weights": "trials"} if family == "binomial" else {}
    return mixedglm2(formula, data, family, **options)


def residual(kind: str, reml: bool, **options: Any) -> Any:
    more = options.pop("more", "")
    formula = options.pop("formula", "y ~ x")
    data = table(kind, 1)
    return mixedlm2(formula, data, residual=residual_term(kind, more), **options).fit(reml=reml)


@dataclass(frozen=True)
class Rows:
    """Pieces of rows: those of the structure, and those of h if it is a factor of the model."""

    kind: str
    phi: np.ndarray

    def piece(self, data: pd.DataFrame, places: np.ndarray | None = None) -> Piece:
        """The structure of rows, at these places if they are others than those of the data."""
        at = np.arange(float(TIMES)) if places is None else places
        structure = make(self.kind, **OPTIONS.get(self.kind, {}))
        structure = structure.bind([str(p) for p in at], at)
        z = (data.t.to_numpy()[:, None] == at).astype(float)
        return Piece(structure, data.g.to_numpy(), z, self.phi)


def intercepts(data: pd.DataFrame, sd: float) -> Piece:
    structure = make("us").bind(["1"])
    return Piece(structure, data.h.to_numpy(), np.ones((len(data), 1)), np.array([sd]))


def columns(data: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(data)), data.x])


def phi_of(fit: Any, group: str) -> np.ndarray:
    """Parameters of the structure of a factor."""
    found = fit.estimates.structured
    (part,) = [part for part in found.parts if part.group == group]
    return found.phi[slice(*part.parameters)]


def pieces_of(fit: Any, kind: str, data: pd.DataFrame, places: Any = None) -> tuple[Piece, ...]:
    """The pieces of rows under a linear fit, or one with correlated residuals."""
    if fit.takes_correlated:
        problem = ResidualProblem(fit.kept_design(), fit.estimates.cells)
        x, cells = fit.estimates.x, fit.estimates.cells
        parts = [(part.name, part.free.phi(x[part.parameters])) for part in problem.model.parts]
        found = [stratum(Rows(kind, phi).piece(data, places), name, data) for name, phi in parts]
        if cells.dispersion is not None:
            (one,), U = found, (data.arm == "q").to_numpy(float)[:, None]
            return (DispersedPiece(one.structure, one.level, one.z, fit.theta, U),)
        return tuple(found)
    piece = Rows(kind, phi_of(fit, "g")).piece(data, places)
    if fit.kept_design().blocks[0].related is not None:
        piece = RelatedPiece(piece.structure, piece.level, piece.z, piece.phi, A)
    return piece, intercepts(data, float(phi_of(fit, "h")[0]))


def stratum(piece: Piece, name: str, data: pd.DataFrame) -> Piece:
    """The piece of the rows of a stratum, ``"Residual, arm p"``, or of all."""
    _, _, arm = name.partition(", arm ")
    rows = (data.arm == arm).to_numpy() if arm else np.ones(len(data), dtype=bool)
    return replace(piece, z=piece.z * rows[:, None])


def dense(fit: Any, kind: str, data: pd.DataFrame) -> Dense:
    sigma = None if fit.takes_correlated else fit.sigma
    return Dense(pieces_of(fit, kind, data), columns(data), data.y.to_numpy(), fit.reml, sigma)
