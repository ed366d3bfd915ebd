"""Run any number of random models: python -m fuzz linear --models 20000 --jobs 2."""

from __future__ import annotations

import argparse
import sys
import time

from .runner import PARTS, run, summary


def main() -> int:
    """Read the command line and run; failures are told as they are found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    # Python 3.11 checks the default of several choices as if it were one.
    parser.add_argument("part", type=known, nargs="*", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each part")
    parser.add_argument("--shown", type=int, default=5, help="failures of a kind to show")
    parser.add_argument("--counts", type=int, default=20, help="outcomes to show")
    given = parser.parse_args()
    failed = False
    for part in given.part or PARTS:
        start, outcomes = time.perf_counter(), []
        seeds = range(given.seed, given.seed + given.models)
        for one in run(part, seeds, given.jobs, given.seconds):
            outcomes.append(one)
            for kind, detail in one.failures:
                say(f"{part} seed {one.seed}: {kind}: {detail[:200]}")
            failed |= bool(one.failures)
        say(summary(part, outcomes, given.shown, given.counts))
        say(f"  {len(outcomes) / (time.perf_counter() - start):.1f} models per second")
    return int(failed)


def known(part: str) -> str:
    """Return the name of a part, or say that there is none of that name."""
    if part not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {part!r}")
    return part


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
