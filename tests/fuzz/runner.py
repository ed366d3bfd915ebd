"""Checks of many seeds, in one process or several."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing import get_context

from statsmodels_mixed._core import one_blas_thread

from .outcome import Outcome, TooLong, time_limit

__all__ = ["PARTS", "checked", "run", "summary"]

PARTS = ("linear", "generalized", "afterwards", "relations")
CHUNK = 25
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


def run(part: str, seeds: range, jobs: int = 1, seconds: float = float("inf")) -> Iterator[Outcome]:
    """Check the models of seeds in `jobs` processes until the time is over.

    A crash of a process is a failure of the seed that crashes it again alone.
    """
    end = time.monotonic() + seconds
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if jobs <= 1:
        for chunk in chunks:
            if time.monotonic() < end:
                yield from run_seeds(part, chunk)
        return
    broken = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run_seeds, part, chunk): chunk for chunk in chunks}
        for future in as_completed(waiting):
            if time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)
                break
            try:
                yield from future.result()
            except BrokenProcessPool:
                broken.append(waiting[future])
    for chunk in broken:
        yield from apart(part, chunk)


def apart(part: str, seeds: range) -> list[Outcome]:
    """Check seeds in a process of their own, and halves of them if it crashes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(run_seeds, part, seeds).result()
        except BrokenProcessPool:
            pass
    if len(seeds) > 1:
        half = len(seeds) // 2
        return apart(part, seeds[:half]) + apart(part, seeds[half:])
    outcome = Outcome(seeds[0])
    outcome.fail("crash of the process")
    return [outcome]


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
