"""The extension; everything else is said in pyproject.toml."""

import sys

from setuptools import Extension, setup

standard = "/std:c++17" if sys.platform == "win32" else "-std=c++17"

setup(
    ext_modules=[
        Extension(
            "plumbline._core",
            sources=["src/core.cpp", "src/line.cpp"],
            depends=["src/line.hpp"],
            include_dirs=["src"],
            language="c++",
            extra_compile_args=[standard],
        )
    ]
)
