"""Generalized linear mixed models by dense linear algebra: slow, short and easy to believe.

eta = X beta + Z Lambda u + offset with u ~ N(0, I); densities and links are those of statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from oracle import Term
from scipy.special import logsumexp
from statsmodels.genmod.families import Binomial, Gaussian, NegativeBinomial


@dataclass(frozen=True)
class Model:
    """Terms, X, y, a family of statsmodels, phi and prior weights (trials of a binomial)."""

    terms: tuple[Term, ...]
    X: np.ndarray
    y: np.ndarray
    family: object
    phi: float = 1.0  # alpha of a negative binomial is in the family
    weights: np.ndarray | None = None
    offset: np.ndarray | float = 0.0

    def rows(self, eta):
        """Log-likelihood by row, its derivative in eta, expected and observed information."""
        family, link, y = self.family, self.family.link, self.y
        family.n = w = np.ones(len(y)) if self.weights is None else self.weights
        mu, d1, d2 = link.inverse(eta), link.inverse_deriv(eta), link.inverse_deriv2(eta)
        outside = 1.0 if isinstance(family, Binomial) else w
        loglik = family.loglike_obs(y, mu, var_weights=outside, scale=self.phi)
        loglik = np.where(self.possible(mu), loglik, -np.inf)  # statsmodels clips means
        if isinstance(family, NegativeBinomial):  # statsmodels clips means, also within the range
            V, dV = mu + family.alpha * mu**2, 1.0 + 2.0 * family.alpha * mu
        else:
            V, dV = family.variance(mu), family.variance.deriv(mu)
        if isinstance(family, Binomial):  # the same, where they are no end of it
            inside = mu * (1.0 - mu)
            V, dV = np.where(inside > 0, inside, V), np.where(inside > 0, 1.0 - 2.0 * mu, dV)
        scale, gamma, dgamma = w / self.phi, d1 / V, d2 / V - d1**2 * dV / V**2
        expected = scale * d1 * gamma
        return loglik, scale * (y - mu) * gamma, expected, expected - scale * (y - mu) * dgamma

    def possible(self, mu):
        """Whether means are in the range of the family."""
        if isinstance(self.family, Gaussian):
            return np.isfinite(mu)
        return (mu >= 0) & (mu <= (1 if isinstance(self.family, Binomial) else np.inf))

    def z_lambda(self, theta):
        parts, theta = [], list(theta[::-1])
        for term in self.terms:
            T = np.zeros(term.pattern.shape)
            T.T[term.pattern.T] = [theta.pop() for _ in range(np.count_nonzero(term.pattern))]
            parts.append(term.matrix() @ np.kron(np.eye(term.levels), T))
        return np.hstack(parts)

    def modes(self, theta, beta, free_beta=False):
        """Maximize h = loglik - |u|^2 / 2 over u, and over beta as well when it is free."""
        Z = self.z_lambda(theta)
        A, q = np.hstack([Z, self.X]), Z.shape[1]
        x, penalty = np.r_[np.zeros(q), beta], np.r_[np.ones(q), np.zeros(len(beta))]
        own = slice(None if free_beta else q)

        def h(x):
            return self.rows(A @ x + self.offset)[0].sum() - 0.5 * penalty @ x**2

        for _ in range(200):
            _, slope, expected, observed = self.rows(A @ x + self.offset)
            gradient, step = (A.T @ slope - penalty * x)[own], np.zeros(len(x))
            safe = np.where(observed > 0.1 * expected, observed, expected)
            for w in (observed, safe):  # Newton steps near a maximum
                H = ((A.T * w) @ A + np.diag(penalty))[own, own]
                if w is safe or np.linalg.eigvalsh(H)[0] > 0:
                    break
            step[own] = np.linalg.solve(H, gradient)
            if gradient @ step[own] < 1e-24:
                break
            while not h(x + step) >= h(x) - 1e-10 and np.abs(step).max() > 1e-12:
                step /= 2
            x = x + step
        return x[:q], x[q:], Z

    def objective(self, theta, beta, *, observed=False, fast=False, points=1):
        """-2 log-likelihood by Laplace's approximation, or by quadrature around the modes."""
        u, beta, Z = self.modes(theta, beta, fast)
        xb = self.X @ beta + self.offset
        loglik, _, *information = self.rows(xb + Z @ u)
        Omega = (Z.T * information[observed]) @ Z + np.eye(len(u))
        if points == 1:
            return -2 * loglik.sum() + u @ u + np.linalg.slogdet(Omega)[1]
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        k, total = len(self.terms[0].pattern), np.linalg.slogdet(Omega)[1]
        x, w = (np.array(list(product(each, repeat=k))) for each in (nodes, weights))
        w = w.prod(axis=1) * np.exp(0.5 * (x**2).sum(axis=1))
        for j, own in enumerate(np.arange(len(u)).reshape(-1, k)):
            L = np.linalg.cholesky(Omega[np.ix_(own, own)])
            total -= 2 * self.level(j, u[own] + np.linalg.solve(L.T, x.T).T, w, xb, Z[:, own])
        return total

    def level(self, j, effects, weights, xb, Z):  # log of a weighted sum of exp(h)
        logs = [self.rows(xb + Z @ u)[0][self.terms[0].refs == j].sum() for u in effects]
        logs -= 0.5 * (effects**2 + np.log(2 * np.pi)).sum(axis=1)
        return logsumexp(logs, b=weights)

    def integral(self, theta, beta, points=91):
        """-2 log-likelihood by the trapezoidal rule, which is exact for such integrands."""
        grid, k = np.linspace(-8, 8, points), len(self.terms[0].pattern)
        effects, w = np.array(list(product(grid, repeat=k))), (grid[1] - grid[0]) ** k
        Z, xb = self.z_lambda(theta), self.X @ beta + self.offset
        levels = enumerate(np.arange(Z.shape[1]).reshape(-1, k))
        return -2 * sum(self.level(j, effects, w, xb, Z[:, own]) for j, own in levels)
