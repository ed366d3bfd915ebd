"""Runs of a bootstrap, which may go on from replicates that there are already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import one_blas_thread
from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..frame.design import Design
from ..results.progress import Progress
from .recipe import Recipe, ReplicateRows
from .replicate_file import ReplicateFile
from .replicates import Bootstrap
from .runner import Run, missing_tasks, no_rows, number_of_threads

__all__ = ["check_same", "fingerprint", "replicated", "taken_over"]


def taken_over(resume: Bootstrap | None, path: str | PathLike[str] | None) -> Bootstrap | None:
    """Return the replicates that there are, given or in a file.

    Raises
    ------
    OptionError
        If both are given.
    DataError
        If the file is something else.
    """
    if resume is not None and path is not None:
        raise OptionError("give path= or resume=, not both: a file is resumed by its name.")
    if path is not None and Path(path).exists():
        return Bootstrap.restore(path)
    return resume


def replicated(
    recipe: Recipe,
    n: int,
    make_run: Callable[[list[tuple[int, int, int]]], Run],
    resume: Bootstrap | None,
    *,
    threads: int | None,
    progress: bool | None,
    path: str | PathLike[str] | None,
) -> Bootstrap:
    """Compute the replicates that are missing.

    Parameters
    ----------
    recipe : Recipe
    n : int
        Number of replicates in all.
    make_run : callable
        Makes a run of the tasks it is given.
    resume : Bootstrap or None
        Replicates that there are.
    threads, progress, path
        As for `bootstrap`.
    """
    kept = _kept(resume, n, recipe.truth.shape[1])
    tasks = missing_tasks(n, recipe.stream_length, kept[0])
    workers = min(number_of_threads(threads), max(1, len(tasks)))
    run = make_run(tasks)
    with ExitStack() as stack:
        file = None
        if path is not None:
            file = stack.enter_context(ReplicateFile(path, recipe, n))
        bar = stack.enter_context(Progress("bootstrap", n, progress, done=len(kept[0])))
        stack.enter_context(one_blas_thread())

        def note(fitted: int) -> None:
            bar.update(fitted)
            if file is not None:
                file.write(run.done)

        run.finish(workers, note)
    return Bootstrap(recipe, n, *run.rows(kept))


def _kept(resume: Bootstrap | None, n: int, width: int) -> ReplicateRows:
    """Return the first of n replicates that there are already."""
    if resume is None:
        return no_rows(width)
    kept = resume.number < n
    return resume.number[kept], resume.values[kept], resume.converged[kept]


def fingerprint(design: Design, estimates: Estimates, *more: NDArray[Any] | None) -> str:
    """Return a hash of the data and of how the model was fitted to them, and of more arrays."""
    digest = hashlib.blake2b(digest_size=16)
    arrays: list[NDArray[Any] | None] = [design.y, design.X, design.weights, design.offset]
    for block in design.blocks:
        arrays += [block.z, block.refs, block.pattern]
    for array in (*arrays, *more):
        part = b"none" if array is None else np.ascontiguousarray(array).tobytes()
        digest.update(str(len(part)).encode() + part)
    digest.update(repr(estimates.how).encode())
    return digest.hexdigest()


def check_same(ours: Recipe, theirs: Recipe) -> None:
    """Raise OptionError unless replicates can be added to those of another recipe."""
    close = ours.truth.shape == theirs.truth.shape and np.allclose(
        ours.truth, theirs.truth, rtol=1e-5, atol=1e-8, equal_nan=True
    )
    differences = {
        "another model, other data or another criterion": ours.model != theirs.model,
        "another seed": (ours.entropy, ours.spawn_key) != (theirs.entropy, theirs.spawn_key),
        f'kind="{theirs.kind}"': ours.kind != theirs.kind,
        f'by="{theirs.by}"': ours.by != theirs.by,
        f're="{theirs.re}"': ours.re != theirs.re,
        "streams of another length": ours.stream_length != theirs.stream_length,
        "other parameters": not close,
    }
    found = [what for what, differs in differences.items() if differs]
    if found:
        raise OptionError(
            f"the replicates to take over were drawn with {found[0]}; run this with another path=."
        )
