"""setup.py and setup.cfg as the `[build-system]` and `[project]` tables that they lack.

cartwheel reads name and version from pyproject.toml.  A package that has them in setup.py gets the tables with what the
file says literally; everything else stays there and is listed in `dynamic` (setuptools 80, "Configuring setuptools
using pyproject.toml files", November 2026).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from typing import Any

from cartwheel.adoption.adopted_files import toml_value
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.model.python_constants import (
    UNKNOWN,
    function_name,
    literal_value,
    module_constants,
    parsed,
    version_attribute,
)

_FIELDS = {
    "description": ("description",), "long_description": ("readme",), "license": ("license",),
    "author": ("authors",), "author_email": ("authors",), "maintainer": ("maintainers",),
    "maintainer_email": ("maintainers",), "keywords": ("keywords",), "url": ("urls",), "project_urls": ("urls",),
    "download_url": ("urls",), "install_requires": ("dependencies",), "extras_require": ("optional-dependencies",),
}  # fmt: skip
"""Fields of `[project]` by the argument of `setup()` or the key of setup.cfg that sets them."""

_REQUIRED_BY = {
    r"setuptools_rust|RustExtension": "setuptools-rust", r"\bCython\b": "Cython", r"\bpybind11\b": "pybind11",
    r"\bnumpy\b": "numpy", r"cffi_modules": "cffi", r"use_scm_version": "setuptools-scm>=8",
}  # fmt: skip
"""Build requirements by what of them setup.py names."""


def with_project_tables(texts: Texts) -> dict[str, str]:
    """The repository's texts; a pyproject.toml beside a setup.py that can be read has both tables."""
    completed = dict(texts)
    for path in [path for path in texts if path.rpartition("/")[2] == "setup.py"]:
        folder = path.removesuffix("setup.py")
        if "project" not in parsed_toml(texts, f"{folder}pyproject.toml"):
            tables = _tables(folder, texts)
            if tables:
                old = texts.get(f"{folder}pyproject.toml", "")
                completed[f"{folder}pyproject.toml"] = f"{old.rstrip()}\n\n{tables}" if old.strip() else tables
    return completed


def why_unreadable(folder: str, texts: Texts) -> str:
    """The part of setup.py that prevents adoption; empty without one."""
    prefix = "" if folder == "." else f"{folder}/"
    if f"{prefix}setup.py" not in texts:
        return ""
    settings = _settings(prefix, texts)
    computed = [key for key in ("name", "version") if not isinstance(settings.get(key), str)]
    return f"setup.py computes {' and '.join(computed)}; write [project] name and version in pyproject.toml"


def _tables(folder: str, texts: Texts) -> str:
    """The tables that pyproject.toml lacks; empty if name or version are not written anywhere."""
    settings = _settings(folder, texts)
    name, version = settings.get("name"), settings.get("version")
    scm = bool(settings.get("use_scm_version"))
    if not isinstance(name, str) or not (scm or isinstance(version, str)):
        return ""
    project: dict[str, Any] = {"name": name}
    dynamic = ["version"] if scm else []
    if not scm:
        project["version"] = version
    for key, field in (("python_requires", "requires-python"), ("classifiers", "classifiers")):
        if key in settings:
            if settings[key] is UNKNOWN:
                dynamic.append(field)
            else:
                project[field] = settings[key]
    dynamic += [field for key, fields in _FIELDS.items() if key in settings for field in fields]
    dynamic += _entry_points(settings.get("entry_points", {}))
    if dynamic:
        project["dynamic"] = sorted(set(dynamic))
    lines = [f"{key} = {toml_value(value, len(key) + 3)}" for key, value in project.items()]
    block = "\n".join(("# from setup.py; take name and version out of it", "[project]", *lines)) + "\n"
    if "build-system" in parsed_toml(texts, f"{folder}pyproject.toml"):
        return block
    requires = toml_value(["setuptools>=77", *_requirements(settings, texts[f"{folder}setup.py"])], 11)
    return f'[build-system]\nrequires = {requires}\nbuild-backend = "setuptools.build_meta"\n\n{block}'


def _entry_points(groups: Any) -> list[str]:
    if not groups:
        return []
    names = set(groups) if isinstance(groups, Mapping) else {"console_scripts", "gui_scripts", "other"}
    special = {"console_scripts": "scripts", "gui_scripts": "gui-scripts"}
    return [special[name] for name in special if name in names] + ["entry-points"] * bool(names - set(special))


def _requirements(settings: Mapping[str, Any], script: str) -> list[str]:
    requirements = [requirement for pattern, requirement in _REQUIRED_BY.items() if re.search(pattern, script)]
    listed = settings.get("setup_requires")
    listed = listed if isinstance(listed, list) else [listed] if isinstance(listed, str) else []
    known = {re.split(r"[^\w.-]", row)[0].lower().replace("_", "-") for row in listed}
    requirements = [row for row in requirements if re.split(r"[^\w.-]", row)[0].lower() not in known]
    return [row for row in (*listed, *requirements) if not re.match(r"(?:setuptools|wheel)\s*(?:[<>=!~;]|$)", row)]


# What the files say ---------------------------------------------------------------------------------------------------


def _settings(folder: str, texts: Texts) -> dict[str, Any]:
    """Arguments of `setup()` and keys of setup.cfg; `UNKNOWN` for a value that only running the file can tell."""
    settings = {**_of_cfg(folder, texts), **_of_script(texts[f"{folder}setup.py"])}
    version = settings.get("version")
    if isinstance(version, str) and version.startswith("attr:"):
        settings["version"] = _attribute(version.removeprefix("attr:").strip(), folder, texts)
    elif isinstance(version, str) and version.startswith("file:"):
        settings["version"] = texts.get(folder + version.removeprefix("file:").strip(), "").strip() or UNKNOWN
    return settings


def _of_script(script: str) -> dict[str, Any]:
    tree = parsed(script)
    if tree is None:
        return {}
    constants = module_constants(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and function_name(node) == "setup"]
    arguments = [(word.arg, word.value) for call in calls[-1:] for word in call.keywords]
    for name, value in list(arguments):
        table = constants.get(value.id) if name is None and isinstance(value, ast.Name) else None
        if isinstance(table, ast.Dict):
            pairs = zip(table.keys, table.values, strict=True)
            arguments += [(str(key.value), inner) for key, inner in pairs if isinstance(key, ast.Constant)]
    return {str(name): literal_value(value, constants) for name, value in arguments if name}


_CFG = {"requires_python": "python_requires", "home_page": "url", "summary": "description"}


def _of_cfg(folder: str, texts: Texts) -> dict[str, Any]:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(texts.get(f"{folder}setup.cfg", ""))
    except ConfigParserError:
        return {}
    settings: dict[str, Any] = {}
    for section in ("metadata", "options"):
        if parser.has_section(section):
            settings |= {_CFG.get(k, k): v.strip() for k, v in parser.items(section) if v.strip()}
    for key in ("classifiers", "setup_requires"):
        if key in settings:
            rows = [row.strip() for row in settings[key].splitlines() if row.strip()]
            settings[key] = UNKNOWN if rows[0].startswith("file:") else rows
    for key in ("extras_require", "entry_points"):
        if parser.has_section(f"options.{key}"):
            settings[key] = dict(parser.items(f"options.{key}"))
    return settings


def _attribute(place: str, folder: str, texts: Texts) -> Any:
    """A constant of a module, such as `pkg.__version__`."""
    module, _, name = place.rpartition(".")
    path = module.replace(".", "/")
    for candidate in (f"{path}.py", f"{path}/__init__.py", f"src/{path}.py", f"src/{path}/__init__.py"):
        tree = parsed(texts.get(folder + candidate, ""))
        if tree and (version := version_attribute(tree, name)):
            return version[0]
    return UNKNOWN
