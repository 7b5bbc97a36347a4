"""Licences: of crates as cargo keeps them, of everything in a wheel, and the text that gathers them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cartwheel.cargo.crate_sources import CrateLicence, crate_licences
from cartwheel.commands.licenses import as_text, licences
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.artifacts import wheel_path
from cartwheel.provenance.licences import FILE, Part, parts, with_third_party
from support.models import manifests, understood
from support.wheels import wheel

MANIFEST = '[package]\nname = "{}"\nversion = "{}"\n{}\n'


def fetched(folder: Path, name: str, version: str, more: str = 'license = "MIT"', **texts: str) -> None:
    """A crate's sources, as cargo unpacks them."""
    folder.mkdir(parents=True)
    (folder / "Cargo.toml").write_text(MANIFEST.format(name, version, more))
    for file, text in texts.items():
        (folder / file.replace("_", "-")).write_text(text)


def test_the_licence_of_a_crate_is_found_wherever_cargo_keeps_its_sources(tmp_path: Path) -> None:
    home, workspace = tmp_path / "cargo", tmp_path / "project"
    registry, checkout = home / "registry/src/host-0123", home / "git/checkouts/dove-89ab/0123456"
    fetched(registry / "sand-1.0.0", "sand", "1.0.0", 'license = "MIT/Apache-2.0"', LICENSE_MIT="mit", README="no")
    fetched(registry / "flint-2.0.0", "flint", "2.0.0", 'license-file = "legal/own.txt"')
    (registry / "flint-2.0.0/legal").mkdir()
    (registry / "flint-2.0.0/legal/own.txt").write_text("own words")
    fetched(checkout / "crates/dove", "dove", "0.1.0")
    (checkout / "COPYING").write_text("of the repository")
    fetched(workspace / "vendor/slate", "slate", "3.0.0", UNLICENSE="free")
    crates = {
        "sand": "1.0.0 features=std sha256:aa", "flint 2.0.0": "2.0.0 sha256:bb", "own": "local features=x",
        "dove": "0.1.0 git+https://forge.example/dove#0123456789", "slate": "3.0.0 sha256:c",
        "gone": "9.0.0 sha256:dd",
    }  # fmt: skip
    assert crate_licences(crates, home, workspace) == (
        CrateLicence(name="dove", version="0.1.0", licence="MIT", texts={"COPYING": "of the repository"}),
        CrateLicence(name="flint", version="2.0.0", texts={"legal/own.txt": "own words"}),
        CrateLicence(name="gone", version="9.0.0"),
        CrateLicence(name="sand", version="1.0.0", licence="MIT OR Apache-2.0", texts={"LICENSE-MIT": "mit"}),
        CrateLicence(name="slate", version="3.0.0", licence="MIT", texts={"UNLICENSE": "free"}),
    )


def test_a_crate_inherits_the_licence_of_its_workspace(tmp_path: Path) -> None:
    checkout, workspace = tmp_path / "cargo/git/checkouts/dove-89ab/0123456", tmp_path / "project"
    shared = '[workspace.package]\nlicense = "MPL-2.0"\nlicense-file = "legal/OWN"\n'
    for top in (checkout, workspace):
        (top / "legal").mkdir(parents=True)
        (top / "legal/OWN").write_text("own words")
        (top / "Cargo.toml").write_text(shared)
    fetched(checkout / "crates/dove", "dove", "0.1.0", "license.workspace = true\nlicense-file.workspace = true")
    fetched(workspace / "rust/core", "core", "0.1.0", "license = { workspace = true }")
    crates = {"dove": "0.1.0 git+https://forge.example/dove?tag=v1#0123456789", "core": "local", "far": "local"}
    assert crate_licences(crates, tmp_path / "cargo", workspace) == (
        CrateLicence(name="core", version="", licence="MPL-2.0"),
        CrateLicence(name="dove", version="0.1.0", licence="MPL-2.0", texts={"legal/OWN": "own words"}),
    )


DOCUMENT = {
    "components": [
        {"name": "sand", "version": "1.0.0", "purl": "pkg:cargo/sand@1.0.0", "licenses": [{"expression": "MIT"}]},
        {
            "name": "flint",
            "version": "2.0.0",
            "purl": "pkg:cargo/flint@2.0.0",
            "licenses": [{"license": {"id": "ISC"}}],
        },
        {"name": "gone", "version": "9.0.0", "purl": "pkg:cargo/gone@9.0.0"},
        {"name": "core", "version": "1.0", "purl": "pkg:cargo/core@1.0", "bom-ref": "path+file:core#1.0"},
        {"name": "six", "purl": "pkg:pypi/six", "bom-ref": "demo/_vendor/six"},
        {"name": "tomli", "version": "2.0", "purl": "pkg:pypi/tomli@2.0", "bom-ref": "demo/_vendor/tomli"},
    ]
}
LIBRARY = {"name": "libz", "version": "1.2.13", "bom-ref": "file:demo.libs/libz.so"}
CONTENTS = {
    "demo/_vendor/six.py": b"", "demo/_vendor/six.LICENSE": b"six's own",
    "demo/_vendor/tomli/__init__.py": b"", "demo/_vendor/tomli-2.0.dist-info/LICENSE": b"tomli's own",
    "demo/_vendor/tomli/license_reader.py": b"",
    "demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 1.0\nLicense-Expression: BSD-3-Clause\n",
    "demo-1.0.dist-info/RECORD": b"",
}  # fmt: skip
BILL = "demo-1.0.dist-info/sboms/demo.cyclonedx.json"
TEXT = f"demo-1.0.dist-info/{FILE}"


def contents(*more: dict[str, str]) -> dict[str, bytes]:
    rows = [*DOCUMENT["components"], *more]
    return {**CONTENTS, BILL: json.dumps({"components": rows}).encode()}


def test_everything_in_a_wheel_has_its_licence_or_none() -> None:
    licences = {str(part): part.licence for part in parts(contents(LIBRARY))}
    assert licences == {
        "demo 1.0": "BSD-3-Clause", "core 1.0": "", "sand 1.0.0": "MIT", "flint 2.0.0": "ISC", "gone 9.0.0": "",
        "six": "demo/_vendor/six.LICENSE", "tomli 2.0": "demo/_vendor/tomli-2.0.dist-info/LICENSE", "libz 1.2.13": "",
    }  # fmt: skip


def test_two_bills_that_name_the_same_library_give_one_row_with_the_licence_of_either() -> None:
    other = {"components": [{**LIBRARY, "licenses": [{"expression": "Zlib"}]}]}
    both = contents(LIBRARY) | {"demo-1.0.dist-info/sboms/auditwheel.cdx.json": json.dumps(other).encode()}
    assert [part.licence for part in parts(both) if part.name == "libz"] == ["Zlib"]


CRATES = (
    CrateLicence(name="sand", version="1.0.0", licence="MIT", texts={"LICENSE": "the same\r\ntext"}),
    CrateLicence(name="flint", version="2.0.0", licence="ISC", texts={"COPYING": "the same\ntext\n"}),
)


def test_third_party_holds_each_text_once_and_first_what_has_none() -> None:
    text = with_third_party(contents(), CRATES)[TEXT].decode()
    assert text.startswith("Software of others in demo 1.0\n\nWithout a licence text in its sources:\n  gone 9.0.0\n\n")
    assert text.count("the same\ntext") == 1
    assert "sand 1.0.0: LICENSE\nflint 2.0.0: COPYING\n\nthe same\ntext" in text
    assert "six's own" in text
    assert "core 1.0" not in text, "the project's own"
    assert "tomli's own" in text
    assert "  gone 9.0.0  no licence stated\n" in text


def test_libraries_that_the_repair_grafted_join_the_text_of_the_build_once() -> None:
    built = with_third_party(contents(), CRATES)
    repaired = with_third_party({**built, BILL: contents(LIBRARY)[BILL]})
    assert repaired[TEXT].startswith(built[TEXT])
    assert b"  libz 1.2.13  no licence stated" in repaired[TEXT].removeprefix(built[TEXT])
    assert with_third_party(repaired) == repaired


def test_a_wheel_with_nothing_of_others_has_no_such_text() -> None:
    assert with_third_party(CONTENTS) == CONTENTS


def test_the_command_reads_the_wheels_that_are_built(tmp_path: Path) -> None:
    project = understood(manifests({"targets": ["any"], "publish": []}))
    package, planned = project.wheels[0]
    path = tmp_path / wheel_path(package, planned)
    assert licences(project, [package], tmp_path, {}) == ()
    wheel(path.parent, path.name, {})
    (row,) = licences(project, [package], tmp_path, {"CARGO_HOME": str(tmp_path)})
    assert row.file == path.name
    rows = (Part(name="libz", kind="library"), Part(name="demo", version="1.0", kind="package", licence="MIT"))
    shown = as_text([row.__class__(file="demo.whl", parts=rows)])
    assert shown == "demo.whl\n  MIT: demo 1.0\n  no licence: libz (library)\n"
    path.write_bytes(b"damaged")
    with pytest.raises(CartwheelError, match=r"cannot be read .*doit repair"):
        licences(project, [package], tmp_path, {})
