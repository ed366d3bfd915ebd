"""Generalized linear mixed models by dense linear algebra: slow, short and easy to believe.

y given u has mean g^-1(eta), eta = X beta + Z Lambda u + offset, u ~ N(0, I). Densities, links
and variances are those of statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from oracle import Term
from scipy.special import logsumexp
from statsmodels.genmod.families import Binomial


@dataclass(frozen=True)
class Model:
    """Terms, X, y, a family of statsmodels, phi and prior weights (trials of a binomial)."""

    terms: tuple[Term, ...]
    X: np.ndarray
    y: np.ndarray
    family: Any
    phi: float = 1.0  # alpha of a negative binomial is in the family
    weights: np.ndarray | None = None
    offset: np.ndarray | float = 0.0

    def rows(self, eta):
        """Log-likelihood by row, its derivative in eta, expected and observed information."""
        family, y, binomial = self.family, self.y, isinstance(self.family, Binomial)
        family.n = w = np.ones(len(y)) if self.weights is None else self.weights
        link = family.link
        mu, d1, d2 = link.inverse(eta), link.inverse_deriv(eta), link.inverse_deriv2(eta)
        loglik = family.loglike_obs(y, mu, var_weights=1.0 if binomial else w, scale=self.phi)
        V, dV = family.variance(mu), family.variance.deriv(mu)
        scale, gamma, dgamma = w / self.phi, d1 / V, d2 / V - d1**2 * dV / V**2
        expected = scale * d1 * gamma
        return loglik, scale * (y - mu) * gamma, expected, expected - scale * (y - mu) * dgamma

    def z_lambda(self, theta):
        parts, at = [], 0
        for term in self.terms:
            T, free = np.zeros(term.pattern.shape), np.count_nonzero(term.pattern)
            T.T[term.pattern.T] = theta[at : at + free]
            parts.append(term.matrix() @ np.kron(np.eye(term.levels), T))
            at += free
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
            w = np.where(observed > 0.1 * expected, observed, expected)
            gradient, step = (A.T @ slope - penalty * x)[own], np.zeros(len(x))
            step[own] = np.linalg.solve(((A.T * w) @ A + np.diag(penalty))[own, own], gradient)
            if gradient @ step[own] < 1e-24:
                break
            while not h(x + step) >= h(x) - 1e-10:
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
        (term,), k, total = self.terms, len(self.terms[0].pattern), 0.0
        nodes, weights = np.polynomial.hermite_e.hermegauss(points)
        for j in range(term.levels):
            own, logs = slice(j * k, j * k + k), []
            L = np.linalg.cholesky(Omega[own, own])
            for at in map(list, product(range(points), repeat=k)):
                x, moved = nodes[at], u[own] + np.linalg.solve(L.T, nodes[at])
                loglik = self.rows(xb + Z[:, own] @ moved)[0][term.refs == j].sum()
                logs.append(loglik + 0.5 * (x @ x - moved @ moved) + np.log(weights[at]).sum())
            total += 2 * np.log(np.diag(L)).sum() - 2 * logsumexp(logs) + k * np.log(2 * np.pi)
        return total

    def integral(self, theta, beta, points=91):
        """-2 log-likelihood by the trapezoidal rule, exact for such smooth and brief integrands."""
        (term,), k, total = self.terms, len(self.terms[0].pattern), 0.0
        Z, xb, grid = self.z_lambda(theta), self.X @ beta + self.offset, np.linspace(-8, 8, points)
        for j in range(term.levels):
            logs = []
            for u in map(np.array, product(grid, repeat=k)):
                eta = xb + Z[:, j * k : j * k + k] @ u
                logs.append(self.rows(eta)[0][term.refs == j].sum() - 0.5 * u @ u)
            total -= 2 * logsumexp(logs) + 2 * k * np.log((grid[1] - grid[0]) / np.sqrt(2 * np.pi))
        return total
