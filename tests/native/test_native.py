"""Builds the C library and its tests with the system's compilers, and runs them.

Once for each compiler with the address and undefined behaviour sanitizers and no vector clones,
once with the thread sanitizer, once as a release is built. Programs with planted mistakes show
first that the sanitizers work.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread"]
CHECKED = [*STRICT, "-O1", "-g", "-fno-sanitize-recover=all", "-DSMM_NO_CLONES"]
SANITIZED = [*CHECKED, "-fsanitize=address,undefined"]
THREADED = [*CHECKED, "-fsanitize=thread"]
RELEASE = [*STRICT, "-O3"]
SHARED = ("ref_blas", "problem", "glmm_dense", "entries")  # what every test is linked with
TESTS = sorted(path.stem for path in (CSRC / "tests").glob("test_*.c"))
# Of models small enough for dense matrices, every tail is treated as a large one, and related
# levels are ordered by parts.
LARGE_TAILS = [
    *SANITIZED,
    "-DSMM_LARGE_TAIL=1",
    "-DSMM_MUCH_WORK=0",
    "-DSMM_LEAST_PART=40",
    "-DSMM_LEAST_BLOCK=2",
]
TESTS_OF_TAILS = [
    "test_dissect",
    "test_entries",
    "test_factor",
    "test_newton",
    "test_pls",
    "test_postfit",
]
BROKEN = {
    "broken_arena": "use-after-poison",
    "broken_heap": "heap-buffer-overflow",
    "broken_leak": "LeakSanitizer",
    "broken_overflow": "signed integer overflow",
}
BROKEN_FOR_CLANG = {"broken_null": "applying zero offset to null pointer"}
BROKEN_FOR_THREADS = {"broken_race": "data race"}

pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs gcc or clang")


def run(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **options)


def compile_all(compiler: str, folder: Path, flags: list[str], programs: list[str]) -> Path:
    """Compile the library and programs, side by side."""
    library = sorted((CSRC / "src").glob("*/*.c"))
    sources = library + [CSRC / "tests" / f"{name}.c" for name in [*SHARED, *programs]]
    includes = [f"-I{CSRC / name}" for name in ("include", "src", "tests")]

    def compile_one(source: Path) -> str:
        target = folder / f"{source.stem}.o"
        return run([compiler, *flags, *includes, "-c", str(source), "-o", str(target)]).stderr

    def all_of(function, names) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            messages = [text for text in pool.map(function, names) if text]
        assert not messages, "\n".join(messages)

    common = [str(folder / f"{path.stem}.o") for path in library]
    common += [str(folder / f"{name}.o") for name in SHARED]

    def link_one(name: str) -> str:
        objects = [str(folder / f"{name}.o"), *common]
        return run([compiler, *flags, *objects, "-lm", "-o", str(folder / name)]).stderr

    all_of(compile_one, sources)
    all_of(link_one, programs)
    return folder


def can_sanitize(compiler: str, folder: Path, flags: list[str]) -> str:
    """Return why a program that does nothing cannot be built and run; empty if it can."""
    source = folder / "nothing.c"
    source.write_text("int main(void) { return 0; }\n")
    program = folder / "nothing"
    for command in ([compiler, *flags, str(source), "-o", str(program)], [str(program)]):
        done = run(command)
        if done.returncode != 0:
            return f"{compiler} {flags[-1]}: {done.stderr.strip().splitlines()[-1]}"
    return ""


def built(compiler: str, factory, flags: list[str], programs: list[str]) -> Path:
    if compiler not in COMPILERS:
        pytest.skip(f"{compiler} is not installed")
    folder = factory.mktemp(compiler)
    why = can_sanitize(compiler, folder, flags)
    if why:
        pytest.skip(why)
    return compile_all(compiler, folder, flags, programs)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory) -> Path:
    return built("gcc", tmp_path_factory, SANITIZED, [*TESTS, *BROKEN])


@pytest.fixture(scope="module")
def sanitized_by_clang(tmp_path_factory) -> Path:
    programs = [*TESTS, *BROKEN, *BROKEN_FOR_CLANG]
    return built("clang", tmp_path_factory, SANITIZED, programs)


@pytest.fixture(scope="module")
def threaded(tmp_path_factory) -> Path:
    programs = ["test_threads", *BROKEN_FOR_THREADS]
    return built(COMPILERS[0], tmp_path_factory, THREADED, programs)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    return compile_all(COMPILERS[0], tmp_path_factory.mktemp("release"), RELEASE, TESTS)


@pytest.fixture(scope="module")
def large_tails(tmp_path_factory) -> Path:
    return built("gcc", tmp_path_factory, LARGE_TAILS, TESTS_OF_TAILS)


def check_found(program: Path, message: str) -> None:
    done = run([str(program)])
    assert done.returncode != 0
    assert message in done.stderr


def check_clean(program: Path) -> None:
    done = run([str(program)])
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stderr == ""


@pytest.mark.parametrize("name", BROKEN)
def test_planted_mistakes_are_found(sanitized, name):
    check_found(sanitized / name, BROKEN[name])


@pytest.mark.parametrize("name", TESTS)
def test_under_sanitizers(sanitized, name):
    check_clean(sanitized / name)


@pytest.mark.parametrize("name", TESTS_OF_TAILS)
def test_large_tails_under_sanitizers(large_tails, name):
    check_clean(large_tails / name)


@pytest.mark.parametrize("name", [*BROKEN, *BROKEN_FOR_CLANG])
def test_planted_mistakes_are_found_by_clang(sanitized_by_clang, name):
    check_found(sanitized_by_clang / name, {**BROKEN, **BROKEN_FOR_CLANG}[name])


@pytest.mark.parametrize("name", TESTS)
def test_under_sanitizers_of_clang(sanitized_by_clang, name):
    check_clean(sanitized_by_clang / name)


@pytest.mark.parametrize("name", BROKEN_FOR_THREADS)
def test_planted_races_are_found(threaded, name):
    check_found(threaded / name, BROKEN_FOR_THREADS[name])


def test_threads_under_the_thread_sanitizer(threaded):
    check_clean(threaded / "test_threads")


@pytest.mark.parametrize("name", TESTS)
def test_as_released(release, name):
    done = run([str(release / name)])
    assert done.returncode == 0, done.stderr[-5000:]


def test_every_entry_point_is_called_where_no_allocation_succeeds():
    header = (CSRC / "include" / "smm.h").read_text(encoding="utf-8")
    declared = re.findall(r"^[\w ]+[ *](smm_\w+)\(", header, re.MULTILINE)
    assert len(declared) > 30
    called = "".join(
        (CSRC / "tests" / name).read_text(encoding="utf-8")
        for name in ("entries.c", "test_entries.c", "test_cells.c", "test_stream.c", "purse.h")
    )
    assert [name for name in declared if not re.search(rf"\b{name}\(", called)] == []
