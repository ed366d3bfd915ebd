"""Types of arrays that many modules name."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Mask", "Numbers", "Positions"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]
# What users give where only numbers will do; `options` refuses the rest by this name.
Numbers: TypeAlias = ArrayLike
