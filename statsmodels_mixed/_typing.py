"""Types of arrays and options that many modules name."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "Formula", "Mask", "Numbers", "Positions"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]
# What users give where only numbers will do; `options` refuses the rest by this name.
Numbers: TypeAlias = ArrayLike
# A formula of one part of a model, such as "~ x", likewise.
Formula: TypeAlias = str
