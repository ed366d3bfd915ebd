"""What was measured, as tables in Markdown."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import median
from typing import Any

__all__ = ["missed_bars", "tables", "wrong_answers"]

OURS = "statsmodels_mixed"


def _by_row(measured: dict[str, Any]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    rows: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for result in measured["results"]:
        rows[result["row"]][result["program"]].append(result)
    return rows


def _milliseconds(runs: list[dict[str, Any]]) -> str:
    times = [run["seconds"] for run in runs if "seconds" in run]
    return f"{1e3 * median(times):.3g}" if times else "-"


def _median_ratio(runs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> float | None:
    """Return the median over rounds of their time over ours in the same round."""
    own = {run["round"]: run["seconds"] for run in ours if "seconds" in run}
    both = [run for run in runs if "seconds" in run and run["round"] in own]
    ratios = [run["seconds"] / own[run["round"]] for run in both]
    return median(ratios) if ratios else None


def _ratio(runs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    ratio = _median_ratio(runs, ours)
    return "-" if ratio is None else f"{ratio:.2f}"


def _excess(runs: list[dict[str, Any]], least: float) -> str:
    objectives = [run["objective"] for run in runs if "objective" in run]
    if not objectives:
        return next((run["error"] for run in runs if "error" in run), "-")
    excess = median(objectives) - least
    return "0" if abs(excess) < 1e-6 else f"{excess:.2g}"


def _memory(runs: list[dict[str, Any]]) -> str:
    peaks = [run["peak_mib"] for run in runs if "peak_mib" in run]
    return f"{median(peaks):.0f}" if peaks else "-"


def _table(title: str, programs: list[str], lines: list[list[str]]) -> str:
    head = ["model", *programs]
    rows = [head, ["---"] * len(head), *lines]
    body = "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows
    )
    return f"### {title}\n\n{body}\n\n"


def tables(measured: dict[str, Any]) -> str:
    """Return times, ratios, how much too high each objective is, evaluations, memory, versions.

    Parameters
    ----------
    measured : dict
        As `measure` writes it.

    Returns
    -------
    str
    """
    by_row, programs = _by_row(measured), measured["programs"]
    times, ratios, excesses, memory = [], [], [], []
    for name in measured["rows"]:
        runs = by_row[name]
        objectives = [r["objective"] for p in runs.values() for r in p if "objective" in r]
        own = [run["objective"] for run in runs[OURS] if "objective" in run]
        # A peer may leave constants out of its likelihood: what is lower than ours by more than a
        # little is no maximum of this one.
        least = min([o for o in objectives if own and o > own[0] - 1] or [float("nan")])
        times.append([name, *(_milliseconds(runs[p]) for p in programs)])
        ratios.append([name, *(_ratio(runs[p], runs[OURS]) for p in programs)])
        excesses.append([name, *(_excess(runs[p], least) for p in programs)])
        memory.append([name, *(_memory(runs[p]) for p in programs)])
    versions = {r["program"]: r["version"] for r in measured["results"] if "version" in r}
    evaluations = {
        name: next((r["evaluations"] for r in by_row[name][OURS] if "evaluations" in r), None)
        for name in measured["rows"]
    }
    counted = ", ".join(f"{name} {count}" for name, count in evaluations.items())
    listed = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        _table("CPU time of a fit with standard errors, ms", programs, times)
        + _table("Times that of statsmodels_mixed in the same round", programs, ratios)
        + _table("-2 log-likelihood above the lowest, or why there is none", programs, excesses)
        + _table("Peak memory of the process, MiB", programs, memory)
        + f"Evaluations of statsmodels_mixed: {counted}.\n\nVersions: {listed}.\n"
    )


def missed_bars(measured: dict[str, Any]) -> list[str]:
    """Return a sentence for each program that is less many times slower than its bar.

    Parameters
    ----------
    measured : dict
        As `measure` writes it.

    Returns
    -------
    list of str
    """
    by_row, missed = _by_row(measured), []
    for name, bars in measured.get("bars", {}).items():
        for program, bar in bars.items():
            ratio = _median_ratio(by_row[name][program], by_row[name][OURS])
            if ratio is not None and ratio < bar:
                missed.append(f"{name}: {program} takes {ratio:.2f} times our time, not {bar:g}")
    return missed


def wrong_answers(measured: dict[str, Any]) -> list[str]:
    """Return a sentence for each model on which this package has another answer than is known.

    Parameters
    ----------
    measured : dict
        As `measure` writes it.

    Returns
    -------
    list of str
    """
    found = []
    for result in measured["results"]:
        if result["program"] != OURS or result["row"] not in measured.get("answers", {}):
            continue
        answer, within = measured["answers"][result["row"]]
        if not abs(result.get("objective", math.nan) - answer) <= within:
            reached = result.get("objective", result.get("error"))
            found.append(f"{result['row']}: our objective is {reached}, not {answer}")
    return found
