"""Terms and a table to a `ModelFrame`: rows used, levels, contrasts, names."""

from .build import build_frame, fixed_matrix, random_matrix
from .model_frame import ModelFrame, RandomPart

__all__ = ["ModelFrame", "RandomPart", "build_frame", "fixed_matrix", "random_matrix"]
