"""Linear fits to sums over rows, of terms whose levels meet nearly everywhere."""

__all__: list[str] = []
