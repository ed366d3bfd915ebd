"""All programs that are installed fit the same models, side by side: see README.md beside this.

    python benchmarks/peers --rounds 5 --out peers.json
    python benchmarks/peers --show peers.json --page docs/benchmarks.md

Each fit runs in a process of its own, with one thread; within a round the programs take turns in
random order, and ratios are taken within a round. It fails where our objective is not the answer
that a row of `rows.py` has from other programs, or where the row has a bar, the least ratio that a
program shall have, and the ratio is less.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OURS = "statsmodels_mixed"
PYTHON = ("statsmodels", "glmm", "mixedlm", "mixedlm-rs", "lme-python", "gpboost")
R = ("lme4", "glmmTMB")
ONE_THREAD = {
    name: "1"
    for name in (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
    )
}


def installed(python: str) -> list[str]:
    """Return the programs that this machine has, ours first."""
    ask = "from importlib.metadata import version; version('{}')"
    found = [OURS]
    for name in PYTHON:
        command = [python, "-c", ask.format(name)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            found.append(name)
    if shutil.which("Rscript"):
        for name in R:
            command = ["Rscript", "-e", f"library({name})"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                found.append(name)
    return found


def write_tasks(folder: Path, rows: list[Any], seconds: float) -> None:
    """Write each model's data, as Feather and as CSV, and what is asked."""
    for at, row in enumerate(rows):
        data = row.data()
        factors = [name for name in data.columns if str(data[name].dtype) == "category"]
        data[factors] = data[factors].astype(str)
        data.to_feather(folder / f"{at}.feather")
        data.to_csv(folder / f"{at}.csv", index=False)
        task = {
            "formula": row.formula,
            "family": row.family,
            "zeros": row.zeros,
            "nagq": row.nagq,
            "seconds": seconds,
        }
        more = {"factors": factors, "data": str(folder / f"{at}.feather")}
        (folder / f"{at}.json").write_text(json.dumps({**task, **more}))
        task["factors"] = " ".join(factors)
        values = ",".join(f'"{value}"' for value in task.values())
        (folder / f"{at}.task.csv").write_text(f"{','.join(task)}\n{values}\n")


def run_one(program: str, python: str, folder: Path, at: int, limit: float) -> dict[str, Any]:
    """Run one program on one model; what went wrong is its answer too."""
    if program in R:
        files = [str(folder / f"{at}.task.csv"), str(folder / f"{at}.csv")]
        command = ["Rscript", "--vanilla", str(HERE / "worker.R"), program, *files]
    else:
        interpreter = sys.executable if program == OURS else python
        command = [interpreter, str(HERE / "worker.py"), program, str(folder / f"{at}.json")]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            env={**os.environ, **ONE_THREAD},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"longer than {limit:g} s"}
    last = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode or not last[0].startswith("{"):
        reason = done.stderr.strip().splitlines()[-1:] or ["nothing was printed"]
        return {"error": reason[0][:200]}
    return json.loads(last[0])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all programs on all models, round by round."""
    sys.path.insert(0, str(HERE.parent))
    from peers.rows import ROWS

    rows = [row for row in ROWS if arguments.large or not row.large]
    if arguments.only:
        rows = [row for row in rows if row.name in arguments.only]
    programs = installed(arguments.python)
    if arguments.programs:
        programs = [program for program in programs if program in (OURS, *arguments.programs)]
    results: list[dict[str, Any]] = []
    hopeless: set[tuple[int, str]] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tasks(folder, rows, arguments.seconds)
        for turn in range(arguments.rounds):
            for at, row in enumerate(rows):
                order = [p for p in programs if (at, p) not in hopeless]
                random.Random(f"{turn} {at}").shuffle(order)
                for program in order:
                    answer = run_one(program, arguments.python, folder, at, arguments.limit)
                    if "error" in answer:
                        hopeless.add((at, program))
                    results.append({"round": turn, "row": row.name, "program": program, **answer})
    bars = {row.name: row.bars for row in rows if row.bars}
    names = [row.name for row in rows]
    answers = {row.name: (row.answer, row.within) for row in rows}
    about = {"programs": programs, "rows": names, "bars": bars, "answers": answers}
    return {**about, "results": results}


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(prog="python benchmarks/peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of repeated fits in a process")
    parser.add_argument("--limit", type=float, default=120, help="seconds a process may take")
    parser.add_argument("--large", action="store_true", help="the models of a million rows too")
    parser.add_argument("--only", nargs="*", help="names of models")
    parser.add_argument("--programs", nargs="*", help="names of peers")
    parser.add_argument("--python", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--out", default="peers.json")
    parser.add_argument("--show", help="a file written before, as tables in Markdown")
    parser.add_argument("--page", type=Path, help="a page to write the tables into")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from page import write_between
    from peers.tables import missed_bars, tables, wrong_answers

    if arguments.show:
        measured = json.loads(Path(arguments.show).read_text())
    else:
        measured = measure(arguments)
        Path(arguments.out).write_text(json.dumps(measured, indent=1))
    text = tables(measured)
    if arguments.page:
        write_between(arguments.page, "peers", text)
    sys.stdout.write(text)
    missed = [*wrong_answers(measured), *missed_bars(measured)]
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
