"""Fit one model of one series in a process of its own; prints a line of JSON."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cost.models import SERIES

from statsmodels_mixed import mixedglm2, mixedlm2

STATUS = Path("/proc/self/status")


def memory(entry: str) -> float:
    """Return an entry of the memory of this process, MiB; NaN where Linux does not tell it."""
    if not STATUS.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return float(lines[entry].split()[0]) / 1024


def forget_peak() -> None:
    """Let the peak begin anew: making the data may need more memory than the fit."""
    if STATUS.exists():
        STATUS.with_name("clear_refs").write_text("5")


def main() -> None:
    """Fit with standard errors; time is the least of the process on its CPU."""
    warnings.simplefilter("ignore")
    series, value = SERIES[int(sys.argv[1])], int(sys.argv[2])
    formula, data, options = series.model(value)
    small_formula, small, _ = series.model(min(series.values))
    make = mixedlm2 if series.family == "gaussian" else mixedglm2
    extra = {} if series.family == "gaussian" else {"family": series.family}
    make(small_formula, small.head(500), **extra).fit().bse.to_numpy()
    forget_peak()
    before, times = memory("VmRSS"), []
    while not times or (len(times) < 5 and sum(times) < 1.0):
        start = time.process_time()
        result = make(formula, data, **extra).fit(**options)
        result.bse.to_numpy()
        times.append(time.process_time() - start)
        evaluations, converged = int(result.report.evaluations), bool(result.converged)
        del result
    answer = {
        "seconds": min(times),
        "mib": memory("VmHWM") - before,
        "data_mib": data.memory_usage(index=False).sum() / 2**20,
        "evaluations": evaluations,
        "converged": converged,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
