"""Terms and a table to a `ModelFrame`: rows used, levels, contrasts, names."""

from .build import build_frame
from .model_frame import ModelFrame, RandomPart
from .new_data import NewData

__all__ = ["ModelFrame", "NewData", "RandomPart", "build_frame"]
