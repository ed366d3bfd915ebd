"""The search for an optimum: minimizers, starts, and whether an end is one."""

__all__: list[str] = []
