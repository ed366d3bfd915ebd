"""How time and memory of a fit grow with its sizes, beside the limits of the machine.

    python benchmarks/cost --large --page docs/cost.md
    python benchmarks/cost --shares --page docs/cost.md

Each fit runs in a process of its own, with one thread; times are the least of a few, of the CPU, so
that other work on the machine weighs little. Growth is the exponent between a row and
the one before: 1 where twice the size costs twice as much.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def limits() -> tuple[float, float]:
    """Return the bytes that are read in a second, and the operations of a matrix product."""
    import numpy as np

    values = np.ones(25_000_000)
    read = min(_seconds(values.sum) for _ in range(5))
    a = np.ones((1500, 1500))
    product = min(_seconds(lambda: a @ a) for _ in range(3))
    return values.nbytes / read, 2.0 * len(a) ** 3 / product


def _seconds(call: Any) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def run(series: int, value: int, limit: float) -> dict[str, Any]:
    """Fit one model; what went wrong is its answer too."""
    command = [sys.executable, str(HERE / "worker.py"), str(series), str(value)]
    environment = {**os.environ, **ONE_THREAD}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"longer than {limit:g} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def shares() -> str:
    """Return what share of the limits of the machine parts of a fit reach, as a table."""
    done = subprocess.run(
        [sys.executable, str(HERE / "shares.py")],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
        check=True,
    )
    return done.stdout


def table(size: str, answers: list[tuple[int, dict[str, Any]]], bandwidth: float) -> str:
    """Return one series as a table in Markdown."""
    head = (size, "CPU ms", "growth", "evaluations", "MiB beside the data", "ms to read the data")
    lines = [head, ("---", *["---:"] * (len(head) - 1))]
    before: tuple[int, float] | None = None
    for value, answer in answers:
        if "error" in answer:
            lines.append((f"{value:,}", answer["error"], *[""] * (len(head) - 2)))
            continue
        growth = ""
        if before is not None:
            growth = f"{math.log(answer['seconds'] / before[1]) / math.log(value / before[0]):.2f}"
        before = value, answer["seconds"]
        lines.append(
            (
                f"{value:,}",
                f"{1e3 * answer['seconds']:.3g}",
                growth,
                f"{answer['evaluations']}{'' if answer['converged'] else ', not converged'}",
                f"{answer['mib']:.0f}",
                f"{1e3 * answer['data_mib'] * 2**20 / bandwidth:.2g}",
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure all series and write them down."""
    from cost.models import SERIES
    from page import write_between

    parser = argparse.ArgumentParser(prog="python benchmarks/cost", description=__doc__)
    parser.add_argument("--large", action="store_true", help="the largest models too")
    parser.add_argument("--limit", type=float, default=300, help="seconds a process may take")
    parser.add_argument("--page", type=Path, help="a page to write the tables into")
    parser.add_argument("--shares", action="store_true", help="the shares of the limits only")
    given = parser.parse_args()
    if given.shares:
        reached = shares()
        if given.page:
            write_between(given.page, "shares", reached)
        sys.stdout.write(reached)
        return
    bandwidth, operations = limits()
    text = [
        f"One thread reads {bandwidth / 1e9:.1f} GB and multiplies matrices at "
        f"{operations / 1e9:.0f} GFlop in a second here."
    ]
    for at, series in enumerate(SERIES):
        values = series.values if given.large else series.values[: -series.large or None]
        answers = [(value, run(at, value, given.limit)) for value in values]
        text += [f"### {series.title}", table(series.size, answers, bandwidth)]
    page = "\n\n".join(text) + "\n"
    if given.page:
        write_between(given.page, "cost", page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
