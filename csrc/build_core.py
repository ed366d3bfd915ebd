"""Builds the extension module `statsmodels_mixed._core._smm` from the C library.

The declarations cffi needs are cut from the public header, so that there is one
description of the interface.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
HEADER = HERE / "include" / "smm.h"
SOURCES = sorted((HERE / "src").glob("*/*.c"))


def declarations() -> str:
    """Return the part of the header between its cdef marks, and the Python callbacks."""
    text = HEADER.read_text(encoding="utf-8")
    body = text.split("/* cdef-begin", 1)[1].split("*/", 1)[1].split("/* cdef-end */", 1)[0]
    callbacks = """
extern "Python" {
int smm_python_poll(void *ctx);
int smm_python_next(void *ctx, int restart, smm_batch *batch);
}
"""
    return body + callbacks


def relative(path: Path) -> str:
    """Return `path` relative to the project root, where builds run."""
    return path.relative_to(HERE.parent).as_posix()


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "statsmodels_mixed._core._smm",
    '#include "smm.h"',
    sources=[relative(path) for path in SOURCES],
    include_dirs=[relative(HERE / "include"), relative(HERE / "src")],
    depends=[relative(path) for path in (HEADER, *sorted((HERE / "src").glob("*/*.h")))],
    extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra"],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
