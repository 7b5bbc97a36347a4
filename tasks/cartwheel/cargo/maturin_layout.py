"""Which crate and Python package maturin uses for a package, and whether setuptools compiles extensions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cartwheel.model.config.bindings import module_name
from cartwheel.model.config.build_backend import backend_of


def crate_manifest(here: Path, pyproject: Mapping[str, Any]) -> Path | None:
    """The path of the Cargo.toml that maturin uses for the package in `here`, existing or not; None for other backends.

    Without `manifest-path`, `rust/Cargo.toml` is used if the package has `python-source` or the src layout
    (`resolve_manifest_paths` of maturin 1.16).
    """
    maturin = pyproject.get("tool", {}).get("maturin", {})
    if named := maturin.get("manifest-path"):
        return here / str(named)
    if backend_of(pyproject).module != "maturin":
        return None
    nested = here / "rust" / "Cargo.toml"
    if nested.is_file() and ("python-source" in maturin or _src_layout(here, pyproject)):
        return nested
    return here / "Cargo.toml"


def _src_layout(here: Path, pyproject: Mapping[str, Any]) -> bool:
    name = pyproject.get("project", {}).get("name")
    packages = pyproject.get("tool", {}).get("maturin", {}).get("python-packages", ())
    names = (str(name).replace("-", "_"), *packages) if name else ()
    return any((here / "src" / package / "__init__.py").is_file() for package in names)


def python_source(here: Path, pyproject: Mapping[str, Any]) -> Path:
    """The folder that holds the Python packages."""
    named = pyproject.get("tool", {}).get("maturin", {}).get("python-source")
    if named:
        return here / str(named)
    return here / "src" if (here / "rust" / "Cargo.toml").is_file() and _src_layout(here, pyproject) else here


def has_python(here: Path, pyproject: Mapping[str, Any], cargo: Mapping[str, Any]) -> bool:
    """Whether a Python package with the extension's name exists (`ProjectLayout::determine` of maturin 1.16)."""
    package = python_source(here, pyproject) / module_name(pyproject, cargo).split(".")[0]
    is_crate = (package / "Cargo.toml").is_file() and not (package / "__init__.py").is_file()
    return package.is_dir() and not is_crate


def programs(folder: Path, cargo: Mapping[str, Any]) -> Mapping[str, Path]:
    """The main file of each of a crate's binary targets, by name ("Cargo Targets" in the Cargo book, November 2026)."""
    package = cargo.get("package", {})
    beside, main = folder / "src" / "bin", folder / "src" / "main.rs"
    usual = {
        **({str(package.get("name", "")): main} if main.is_file() else {}),
        **{path.stem: path for path in beside.glob("*.rs")},
        **{path.parent.name: path for path in beside.glob("*/main.rs")},
    }
    rows = {str(row.get("name", "")): row.get("path") for row in cargo.get("bin", ())}
    named = {name: folder / path if path else usual.get(name, main) for name, path in rows.items()}
    return named if package.get("autobins") is False else {**usual, **named}


_EXTENSIONS = r"(?m)^[^#\n]*\b(ext_modules|rust_extensions|cffi_modules)\b"


def setup_compiles(text: str) -> bool:
    """Whether a setup.py mentions extension modules, or programs in Rust."""
    return bool(re.search(_EXTENSIONS, text))


def setup_names_only_programs(text: str) -> bool:
    """Whether a setup.py has setuptools-rust compile programs (`RustBin`) and mentions no extension module."""
    return "RustBin(" in text and not re.search(r"(?m)^[^#\n]*\b(RustExtension\(|ext_modules\b|cffi_modules\b)", text)


def setup_limited(here: Path, setup: str) -> str:
    """The tag of the limited API, `cp39`, that setup.py (its text: `setup`) or setup.cfg gives the wheels; else empty.

    The option is `py_limited_api` of bdist_wheel (setuptools 80, November 2026).
    """
    option = r"^[^#\n]*\bpy[_-]limited[_-]api[\"']?\s*[:=]\s*[\"']?(cp3\d+)\b"
    try:
        settings = (here / "setup.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        settings = ""
    match = re.search(option, setup, re.MULTILINE) or re.search(option, settings, re.MULTILINE)
    return match[1] if match else ""


def setup_text(here: Path, pyproject: Mapping[str, Any]) -> str:
    """The text of setup.py; empty without one, or if another backend builds."""
    if backend_of(pyproject).module != "setuptools":
        return ""
    try:
        return (here / "setup.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
