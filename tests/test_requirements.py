"""Missing requirements of a target on this machine are reported before a build starts, without false alarms."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel import toolchain
from cartwheel.commands.plan import notes
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.inputs.sources import CompiledSources
from cartwheel.machine import pip_advice
from cartwheel.machine.host import this_machine
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project
from cartwheel.model.wheels.target import TARGETS
from cartwheel.pipeline import read_project
from cartwheel.toolchain import requirements
from cartwheel.toolchain.requirements import binding_needs, crate_needs, import_library_needs, symbol_needs
from cartwheel.toolchain.tool_versions import version_of

WINDOWS, LINUX, PPC = "x86_64-pc-windows-gnu", "x86_64-unknown-linux-gnu", "powerpc64le-unknown-linux-gnu"

PYPROJECT = """[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "demo"
version = "1.0.0"
requires-python = ">=3.11"

[tool.cartwheel]
targets = ["{triple}"]
python = ["{python}"]
publish = []
"""

CARGO = """[package]
name = "demo"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3 = {pyo3}
"""

LOCK = """version = 4

[[package]]
name = "demo"
version = "1.0.0"
dependencies = ["pyo3"]

[[package]]
name = "pyo3"
version = "{version}"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{checksum}"
"""


def crate(
    root: Path, *, pyo3: str = '"0.29"', locked: str = "", triple: str = WINDOWS, python: str = "3.13", cargo: str = ""
) -> Project:
    """An extension for one target, with a lockfile if `locked` names a version of PyO3."""
    files = {"pyproject.toml": PYPROJECT.format(triple=triple, python=python),
             "Cargo.toml": cargo or CARGO.format(pyo3=pyo3), "src/lib.rs": ""}  # fmt: skip
    if locked:
        files["Cargo.lock"] = LOCK.format(version=locked, checksum="0" * 64)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return read_project(root, {})


needs_other_system = pytest.mark.skipif(sys.platform == "win32", reason="is about building for Windows elsewhere")


@needs_other_system
@pytest.mark.parametrize(
    ("pyo3", "locked", "old"),
    [
        ('"0.29"', "", ""),
        ('"0.28"', "", "0.28"),
        ('">=0.20"', "", ""),
        ('">=0.20"', "0.28.3", "0.28.3"),
        ('"0.28"', "0.28.3", "0.28.3"),
        ('">=0.20"', "0.29.1", ""),
        ('{ version = "0.28", features = ["generate-import-lib"] }', "0.28.3", ""),
        ('{ version = "0.28", features = ["abi3-py311"] }', "0.28.3", "0.28.3"),
    ],
)
def test_a_pyo3_that_needs_a_feature_for_windows_is_told_by_doctor_and_plan(
    tmp_path: Path, pyo3: str, locked: str, old: str
) -> None:
    python = "abi3" if "abi3" in pyo3 else "3.13"
    project = crate(tmp_path, pyo3=pyo3, locked=locked, python=python)
    [(package, wheel)] = project.wheels
    needs = list(import_library_needs(package, wheel, tmp_path))
    assert [need.name for need in needs] == (["PyO3's feature generate-import-lib"] if old else [])
    assert all(f"PyO3 {old} needs it" in need.fix and "0.29 or newer" in need.fix for need in needs)
    assert any("generate-import-lib" in line for line in notes(project, tmp_path)) == bool(old)


def test_no_other_system_needs_it(tmp_path: Path) -> None:
    project = crate(tmp_path, pyo3='"0.28"', triple=LINUX)
    assert [list(import_library_needs(package, wheel, tmp_path)) for package, wheel in project.wheels] == [[]]


def test_crates_that_are_not_fetched_are_no_lack(tmp_path: Path) -> None:
    [(package, wheel)] = crate(tmp_path, pyo3='"99"', locked="99.0.0", triple="aarch64-apple-darwin").wheels
    sources = CompiledSources(package=package, wheel=wheel)
    snapshot = DiskSnapshot(tmp_path, {"PATH": "", "CARGO_HOME": str(tmp_path / "cargo")}, version_of)
    assert sources.crates(snapshot) == ("pyo3",), "what the manifest names, and nothing that only the lock holds"
    assert sources.lacks_crates(snapshot)


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ("maturin>=1.4,<1.5", "; change the requirement"), ("maturin >=1.4, <2", ""), ("maturin", ""),
        ("Maturin~=1.4.0", "; change the requirement"), ("maturin>=2", "; change the requirement"),
        ("maturin[zig]==1.16.*", ""), ("maturin<1; python_version < '3'", ""), ("maturin-import-hook<1", ""),
        ("maturin<=1.16rc1", " install 'maturin<=1.16rc1'"), ("maturin ~=1.14.0", " install 'maturin~=1.14.0'"),
        ("maturin <1.16", " install 'maturin<1.16'"), ("maturin >1.16", " install 'maturin>1.16'"), ("maturin ?", ""),
    ],
)  # fmt: skip
def test_a_requirement_that_the_installed_maturin_does_not_meet_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, advice: str
) -> None:
    monkeypatch.setattr(requirements, "pip_install", lambda requirement: f"pip install {requirement}")
    project = crate(tmp_path, triple=LINUX)
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(re.sub(r"requires = .*", f'requires = ["{row}", "cffi"]', pyproject.read_text()))
    project = read_project(tmp_path, {})
    lines = [line for line in notes(project, tmp_path, "1.16.0") if "but maturin 1.16.0 is here" in line]
    assert len(lines) == bool(advice)
    assert all(line.endswith(advice) for line in lines)


@pytest.mark.skipif(this_machine().system != "linux", reason="is about crossing on Linux")
@pytest.mark.parametrize(
    ("zig", "floor", "able"),
    [((0, 17), "manylinux_2_34", True), ((0, 17), "manylinux_2_39", True), ((0, 17), "manylinux_2_28", False),
     ((0, 16), "manylinux_2_34", False)],
)  # fmt: skip
def test_zig_links_for_ppc64le_as_that_release_does(
    monkeypatch: pytest.MonkeyPatch, zig: tuple[int, int], floor: str, able: bool
) -> None:
    monkeypatch.setattr(toolchain, "_zig_version", lambda: zig)
    target, host = TARGETS[PPC], replace(this_machine(), machine="x86_64")
    assert (toolchain.choose_toolchain(target, floor, "", host).name == "zig") == able
    if zig == (0, 17) and not able:
        with pytest.raises(ConfigError, match="links powerpc64le-unknown-linux-gnu from manylinux_2_34 on"):
            toolchain.choose_toolchain(target, floor, "zig", host)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["uniffi-bindgen"]),
        ({f"bin/uniffi-bindgen{'.exe' if sys.platform == 'win32' else ''}": ""}, []),
        ({"src/bin/uniffi-bindgen.rs": "fn main() {}"}, []),
        ({"src/bin/uniffi-bindgen/main.rs": "fn main() {}"}, []),
        ({"src/bin/other.rs": "fn main() {}"}, ["uniffi-bindgen"]),
        ({"gen/Cargo.toml": '[package]\nname = "g"\n[[bin]]\nname = "uniffi-bindgen"\npath = "m.rs"\n'}, []),
        ({"gen/Cargo.toml": '[package]\nname = "uniffi-bindgen"\n', "gen/src/main.rs": ""}, []),
        ({"gen/Cargo.toml": '[package]\nname = "uniffi-bindgen"\nautobins = false\n', "gen/src/main.rs": ""},
         ["uniffi-bindgen"]),
    ],
)  # fmt: skip
def test_the_generator_of_uniffi_is_missed_before_anything_is_compiled(
    tmp_path: Path, files: Mapping[str, str], expected: list[str]
) -> None:
    cargo = CARGO.replace("pyo3 = {pyo3}", 'uniffi = "0.30"') + "\n[workspace]\nmembers = ['gen*']\n"
    project = crate(tmp_path, cargo=cargo, triple=LINUX, python="py3")
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    snapshot = DiskSnapshot(tmp_path, {"PATH": str(tmp_path / "bin")}, version_of)
    [(package, _)] = project.wheels
    assert [need.name for need in binding_needs(package, snapshot)] == expected


@pytest.mark.parametrize(
    ("profile", "configuration", "environ", "triple", "missing"),
    [
        ("strip = true", "", {}, LINUX, True),
        ('strip = "symbols"', "", {}, LINUX, True),
        ('strip = "debuginfo"', "", {}, LINUX, False),
        ("", "", {}, LINUX, False),
        ("strip = true", "", {}, "aarch64-apple-darwin", False),
        ("strip = true", "[profile.release]\nstrip = false\n", {}, LINUX, False),
        ("", "[profile.release]\nstrip = true\n", {}, LINUX, True),
        ("strip = true", "", {"CARGO_PROFILE_RELEASE_STRIP": "none"}, LINUX, False),
        ("", "", {"CARGO_PROFILE_RELEASE_STRIP": "symbols"}, LINUX, True),
    ],
)
def test_symbols_that_uniffi_reads_are_missed_before_anything_is_compiled(
    tmp_path: Path, profile: str, configuration: str, environ: dict[str, str], triple: str, missing: bool
) -> None:
    cargo = CARGO.replace("pyo3 = {pyo3}", 'uniffi = "0.32"') + f"\n[profile.release]\n{profile}\n"
    [(package, wheel)] = crate(tmp_path, cargo=cargo, triple=triple, python="py3").wheels
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(configuration)
    snapshot = DiskSnapshot(tmp_path, {"PATH": "", "CARGO_HOME": str(tmp_path / "home"), **environ}, version_of)
    needs = list(symbol_needs(package, wheel, snapshot))
    assert [need.name for need in needs] == (["UniFFI's metadata"] if missing else [])
    assert all('environment = { CARGO_PROFILE_RELEASE_STRIP = "none" }' in need.fix for need in needs)


@pytest.mark.parametrize(("pip", "command"), [(True, "-m pip install a"), (False, "uv pip install --python ")])
def test_the_advice_installs_with_what_the_environment_has(
    monkeypatch: pytest.MonkeyPatch, pip: bool, command: str
) -> None:
    monkeypatch.setattr(pip_advice, "find_spec", lambda name: name if pip else None)
    text = pip_advice.pip_install("a")
    assert command in text
    assert sys.executable in text
    assert text.endswith(" a")


@pytest.mark.parametrize("installed", [True, False])
def test_cffi_is_missed_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: name if installed else None)
    [(package, _)] = crate(tmp_path, cargo=CARGO.replace("pyo3 = {pyo3}", ""), triple=LINUX, python="py3").wheels
    needs = list(binding_needs(package, DiskSnapshot(tmp_path, {"PATH": ""}, version_of)))
    assert [need.name for need in needs] == ([] if installed else ["cffi"])


@pytest.mark.skipif(this_machine().triple == "aarch64-unknown-linux-gnu", reason="is about another machine's target")
def test_a_release_of_pypy_that_maturin_does_not_know_by_itself_is_a_need(tmp_path: Path) -> None:
    triple = "aarch64-unknown-linux-gnu"
    known: Mapping[str, list[str]] = {"pypy3.11": [], "pypy3.11-v8": ["PyPy 8 for Python 3.11"], "pypy3.12": []}
    for python, expected in known.items():
        [(package, wheel)] = crate(tmp_path, triple=triple, python=python).wheels
        chain = toolchain.TOOLCHAINS["zig"]
        snapshot = DiskSnapshot(tmp_path, {"PATH": ""}, version_of)
        assert [need.name for need in crate_needs(package, wheel, chain, snapshot)] == expected
