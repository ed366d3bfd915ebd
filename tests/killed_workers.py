"""Fits of dask frames of which a process is killed before they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Part = Callable[..., pd.DataFrame]


def deadly(seed: int, marks: str, part: Part, victim: int, times: tuple[int, ...]) -> pd.DataFrame:
    """Make a part; kill the process that makes one of them, at some of the times it is made."""
    if seed == victim:
        with open(marks, "ab") as file:
            file.write(b".")
        if os.path.getsize(marks) in times:
            os.kill(os.getpid(), signal.SIGKILL)
    return part(seed)


def fit_with_deaths(
    part: Part, count: int, marks: Path, *, victim: int, times: tuple[int, ...], fit: Any
) -> Any:
    """Fit a dask frame on two processes that are killed; see `deadly`.

    `fit` takes the frame. `marks` is a file that grows by a byte when the victim is made.
    """
    dd = pytest.importorskip("dask.dataframe", reason="needs dask")
    distributed = pytest.importorskip("distributed", reason="needs distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        before = set(client.run(os.getpid).values())
        own = {"marks": str(marks), "part": part, "victim": victim, "times": times}
        result = fit(dd.from_map(deadly, range(count), **own, meta=part(0, 40)[:0]))
        after = set(client.run(os.getpid).values())
    assert not before <= after  # some were killed
    return result
