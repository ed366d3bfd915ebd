"""Fits in a directory of JSON and Arrow files, without pickle: what is read is data, not code."""

from .files import open_fit, save_fit

__all__ = ["open_fit", "save_fit"]
