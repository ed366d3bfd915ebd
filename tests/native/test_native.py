"""Builds the C library and its tests with the system's compiler, and runs them.

Once with the address and undefined behaviour sanitizers and no vector clones, once as
a release is built. Programs with planted mistakes show first that the sanitizers work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
COMPILER = shutil.which("gcc") or shutil.which("clang")
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
SANITIZED = [
    *STRICT,
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-DSMM_NO_CLONES",
]
RELEASE = [*STRICT, "-O3"]
SHARED = ("ref_blas", "problem", "glmm_dense")  # what every test program is linked with
TESTS = sorted(path.stem for path in (CSRC / "tests").glob("test_*.c"))
BROKEN = {
    "broken_arena": "use-after-poison",
    "broken_heap": "heap-buffer-overflow",
    "broken_leak": "LeakSanitizer",
    "broken_overflow": "signed integer overflow",
}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs gcc or clang")


def run(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **options)


def compile_all(folder: Path, flags: list[str]) -> Path:
    """Compile library and tests, side by side, into one program per test."""
    library = sorted((CSRC / "src").glob("*.c"))
    names = [*SHARED, *TESTS, *BROKEN]
    sources = library + [CSRC / "tests" / f"{name}.c" for name in names]
    includes = [f"-I{CSRC / name}" for name in ("include", "src", "tests")]

    def compile_one(source: Path) -> str:
        target = folder / f"{source.stem}.o"
        done = run([COMPILER, *flags, *includes, "-c", str(source), "-o", str(target)])
        return done.stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        messages = [text for text in pool.map(compile_one, sources) if text]
    assert not messages, "\n".join(messages)

    common = [str(folder / f"{path.stem}.o") for path in library]
    common += [str(folder / f"{name}.o") for name in SHARED]

    def link_one(name: str) -> str:
        objects = [str(folder / f"{name}.o"), *common]
        return run([COMPILER, *flags, *objects, "-lm", "-o", str(folder / name)]).stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        messages = [text for text in pool.map(link_one, [*TESTS, *BROKEN]) if text]
    assert not messages, "\n".join(messages)
    return folder


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory) -> Path:
    return compile_all(tmp_path_factory.mktemp("sanitized"), SANITIZED)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    return compile_all(tmp_path_factory.mktemp("release"), RELEASE)


@pytest.mark.parametrize("name", BROKEN)
def test_planted_mistakes_are_found(sanitized, name):
    done = run([str(sanitized / name)])
    assert done.returncode != 0
    assert BROKEN[name] in done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_under_sanitizers(sanitized, name):
    done = run([str(sanitized / name)])
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stderr == ""


@pytest.mark.parametrize("name", TESTS)
def test_as_released(release, name):
    done = run([str(release / name)])
    assert done.returncode == 0, done.stderr[-5000:]
