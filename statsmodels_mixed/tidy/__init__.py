"""A fit as data frames for other programs, as R's broom.mixed has them: tidy, glance, augment."""

from __future__ import annotations

__all__: list[str] = []
