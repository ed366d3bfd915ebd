"""What every benchmark shares: one BLAS thread, and a record of what it ran on."""

from __future__ import annotations

import os
import sys

# OpenBLAS reads this once, when it is loaded. Two threads slow small problems down.
assert "numpy" not in sys.modules, "set the number of threads before NumPy is loaded"
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from importlib.metadata import version  # noqa: E402

import pytest  # noqa: E402
import scipy  # noqa: E402
from cases import CASES, Case  # noqa: E402

PACKAGES = ("statsmodels_mixed", "statsmodels", "numpy", "scipy", "pandas", "patsy", "nlopt")


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["packages"] = {name: version(name) for name in PACKAGES}
    machine_info["blas"] = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    machine_info["threads"] = 1


def pytest_generate_tests(metafunc):
    """Run every benchmark that takes a `case` for each of them, slow ones marked so."""
    if "case" in metafunc.fixturenames:
        stage = metafunc.definition.name.removeprefix("test_")
        params = [
            pytest.param(
                case,
                id=case.name,
                marks=[
                    pytest.mark.benchmark(group=f"{stage}: {case.kind}"),
                    *([pytest.mark.slow] if case.slow else []),
                ],
            )
            for case in CASES
        ]
        metafunc.parametrize("case", params)


@pytest.fixture
def report(benchmark, case: Case):
    """Write what a fit did next to its time."""

    def write(evaluations: int) -> None:
        benchmark.extra_info["evaluations"] = evaluations

    return write
