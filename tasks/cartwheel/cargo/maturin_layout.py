"""Which crate and Python package maturin uses for a package, and whether setuptools compiles extensions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Any

from cartwheel.model.config.bindings import module_name
from cartwheel.model.config.build_backend import backend_of
from cartwheel.model.python_constants import literal_value, module_constants, parsed


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

    The option is `py_limited_api` of bdist_wheel (setuptools 80, November 2026).  What setup.py sets only for some
    environment variables or arguments does not count.
    """
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string((here / "setup.cfg").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ConfigParserError):
        parser.clear()
    row = parser["bdist_wheel"] if parser.has_section("bdist_wheel") else {}
    tree = parsed(setup) if "limited" in setup else None
    found = (*(_limited_values(tree, module_constants(tree)) if tree else ()), *map(row.get, _LIMITED))
    return next((tag for tag in found if isinstance(tag, str) and re.fullmatch(r"cp3\d+", tag)), "")


_LIMITED = ("py_limited_api", "py-limited-api")


def _limited_values(node: ast.AST, constants: Mapping[str, ast.expr]) -> Iterator[Any]:
    """The values that a script gives the option: in dicts, calls and assignments."""
    if isinstance(node, ast.If | ast.IfExp) and _asks_caller(node.test, constants):
        return
    pairs: list[tuple[Any, ast.expr]] = []
    if isinstance(node, ast.Dict):
        pairs = [(getattr(key, "value", ""), value) for key, value in zip(node.keys, node.values, strict=True)]
    elif isinstance(node, ast.keyword):
        pairs = [(node.arg, node.value)]
    elif isinstance(node, ast.Assign):
        pairs = [
            (getattr(target.slice, "value", "") if isinstance(target, ast.Subscript) else target.attr, node.value)
            for target in node.targets
            if isinstance(target, ast.Subscript | ast.Attribute)
        ]
    yield from (literal_value(value, constants) for name, value in pairs if name in _LIMITED)
    for child in ast.iter_child_nodes(node):
        yield from _limited_values(child, constants)


def _asks_caller(test: ast.expr, constants: Mapping[str, ast.expr]) -> bool:
    """Whether a condition depends on environment variables or on the command line."""
    nodes = [*ast.walk(test)]
    nodes += [one for row in nodes if isinstance(row, ast.Name) and row.id in constants
              for one in ast.walk(constants[row.id])]  # fmt: skip
    named = {getattr(node, "id", "") or getattr(node, "attr", "") for node in nodes}
    return not named.isdisjoint(("environ", "getenv", "argv"))


def setup_text(here: Path, pyproject: Mapping[str, Any]) -> str:
    """The text of setup.py; empty without one, or if another backend builds."""
    if backend_of(pyproject).module != "setuptools":
        return ""
    try:
        return (here / "setup.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
