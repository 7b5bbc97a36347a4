"""The configuration's reference and schema are those of the settings, and every tunable key counts for its wheel."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from tools.reference import PUBLISHED_SCHEMA, REFERENCE, SCHEMA, reference, schema
from tools.reference_pages import messages_page

from cartwheel.backends import maturin
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.model.config.config_checks import refuse_invalid_values
from cartwheel.model.config.key_docs import key_docs
from cartwheel.model.config.settings import Settings, Tunable
from cartwheel.model.config.table import Table, decode, tables_in
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import declared_inputs
from cartwheel.model.record import Dependencies
from cartwheel.pipeline import read_project
from cartwheel.schema import tool_schema
from cartwheel.toolchain.tool_versions import version_of
from support.projects import TRIPLE, committed, with_crate

PLANS = sorted((Path(__file__).parent / "plans").glob("*.toml"))


def test_both_files_are_what_the_settings_say() -> None:
    advice = "python -m tools.reference writes them"
    assert REFERENCE.read_text(encoding="utf-8") == reference(), advice
    assert SCHEMA.read_text(encoding="utf-8") == schema(), advice


def test_every_message_has_a_cause_and_a_fix() -> None:
    rows = [line for line in messages_page().splitlines() if line.startswith("| ")]
    assert len(rows) > 400
    assert [row for row in rows if len(re.findall(r"\w+(?=[^|]* \|)", row)) < 3 or "|  |" in row] == []


def every_table() -> list[type[Table]]:
    """All tables of the configuration, each once."""
    tables: list[type[Table]] = [Settings]
    for table in tables:
        fields = msgspec.structs.fields(table)
        tables += [t for t in dict.fromkeys(t for f in fields for t in tables_in(f.type)) if t not in tables]
    return tables


@pytest.mark.parametrize("table", every_table(), ids=lambda table: table.__name__)
def test_every_key_is_documented_and_its_example_is_accepted(table: type[Table]) -> None:
    docs = key_docs(table)
    assert [doc.key for doc in docs if not doc.text] == []
    examples = {doc.key: tomllib.loads(f"x = {doc.example}")["x"] for doc in docs if doc.example}
    value = decode(table, {**dict.fromkeys((f.encode_name for f in required(table)), "x"), **examples}, where="here")
    if isinstance(value, Settings):
        refuse_invalid_values(value, "here")


def required(table: type[Table]) -> list[msgspec.structs.FieldInfo]:
    return [field for field in msgspec.structs.fields(table) if field.required]


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_schema_accepts_what_is_accepted(path: Path) -> None:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    roots = [data.get("root", data.get("pyproject")), *(p["pyproject"] for p in data.get("package", {}).values())]
    for table in (root.get("tool", {}).get("cartwheel", {}) for root in roots):
        jsonschema.validate(table, json.loads(schema()))


def test_validate_pyproject_finds_the_schema() -> None:
    published = tool_schema("cartwheel")
    assert published == json.loads(schema()) == json.loads(PUBLISHED_SCHEMA.read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(published)
    assert published["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("table", [{"targts": []}, {"test": "pytest"}, {"toolchain": "zigg"}, {"overrides": [{}]}])
def test_the_schema_refuses_what_is_refused(table: Mapping[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(table, json.loads(schema()))
    with pytest.raises(ConfigError):
        decode(Settings, table, where="here")


CHANGED: Mapping[str, Any] = {
    "python": ["3.14"],
    "floor": "manylinux_2_35",
    "toolchain": "container",
    "image": "registry.example/own",
    "features": ["loud"],
    "profile": "dev",
    "flags": ["-C opt-level=1"],
    "environment": {"LEVEL": "2"},
    "before": [{"run": ["true"], "inputs": ["gen.txt"]}],
    "pgo": {"run": ["true"], "inputs": ["gen.txt"]},
}
"""Another value of each key of which a wheel depends."""

OF_NO_WHEEL = {
    "runner": "where CI builds it; the same wheel is built on every machine",
    "untested": "whether it may be published; it is the same wheel",
}
"""Keys that no wheel depends on, with the reason."""


def test_every_tunable_key_is_changed_here_or_has_a_reason() -> None:
    assert {field.name for field in msgspec.structs.fields(Tunable)} == {*CHANGED, *OF_NO_WHEEL}


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in `pebble/` that binds to Python, so that interpreters differ."""
    project = with_crate(tmp_path_factory.mktemp("tunable") / "project")
    project.write("pebble/gen.txt", "one\n")
    project.write("pebble/src/lib.rs", "")
    cargo = (project.root / "pebble/Cargo.toml").read_text()
    library = '\n[lib]\ncrate-type = ["cdylib"]\n\n[dependencies]\npyo3 = "0.29"\n\n[features]\nloud = []\n'
    project.write("pebble/Cargo.toml", cargo + library)
    project.edit("pebble/pyproject.toml", 'bindings = "bin"\n', "")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\npython = ["3.13"]')
    committed(project)
    return project.root


def depended_on(root: Path) -> tuple[object, ...]:
    """Everything that decides whether the wheel of `pebble` is up to date, after a build that read no file."""
    project = read_project(root, {})
    package, wheel = next((p, w) for p, w in project.wheels if p.key == "pebble" and w.target.triple == TRIPLE)
    step = maturin.step(package, wheel)
    assert step.sources is not None
    built = Dependencies(learned=dict.fromkeys(("folders", "files", "absent", "env"), ()))
    seen = step.sources.dependencies(DiskSnapshot(root, {}, version_of), built)
    return dict(step.settings), step.makes, dict(seen.listing), dict(seen.facts), declared_inputs(package, wheel)


@pytest.mark.parametrize("key", CHANGED)
def test_a_wheel_depends_on_every_tunable_key(crate: Path, key: str) -> None:
    before = depended_on(crate)
    manifest = crate / "pebble" / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} ="))
    try:
        manifest.write_text(f"{plain}\n{key} = {toml_value(CHANGED[key])}\n", encoding="utf-8")
        assert depended_on(crate) != before
    finally:
        manifest.write_text(text, encoding="utf-8")


def toml_value(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(part)}" for key, part in value.items()) + " }"
    return f"[{', '.join(map(toml_value, value))}]" if isinstance(value, list) else json.dumps(value)


@pytest.mark.parametrize("key", OF_NO_WHEEL)
def test_a_key_with_a_reason_is_really_none_of_the_wheels(crate: Path, key: str) -> None:
    before = depended_on(crate)
    manifest = crate / "pebble" / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    try:
        manifest.write_text(f'{text}\n{key} = "some"\n', encoding="utf-8")
        assert depended_on(crate) == before
    finally:
        manifest.write_text(text, encoding="utf-8")
