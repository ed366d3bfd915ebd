"""Streams of random numbers: children of a seed, each for a fixed number of draws.

Setting up a stream costs as much as drawing a thousand normal numbers. So draws of small
models share one, in blocks that depend on the model alone; draws of large models have one
each, and can be made in different threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import OptionError

__all__ = ["Seed", "entropy_of", "read_seed", "stream", "stream_length"]

Seed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None

# Fits of generalized models, and of new structures, take so much longer that fewer can wait
# for one thread.
MOST_DRAWS = {"linear": 128, "generalized": 4, "cases": 4}
MOST_NUMBERS = 8192


def stream_length(numbers: int, model: str = "linear") -> int:
    """Return how many draws share a stream, a power of 2.

    Parameters
    ----------
    numbers : int
        Random numbers in one draw.
    model : {"linear", "generalized", "cases"}
    """
    room = MOST_NUMBERS // numbers
    return min(MOST_DRAWS[model], 1 << max(0, room.bit_length() - 1))


def read_seed(seed: Seed) -> np.random.SeedSequence:
    """Return the root of all streams of a seed.

    Parameters
    ----------
    seed : int, sequence of int, SeedSequence, Generator or None
        A Generator moves on by a draw; None takes entropy from the system.
    """
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(seed.integers(0, 2**32, size=4).tolist())
    try:
        return np.random.SeedSequence(seed)
    except (TypeError, ValueError) as error:
        raise OptionError(f"seed={seed!r} is not possible; give an integer >= 0.") from error


def entropy_of(root: np.random.SeedSequence) -> int | tuple[int, ...]:
    """Return the entropy of a seed as numbers that can be compared and kept."""
    given: Any = root.entropy
    return given if isinstance(given, int) else tuple(int(word) for word in given)


def stream(root: np.random.SeedSequence, number: int) -> np.random.Generator:
    """Return stream `number` of a seed, which is child `number` of a fresh spawn."""
    child = np.random.SeedSequence(
        root.entropy, spawn_key=(*root.spawn_key, number), pool_size=root.pool_size
    )
    return np.random.Generator(np.random.PCG64(child))
