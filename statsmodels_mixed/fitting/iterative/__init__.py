"""Very large crossed factors: equations solved by iteration, traces and determinants by probes."""

__all__: list[str] = []
