"""A benchmark run as Markdown tables: ``python benchmarks/report.py run.json [run.json ...]``.

Several runs, such as one with and one without ``-m slow``, are put into one table. Times
are medians in milliseconds; of several runs of one benchmark the least median counts, the
others having been disturbed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

WHOLE = "test_whole_call"
FIT = {
    "whole call": WHOLE,
    "design": "test_design",
    "cross-products": "test_crossproducts",
    "fit in C": "test_fit_in_C",
    "fit, all": "test_fit_linear",
}
EVALUATION = {
    "value": "test_value",
    "gradient": "test_gradient",
    "curvature": "test_curvature",
}


def read(paths: Iterable[Path]) -> tuple[dict[tuple[str, str], dict], list[dict]]:
    """Results by test and model, and the machines they ran on."""
    found, machines = {}, []
    for path in paths:
        run = json.loads(path.read_text(encoding="utf-8"))
        machines.append({**run["machine_info"], "date": run["datetime"][:10]})
        for result in run["benchmarks"]:
            match = re.fullmatch(r"(\w+)\[(.*)\]", result["name"])
            if match:
                key = match[1], match[2]
                found[key] = min(found.get(key, result), result, key=median)
    return found, machines


def median(result: dict) -> float:
    return result["stats"]["median"]


def milliseconds(result: dict | None) -> str:
    return "" if result is None else f"{1000 * median(result):.3g}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(found: dict[tuple[str, str], dict]) -> str:
    """Time by stage, time by evaluation, and statsmodels' own model beside ours."""
    models = [model for test, model in found if test == WHOLE]
    stages = [
        [
            model,
            *(milliseconds(found.get((test, model))) for test in FIT.values()),
            str(found[WHOLE, model]["extra_info"]["evaluations"]),
        ]
        for model in models
    ]
    single = [
        [model, *(milliseconds(found.get((test, model))) for test in EVALUATION.values())]
        for model in models
    ]
    old = []
    for model in models:
        theirs = found.get(("test_statsmodels_mixedlm", model))
        if theirs is not None:
            ratio = median(theirs) / median(found[WHOLE, model])
            above = f"{theirs['extra_info']['above']:.1e}"
            old.append([model, milliseconds(theirs), f"{ratio:.0f}", above])
    return "\n\n".join(
        [
            table(["model", *FIT, "evaluations"], stages),
            table(["model", *EVALUATION], single),
            table(["model", "MixedLM", "MixedLM / whole call", "its objective too high by"], old),
        ]
    )


def main() -> None:
    found, machines = read(map(Path, sys.argv[1:]))
    for machine in machines[-1:]:
        packages = ", ".join(f"{name} {value}" for name, value in machine["packages"].items())
        cpu = machine["cpu"].get("brand_raw", machine["processor"])
        sys.stdout.write(f"{machine['date']}: {cpu}, 1 thread, {packages}\n")
    sys.stdout.write(f"\n{tables(found)}\n")


if __name__ == "__main__":
    main()
