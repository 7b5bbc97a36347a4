"""The stable ABI that cargo resolves for a target is compared with the plan before anything is compiled."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.projects import FLOOR, TRIPLE, Project, committed, pure

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")

PYO3 = '[package]\nname = "pyo3"\nversion = "0.29.0"\n[features]\nabi3 = []\nabi3-py311 = ["abi3"]\n'
ASKER = '[package]\nname = "asker"\nversion = "1.0.0"\n[dependencies]\npyo3 = { version = "0.29", features = ["%s"] }\n'
CRATE = '[package]\nname = "demo"\nversion = "1.0.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n'
PYPROJECT = """[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "demo"
version = "1.0.0"
requires-python = ">=3.11"

[tool.cartwheel]
targets = ["{triple}"]
python = ["{python}"]
publish = []
{floor}
"""


def project(root: Path, dependencies: str, *, python: str, asks: str = "abi3-py311") -> Project:
    """An extension whose crates of a registry lie in a folder, so that cargo has them without a network."""
    project = pure(root)
    floor = f'floor = "{FLOOR}"' if FLOOR else ""
    project.write("pyproject.toml", PYPROJECT.format(triple=TRIPLE, python=python, floor=floor))
    project.write("Cargo.toml", CRATE + dependencies)
    project.write("src/lib.rs", 'compile_error!("nothing is compiled");\n')
    for name, manifest in (("pyo3", PYO3), ("asker", ASKER % asks)):
        project.write(f"crates/{name}/Cargo.toml", manifest)
        project.write(f"crates/{name}/src/lib.rs", "")
        project.write(f"crates/{name}/.cargo-checksum.json", json.dumps({"files": {}, "package": "0" * 64}))
    project.write(
        ".cargo/config.toml",
        '[source.crates-io]\nreplace-with = "folder"\n[source.folder]\ndirectory = "crates"\n',
    )
    subprocess.run(("cargo", "generate-lockfile", "--offline"), cwd=root, check=True, capture_output=True)
    return committed(project)


CASES: Mapping[str, tuple[str, str, str]] = {
    "a crate of a registry asks": (
        '[dependencies]\npyo3 = "0.29"\nasker = "1"\n',
        "3.13",
        'with "abi3-py311" among the features of pyo3 in Cargo.toml, and write python = ["abi3"]',
    ),
    "only another system asks": (
        '[dependencies]\npyo3 = "0.29"\n[target.\'cfg(target_os = "nowhere")\'.dependencies]\n'
        'pyo3 = { version = "0.29", features = ["abi3-py311"] }\n',
        "abi3",
        "only other targets or tests ask PyO3 for the stable ABI",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_another_stable_abi_than_planned_is_told_before_compiling(name: str, tmp_path: Path) -> None:
    dependencies, python, words = CASES[name]
    one = project(tmp_path / "project", dependencies, python=python)
    output = one.doit(f"build:{TRIPLE}:demo:{python}", code=1)
    assert words in output
    assert "nothing is compiled" not in output


def test_what_is_planned_and_asked_for_is_compiled(tmp_path: Path) -> None:
    other = '[target.\'cfg(target_os = "nowhere")\'.dependencies]\nasker = "1"\n'
    one = project(tmp_path / "project", f'[dependencies]\npyo3 = "0.29"\n{other}', python="3.11")
    assert "nothing is compiled" in one.doit(f"build:{TRIPLE}:demo:3.11", code=1)
