"""The same commit gives the same bytes: wheels are normalised, and compiler flags remove this machine's folders."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from cartwheel.backends.path_free import rust_variables
from cartwheel.filesystem.distribution import wheel_contents
from cartwheel.provenance import sbom
from cartwheel.provenance.path_remaps import c_flags, crate_c_variables, remaps, rust_flags, standard_library
from cartwheel.provenance.wheel_files import rewrite
from cartwheel.toolchain import Toolchain
from cartwheel.toolchain.compiler_flags import flags_environment
from support.models import crate, manifests, understood
from support.wheels import wheel

LINUX = "x86_64-unknown-linux-gnu"
MOMENT = 1580601600


def test_the_longest_folder_comes_last_because_compilers_use_the_last_match(tmp_path: Path) -> None:
    pairs = remaps({tmp_path / "project": "/project", tmp_path / "project/home": "/cargo", tmp_path: "/top"})
    assert [name for _, name in pairs] == ["/top", "/project", "/cargo"]


def test_a_linked_folder_is_replaced_under_both_of_its_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    flags = rust_flags(remaps({tmp_path / "link": "/project"}))
    assert flags == tuple(f"--remap-path-prefix={tmp_path}/{name}=/project" for name in ("link", "real"))


def test_the_standard_library_has_the_name_that_it_has_where_its_sources_are_not_installed() -> None:
    assert standard_library(Path("/r"), "abc") == {Path("/r/lib/rustlib/src/rust"): "/rustc/abc"}
    assert standard_library(Path("/r"), "") == {}


def test_flags_of_c_do_not_hold_a_path_with_a_space_because_cflags_is_split_there() -> None:
    assert c_flags((("/a b", "/project"), ("/c", "/cargo"))) == ("-ffile-prefix-map=/c=/cargo",)


PLAIN, EXACT = f"CFLAGS_{LINUX.replace('-', '_')}", f"CFLAGS_{LINUX}"


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ({}, PLAIN, "-ffile-prefix-map=/p=/project"),
        ({"CFLAGS": "-O1"}, PLAIN, "-O1 -ffile-prefix-map=/p=/project"),
        ({"CFLAGS": "-O1", "TARGET_CFLAGS": "-O2"}, PLAIN, "-O2 -ffile-prefix-map=/p=/project"),
        ({"CFLAGS": "-O1", PLAIN: "-O3"}, PLAIN, "-O3 -ffile-prefix-map=/p=/project"),
        ({PLAIN: "-O3", EXACT: "-Os"}, EXACT, "-Os -ffile-prefix-map=/p=/project"),
    ],
)
def test_the_users_flags_of_c_are_kept(flags: dict[str, str], name: str, value: str) -> None:
    assert crate_c_variables([LINUX], (("/p", "/project"),), flags)[name] == value


def test_microsofts_compiler_gets_no_flag_that_it_does_not_know() -> None:
    assert crate_c_variables(["x86_64-pc-windows-msvc"], (("/p", "/project"),), {}) == {}


SPACED = ("--remap-path-prefix=/a b=/project", "--remap-path-prefix=/c=/cargo")


@pytest.mark.parametrize(
    ("flags", "config", "first"),
    [
        ({}, "", ""),
        ({"RUSTFLAGS": "-v -C x"}, "", "-v\x1f-C\x1fx\x1f"),
        ({}, '[build]\nrustflags = ["-C", "x"]\n', "-C\x1fx\x1f"),
        ({"CARGO_BUILD_RUSTFLAGS": "-v"}, '[build]\nrustflags = "-g"\n', "-g\x1f-v\x1f"),
        ({}, f'[build]\nrustflags = "-g"\n[target.{LINUX}]\nrustflags = "-C x"\n', "-C\x1fx\x1f"),
    ],
)
def test_a_folder_with_a_space_is_replaced_too_and_the_users_flags_are_kept(
    tmp_path: Path, flags: dict[str, str], config: str, first: str
) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(config)
    env = {"CARGO_HOME": str(tmp_path / "home"), **flags}
    variables = flags_environment((), (LINUX,), tmp_path, env, lambda triple: frozenset(), SPACED)
    assert variables == {"CARGO_ENCODED_RUSTFLAGS": first + "\x1f".join(SPACED)}


def test_without_a_space_the_flags_join_those_of_the_users_source(tmp_path: Path) -> None:
    env = {"CARGO_HOME": str(tmp_path / "home"), "RUSTFLAGS": "-v"}
    variables = flags_environment(("-g",), (LINUX,), tmp_path, env, lambda triple: frozenset(), SPACED[1:])
    assert variables == {"RUSTFLAGS": f"-v -g {SPACED[1]}"}


@pytest.mark.parametrize("triple", [LINUX, "x86_64-unknown-linux-musl"])
def test_setuptools_rust_compiles_without_the_paths_of_the_machine(tmp_path: Path, triple: str) -> None:
    project = understood(manifests({"targets": [triple]}, cargo=crate("abi3-py311")))
    (tmp_path / "copy/python").mkdir(parents=True)
    env = {**os.environ, "CARGO_HOME": str(tmp_path / "home"), "RUSTFLAGS": "-v"}
    native = Toolchain(name="native", builds=lambda target, host: True)
    variables = rust_variables(project.packages[0].wheels[0], native, tmp_path / "copy/python", tmp_path / "copy", env)
    assert variables["RUSTFLAGS"].startswith("-v --remap-path-prefix=")
    for folder, name in (("copy", "/project"), ("home", "/cargo")):
        assert f"--remap-path-prefix={tmp_path / folder}={name}" in variables["RUSTFLAGS"].split()
    assert f"-ffile-prefix-map={tmp_path / 'copy'}=/project" in variables[f"CFLAGS_{triple.replace('-', '_')}"]


# ---- the wheel as a file


def test_order_modes_times_and_folders_of_a_wheel_do_not_tell_where_it_was_made(tmp_path: Path) -> None:
    wheels = []
    for number, mode in enumerate((0o755, 0o700)):
        path = wheel(tmp_path / str(number), "demo-1.0-py3-none-any.whl", {"demo/__init__.py": "x = 1\n"})
        with zipfile.ZipFile(path, "a") as archive:
            folder = zipfile.ZipInfo("demo/", (2026, 1, number + 1, 0, 0, 0))
            folder.external_attr = mode << 16
            archive.writestr(folder, b"")
            program = zipfile.ZipInfo("demo/run", (2026, 1, number + 1, 0, 0, 0))
            program.create_system, program.external_attr = (3, (0o100000 | mode) << 16)
            archive.writestr(program, b"#!/bin/sh\n")
        rewrite(path, MOMENT, lambda contents: contents)
        wheels.append(path.read_bytes())
    assert wheels[0] == wheels[1]
    with zipfile.ZipFile(tmp_path / "0/demo-1.0-py3-none-any.whl") as archive:
        assert [entry.filename for entry in archive.infolist()][-1] == "demo-1.0.dist-info/RECORD"
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert (modes["demo/run"], modes["demo/__init__.py"]) == (0o100755, 0o100644)
        assert "demo/" not in modes


def test_record_fits_what_was_edited(tmp_path: Path) -> None:
    from cartwheel.checks.index_rules import findings

    path = wheel(tmp_path, "demo-1.0-py3-none-any.whl", {"demo/a,b.py": "x = 1\n"})
    rewrite(path, MOMENT, lambda contents: {**contents, "demo/new.py": b"y = 2\n"})
    assert not [finding for finding in findings([path]) if "RECORD" in str(finding)]
    assert "demo/new.py" in dict(wheel_contents(path))


# ---- bills of materials

CRATES = {"core": "local", "sha2": f"0.11.0 features=std sha256:{'a' * 64}"}


def maturins(project: str) -> dict[str, object]:
    """A document as maturin 1.16 writes it."""
    project = project.replace(" ", "%20")
    own, core = f"path+file://{project}/crates/py#0.1.0", f"path+file://{project}/crates/core#0.1.0"
    registry = "registry+https://crates.example/index"
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "component": {
                "type": "library", "bom-ref": own, "name": "py", "version": "0.1.0",
                "purl": "pkg:cargo/py@0.1.0?download_url=file://.",
                "components": [{"type": "library", "bom-ref": f"{own} bin-target-0", "name": "_demo",
                                "purl": "pkg:cargo/py@0.1.0?download_url=file://.#src/lib.rs"}],
            },
            "properties": [{"name": "cdx:rustc:sbom:target:all_targets", "value": "true"}],
        },
        "components": [
            {"type": "library", "bom-ref": core, "name": "core", "version": "0.1.0",
             "purl": "pkg:cargo/core@0.1.0?download_url=file://../core"},
            {"type": "library", "bom-ref": f"{registry}#sha2@0.11.0", "name": "sha2", "version": "0.11.0",
             "purl": "pkg:cargo/sha2@0.11.0"},
            {"type": "library", "bom-ref": f"{registry}#windows-sys@0.61.0", "name": "windows-sys",
             "version": "0.61.0", "purl": "pkg:cargo/windows-sys@0.61.0"},
        ],
        "dependencies": [
            {"ref": own, "dependsOn": [core, f"{registry}#windows-sys@0.61.0"]},
            {"ref": core, "dependsOn": [f"{registry}#sha2@0.11.0"]},
            {"ref": f"{registry}#windows-sys@0.61.0"},
        ],
    }  # fmt: skip


def facts(project: str) -> sbom.Facts:
    return sbom.Facts(name="demo", version="1.0", moment=MOMENT, project=project, triple=LINUX, crates=CRATES)


@pytest.mark.parametrize("project", ["/home/me/demo", "/builds/x/y z"])
def test_a_bill_of_materials_is_the_same_in_every_folder_and_names_none(project: str) -> None:
    document = sbom.reproducible_bill(maturins(project), facts(project))
    assert document == sbom.reproducible_bill(maturins("/elsewhere"), facts("/elsewhere"))
    assert project not in json.dumps(document)
    assert "file://" not in json.dumps(document)
    refs = set(sbom._references(document))
    assert {row["ref"] for row in document["dependencies"]} <= refs
    assert {ref for row in document["dependencies"] for ref in row.get("dependsOn", ())} <= refs


def test_a_bill_of_materials_on_windows_names_no_drive() -> None:
    document = sbom.reproducible_bill(maturins("/D:/a/demo"), facts("D:/a/demo"))
    assert document == sbom.reproducible_bill(maturins("/elsewhere"), facts("/elsewhere"))


def test_crates_that_only_another_target_uses_are_not_in_the_bill() -> None:
    document = sbom.reproducible_bill(maturins("/p"), facts("/p"))
    assert [row["name"] for row in document["components"]] == ["core", "sha2"]
    assert document["metadata"]["properties"] == [{"name": "cdx:rustc:sbom:target:triple", "value": LINUX}]


def test_two_crates_outside_the_repository_with_one_name_keep_two_references() -> None:
    document = {"components": [{"bom-ref": f"path+file:///{place}/core#1.0", "name": "core"} for place in "ab"]}
    rows = sbom.reproducible_bill(document, facts("/p").__class__(name="d", version="1", moment=0, project="/p"))[
        "components"
    ]
    assert [row["bom-ref"] for row in rows] == ["path+file:core#1.0", "path+file:core~2#1.0"]


def test_a_wheel_without_a_bill_gets_one_with_its_crates_and_vendored_code() -> None:
    contents = {
        "demo-1.0.dist-info/RECORD": b"",
        "demo/_vendor/tomli/__init__.py": b"",
        "demo/_vendor/six.py": b"",
        "demo/_vendor/vendor.txt": b"tomli==2.0.1\n",
    }
    name = "demo-1.0.dist-info/sboms/demo.cyclonedx.json"
    document = json.loads(sbom.with_bill(contents, facts("/p"))[name])
    versions = {row["name"]: row.get("version") for row in document["components"]}
    assert versions == {"core": None, "sha2": "0.11.0", "tomli": "2.0.1", "six": None}
    assert document["components"][1]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_a_crate_from_a_git_repository_is_not_said_to_be_the_registrys() -> None:
    crates = {"dove": "0.1.0 features=x git+https://forge.example/dove?tag=v1#0123456789", "core": "local"}
    facts = sbom.Facts(name="demo", version="1.0", moment=MOMENT, crates=crates, licences={"core ": "MIT"})
    core, dove = sbom.new_document(facts, {})["components"]
    assert dove["purl"] == "pkg:cargo/dove@0.1.0?vcs_url=git%2Bhttps%3A%2F%2Fforge.example%2Fdove%400123456789"
    assert (core["bom-ref"], core["licenses"]) == ("path+file:core", [{"expression": "MIT"}])


def test_what_a_repair_grafted_is_in_the_bill_with_version_and_digest() -> None:
    library = "demo.libs/libz-0f1e2d3c.so.1.2.13"
    contents = sbom.with_bill({"demo-1.0.dist-info/RECORD": b"", library: b"\x7fELF", "demo/x.py": b""}, facts("/p"))
    name = next(name for name in contents if sbom.is_document(name))
    document = json.loads(sbom.with_grafted(contents, [library, "demo/x.py"])[name])
    row = document["components"][-1]
    assert (row["name"], row["version"], row["properties"][0]["value"]) == ("libz", "1.2.13", library)
    assert len(document["components"]) == len(CRATES) + 1


@pytest.mark.lab
@pytest.mark.skipif(os.name == "nt", reason="the second environment is a shell's")
def test_bills_are_valid_by_the_schema_of_cyclonedx(tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    contents = {"demo-1.0.dist-info/RECORD": b"", "demo/_vendor/six.py": b"", "demo.libs/libz-0f1e2d3c.so.1": b""}
    combined = sbom.with_grafted(sbom.with_bill(contents, facts("/p")), contents)
    own = json.loads(combined["demo-1.0.dist-info/sboms/demo.cyclonedx.json"])
    for document in (own, sbom.reproducible_bill(maturins("/p"), facts("/p"))):
        assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(document)) is None
