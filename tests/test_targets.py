"""The example built for every target that this machine can, and for every kind of interpreter on each system: real
compilers, real wheels, every check that needs no running.  CI builds a sample, another each time."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from support.example import PACKAGE, ROOT, Example

GNU = ("x86_64", "aarch64", "i686", "s390x", "riscv64gc")
TARGETS = (
    *(f"{arch}-unknown-linux-gnu" for arch in GNU),
    "armv7-unknown-linux-gnueabihf",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "universal2-apple-darwin",
    "x86_64-pc-windows-gnu",
    "i686-pc-windows-gnu",
)
"""All that a Linux machine can compile for with zig and mingw."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.14t", "pypy3.11")
SYSTEMS = ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-gnu")

_OVERRIDES = re.compile(r"\n\[\[tool\.cartwheel\.overrides\]\].*", re.DOTALL)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example for all of them; what is compiled stays for the next case."""
    for program in ("cargo", "rustup", "x86_64-w64-mingw32-gcc", "i686-w64-mingw32-gcc"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if not importlib.util.find_spec("ziglang"):
        pytest.skip("needs ziglang")
    return Example.create(tmp_path_factory.mktemp("targets") / "project")


def _configure(workshop: Example, targets: Iterable[str], python: str, features: str) -> None:
    """Have it ask for these; PyO3 asks for the stable ABI only where that is meant."""
    path = workshop.root / PACKAGE / "pyproject.toml"
    text = (ROOT / PACKAGE / "pyproject.toml").read_text()
    start, end = text.index("targets = ["), text.index("publish = []")
    chosen = f'targets = {json.dumps(list(targets))}\npython = ["{python}"]\nuntested = "built here for others"\n'
    path.write_text(_OVERRIDES.sub("\n", text[:start] + chosen + text[end:]))
    crate = workshop.root / PACKAGE / "crates/tidemark-py/Cargo.toml"
    original = (ROOT / PACKAGE / "crates/tidemark-py/Cargo.toml").read_text()
    assert original.count('features = ["abi3-py311"]') == 1
    crate.write_text(original.replace('features = ["abi3-py311"]', f"features = [{features}]"))


def _built(workshop: Example, target: str, python: str, features: str) -> None:
    _configure(workshop, [target], python, features)
    workshop.doit(f"check:{target}:tidemark:{python}")
    report = json.loads((workshop.root / f".cartwheel/checks/{target}/tidemark/{python}.json").read_text())
    assert (workshop.root / "dist/private" / report["file"]).is_file()


@pytest.mark.full(sample=0.1)
@pytest.mark.parametrize("target", TARGETS)
def test_the_example_is_built_for(workshop: Example, target: str) -> None:
    _built(workshop, target, "abi3", '"abi3-py311"')


@pytest.mark.full(sample=0.1)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("target", SYSTEMS)
def test_the_example_is_built_by_interpreter(workshop: Example, target: str, python: str) -> None:
    _built(workshop, target, python, "")


@pytest.mark.full(sample=0.3)
@pytest.mark.parametrize("target", SYSTEMS)
def test_the_newer_stable_abi_is_built(workshop: Example, target: str) -> None:
    _built(workshop, target, "abi3t", '"abi3-py311", "abi3t-py315"')


@pytest.mark.full(sample=0.3)
def test_a_universal_wheel_may_ask_for_a_newer_system(workshop: Example) -> None:
    _configure(workshop, ["universal2-apple-darwin"], "abi3", '"abi3-py311"')
    path = workshop.root / PACKAGE / "pyproject.toml"
    path.write_text(path.read_text().replace("publish = []", 'floor = "12.0"\npublish = []'))
    workshop.doit("repair:universal2-apple-darwin")
    names = [p.name for p in Path(workshop.root / "dist/private").glob("*12_0*")]
    tags = "macosx_12_0_arm64.macosx_12_0_universal2.macosx_12_0_x86_64"
    assert names == [f"tidemark-0.1.0-cp311-abi3-{tags}.whl"]
