"""A table of any kind to tidy columns of rows: values, labels, missing ones, groups."""

__all__: list[str] = []
