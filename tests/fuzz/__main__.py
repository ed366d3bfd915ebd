"""Run any number of random models: python -m fuzz linear --models 20000 --jobs 2."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing import get_context

from statsmodels_mixed._core import one_blas_thread

from .outcome import Outcome, TooLong, time_limit

PARTS = ("linear", "generalized", "afterwards", "relations")
CHUNK = 50
LONGEST_CHECK = 60  # seconds beside those of watched calls


def run_seeds(part: str, seeds: range) -> list[Outcome]:
    """Check the models of some seeds."""
    check = import_module(f"fuzz.{part}").check
    with one_blas_thread():  # the matrices are small, and the processes several
        return [checked(check, seed) for seed in seeds]


def checked(check: Callable[[int], Outcome], seed: int) -> Outcome:
    """The outcome of one seed; an error of the check itself is a failure of its own kind."""
    outcome = Outcome(seed)
    try:
        with time_limit(LONGEST_CHECK):
            return check(seed)
    except TooLong:
        outcome.fail(f"the check itself took longer than {LONGEST_CHECK} s")
    except Exception:
        outcome.fail("the check itself failed", traceback.format_exc()[-280:])
    return outcome


def run(part: str, seeds: range, jobs: int) -> list[Outcome]:
    """Check the models of all seeds in `jobs` processes; a crash is a failure of its seed."""
    if jobs <= 1:
        return run_seeds(part, seeds)
    found, broken = [], []
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run_seeds, part, chunk): chunk for chunk in chunks}
        for future in as_completed(waiting):
            try:
                found += future.result()
            except BrokenProcessPool:
                broken += list(waiting[future])
    return found + [alone(part, seed) for seed in broken]


def alone(part: str, seed: int) -> Outcome:
    """Check one seed in a process of its own, after another one crashed."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(run_seeds, part, range(seed, seed + 1)).result()[0]
        except BrokenProcessPool:
            outcome = Outcome(seed)
            outcome.fail("crash of the process")
            return outcome


def summary(part: str, outcomes: list[Outcome], shown: int = 5, shown_counts: int = 20) -> str:
    """Counts of outcomes, failures by kind with their first seeds, and how to repeat one."""
    lines = [f"{part}: {len(outcomes)} models"]
    counts = Counter(count for one in outcomes for count in one.counts)
    lines += [f"  {number:6d} {count}" for count, number in counts.most_common(shown_counts)]
    kinds: dict[str, list[tuple[int, str]]] = {}
    for one in outcomes:
        for kind, detail in one.failures:
            kinds.setdefault(kind, []).append((one.seed, detail))
    for kind, found in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines.append(f"  FAILED {len(found)}: {kind}")
        lines += [f"      seed {seed}: {detail[:300]}" for seed, detail in found[:shown]]
    if kinds:
        lines.append(f"  repeat one by: python -m fuzz {part} --seed SEED --models 1 (in tests/)")
    return "\n".join(lines)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("part", choices=PARTS, nargs="*", default=list(PARTS))
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shown", type=int, default=5, help="failures of a kind to show")
    parser.add_argument("--counts", type=int, default=20, help="outcomes to show")
    given = parser.parse_args()
    failed = False
    for part in given.part:
        start = time.perf_counter()
        outcomes = run(part, range(given.seed, given.seed + given.models), given.jobs)
        rate = given.models / (time.perf_counter() - start)
        sys.stdout.write(summary(part, outcomes, given.shown, given.counts))
        sys.stdout.write(f"\n  {rate:.1f} models per second\n")
        sys.stdout.flush()
        failed |= any(one.failures for one in outcomes)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
