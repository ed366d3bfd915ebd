"""Deterministic data sets with known parameters, the same on every machine.

One stream of the Lehmer generator x -> 48271 x mod (2^31 - 1) gives uniform numbers, pairs of
them normal ones by the transformation of Box and Muller.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

MODULUS = np.uint64(2**31 - 1)
MULTIPLIER = np.uint64(48271)


class Stream:
    """The stream of random numbers that starts at a seed."""

    def __init__(self, seed: int) -> None:
        self.state = np.uint64(seed)

    def uniform(self, count: int) -> Array:
        """Return the next `count` numbers in (0, 1)."""
        numbers = np.empty(count, dtype=np.uint64)
        numbers[0] = MULTIPLIER * self.state % MODULUS
        done, jump = 1, MULTIPLIER
        while done < count:
            # `jump` takes a number to the one `done` places further on.
            more = min(done, count - done)
            numbers[done : done + more] = jump * numbers[:more] % MODULUS
            done, jump = done + more, jump * jump % MODULUS
        self.state = numbers[-1]
        return numbers / float(MODULUS)

    def normal(self, count: int) -> Array:
        """Return `count` standard normal numbers made of the next 2 * count uniform ones."""
        radius, angle = np.split(self.uniform(2 * count), 2)
        return np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)


def crossed(n: int, first: int, second: int, seed: int = 20240601) -> pd.DataFrame:
    """y ~ 1 + x + (1 | g) + (1 | h): two factors crossed at random.

    The coefficients are 1 and 0.5, the standard deviations of g, h and the residual 1, 0.5, 1.
    """
    stream = Stream(seed)
    g = np.floor(stream.uniform(n) * first).astype(int)
    h = np.floor(stream.uniform(n) * second).astype(int)
    x, e = stream.normal(n), stream.normal(n)
    b_g, b_h = stream.normal(first), stream.normal(second)
    return pd.DataFrame({"y": 1 + 0.5 * x + b_g[g] + 0.5 * b_h[h] + e, "x": x, "g": g, "h": h})


def slopes(n: int, groups: int, seed: int = 20240602) -> pd.DataFrame:
    """y ~ 1 + x + (1 + x | g), groups of equal size.

    The coefficients are 1 and 0.5, the standard deviations 1, 0.5 and 1, the correlation 0.3.
    """
    stream = Stream(seed)
    g = np.floor(np.arange(n) * groups / n).astype(int)
    x, e = stream.normal(n), stream.normal(n)
    z_0, z_1 = stream.normal(groups), stream.normal(groups)
    slope = 0.5 * (0.3 * z_0 + np.sqrt(1 - 0.3**2) * z_1)
    return pd.DataFrame({"y": 1 + 0.5 * x + z_0[g] + slope[g] * x + e, "x": x, "g": g})


def nested(n: int, outer: int, inner: int, seed: int = 20240603) -> pd.DataFrame:
    """y ~ 1 + x + (1 | g) + (1 | h), each of the `inner` levels of h within a level of g.

    The coefficients are 1 and 0.5, the standard deviations of g, h and the residual 1, 0.5, 1.
    """
    stream = Stream(seed)
    h = np.floor(np.arange(n) * inner / n).astype(int)
    g = np.floor(h * outer / inner).astype(int)
    x, e = stream.normal(n), stream.normal(n)
    b_g, b_h = stream.normal(outer), stream.normal(inner)
    return pd.DataFrame({"y": 1 + 0.5 * x + b_g[g] + 0.5 * b_h[h] + e, "x": x, "g": g, "h": h})


def maximal(subjects: int = 56, items: int = 32, seed: int = 20240604) -> pd.DataFrame:
    """rt ~ a*b*d + (1 + a*b*d | subj) + (1 + a*b*d | item): 72 covariance parameters.

    A design 2 x 2 x 2 with factors a, b, d coded -1 and 1, within subjects and within items.
    """
    n, effects = subjects * items, 8
    stream = Stream(seed)
    e = stream.normal(n)
    z_subject = stream.normal(effects * subjects).reshape(subjects, effects)
    z_item = stream.normal(effects * items).reshape(items, effects)
    subject, item = np.divmod(np.arange(n), items)
    cell = (subject + item) % 8
    a, b, d = (np.where(cell & bit, 1.0, -1.0) for bit in (1, 2, 4))
    X = np.column_stack([np.ones(n), a, b, d, a * b, a * d, b * d, a * b * d])

    def random_effects(z: Array, deviations: list[float]) -> Array:
        # Every effect is correlated 0.3 with the intercept.
        correlated = z.copy()
        correlated[:, 1:] = np.sqrt(1 - 0.3**2) * z[:, 1:] + 0.3 * z[:, :1]
        return correlated * deviations

    by_subject = random_effects(z_subject, [300, 40, 60, 20, 25, 15, 10, 10])
    by_item = random_effects(z_item, [350, 45, 250, 30, 15, 10, 5, 15])
    rt = X @ np.array([2180.0, -67, -334, 78, 22, -18, 5, -23])
    rt += np.sum(X * by_subject[subject], axis=1) + np.sum(X * by_item[item], axis=1) + 680 * e
    return pd.DataFrame({"rt": rt, "a": a, "b": b, "d": d, "subj": subject, "item": item})


def chained(n: int, first: int, second: int, seed: int = 20240605) -> pd.DataFrame:
    """y ~ 1 + x + (1 | g) + (1 | h): each level of g meets only two neighbours among those of h.

    As when pupils change to a school nearby: h has many levels, and few of them occur together.
    """
    stream = Stream(seed)
    g = np.floor(np.arange(n) * first / n).astype(int)
    h = np.floor(g * second / first).astype(int)
    h = (h + (stream.uniform(n) < 0.5)) % second
    x, e = stream.normal(n), stream.normal(n)
    b_g, b_h = stream.normal(first), stream.normal(second)
    return pd.DataFrame({"y": 1 + 0.5 * x + b_g[g] + 0.5 * b_h[h] + e, "x": x, "g": g, "h": h})


def counts_and_categories(n: int = 160, groups: int = 12, seed: int = 3) -> pd.DataFrame:
    """Counts `y` with zeros besides those of their distribution, and ordered categories `o`.

    Slopes differ between groups; x has few digits, so that it can be moved far without rounding.
    """
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, groups, n), np.round(rng.normal(size=n) * 2.0**20) / 2.0**20
    eta = 0.6 + (0.4 + 0.4 * rng.normal(size=groups)[g]) * x + 0.5 * rng.normal(size=groups)[g]
    y = rng.negative_binomial(4, 4 / (4 + np.exp(eta))) * (rng.random(n) > 0.2)
    latent = eta + rng.logistic(size=n)
    o = pd.Categorical(np.searchsorted([-0.5, 0.5, 1.8], latent), ordered=True)
    return pd.DataFrame({"y": y, "o": o, "x": x, "g": g})
