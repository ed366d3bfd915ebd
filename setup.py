"""The part of the build that pyproject.toml cannot say: the cffi extension module."""

import os
import sys

from setuptools import setup

# cffi and setuptools both have to know that the module uses the stable ABI only.
options = {"bdist_wheel": {"py_limited_api": "cp311"}}
if sys.platform == "win32":
    os.environ.setdefault("CL", "/std:c11 /O2")

setup(cffi_modules=["csrc/build_core.py:ffibuilder"], options=options)
