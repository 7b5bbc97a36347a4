"""Profile-guided optimization: one training for a target, done again when its sources change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cartwheel.toolchain.installed_rust import llvm_profdata
from support.maturin_projects import cargo, pyproject
from support.projects import DODO, FLOOR, TRIPLE, Project, committed, with_crate
from support.repositories import repository

MAIN = """fn main() {
    let rounds: u64 = std::env::args().nth(1).map_or(1, |text| text.parse().unwrap());
    println!("{}", (0..rounds).map(|n| n.wrapping_mul(31) % 7).sum::<u64>());
}
"""
BUILD = f"build:{TRIPLE}:pebble:py3"
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


def has_llvm_tools() -> bool:
    """Whether rustup's component that merges profiles is here; without it no target is ready."""
    return llvm_profdata(Path.cwd(), os.environ) is not None


@pytest.fixture
def llvm_tools() -> None:
    """Skips the test if no profile can be merged here."""
    if not shutil.which("cargo") or not has_llvm_tools():
        pytest.skip("needs llvm-tools: rustup component add llvm-tools")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A program that is trained by running it."""
    project = with_crate(tmp_path / "project")
    project.write("pebble/src/main.rs", MAIN)
    project.write("pebble/bench/rounds.txt", "100000\n")
    project.write("pebble/bench/train.sh", 'pebble "$(cat "$1/bench/rounds.txt")"\n')
    pgo = 'pgo = { run = ["sh", "{package}/bench/train.sh", "{package}"], inputs = ["bench/"] }'
    project.edit("pebble/pyproject.toml", "publish = []", f"publish = []\n{pgo}")
    return committed(project)


def profiles(project: Project) -> list[str]:
    return sorted(path.name for path in (project.root / ".cartwheel" / "pgo").rglob("*.profdata"))


@pytest.mark.lab
@pytest.mark.usefixtures("llvm_tools")
def test_a_wheel_is_trained_once_and_again_when_its_sources_or_the_training_change(project: Project) -> None:
    first = project.doit(BUILD)
    assert "training pebble" in first
    (profile,) = profiles(project)
    assert "training" not in project.doit(BUILD)

    shutil.rmtree(project.root / ".cartwheel" / "wheels")
    assert "training" not in project.doit(BUILD), "the profile serves the next build of the same sources"
    assert profiles(project) == [profile]

    project.edit("pebble/bench/rounds.txt", "100000", "200000")
    assert "training pebble" in project.doit(BUILD)
    (second,) = profiles(project)
    project.edit("pebble/src/main.rs", "% 7", "% 9")
    assert "training pebble" in project.doit(BUILD)
    (third,) = profiles(project)
    assert len({profile, second, third}) == 3


@pytest.mark.lab
@pytest.mark.usefixtures("llvm_tools")
def test_a_training_that_runs_nothing_of_the_wheel_or_fails_is_refused(project: Project) -> None:
    project.write("pebble/bench/train.sh", "exit 0\n")
    assert "recorded nothing; it has to run code of pebble" in project.doit(BUILD, code=1)
    project.write("pebble/bench/train.sh", "exit 3\n")
    assert "FAIL" in project.doit(BUILD, code=1)


@needs_cargo
def test_a_target_that_cannot_be_trained_here_is_refused_with_the_way_out(project: Project) -> None:
    other = "s390x-unknown-linux-gnu"
    project.edit("pebble/pyproject.toml", f'"{TRIPLE}"', f'"{TRIPLE}", "{other}"')
    code = 0 if has_llvm_tools() else 1
    assert "no wheel is trained for a target that does not run here" in project.doit("doctor", code=code)
    off = f'[[tool.cartwheel.overrides]]\nselect = "{other}"\npgo = {{ run = [] }}\n'
    text = (project.root / "pebble/pyproject.toml").read_text()
    project.write("pebble/pyproject.toml", f"{text}\n{off}")
    assert "no wheel is trained" not in project.doit("doctor", code=code)


# Several interpreters -------------------------------------------------------------------------------------------------

OPAL = """use pyo3::prelude::*;

#[inline(never)]
fn opal_busy(rounds: u64) -> u64 {
    (0..rounds).map(|n| if n % 3 == 0 { n / 7 } else { n.wrapping_mul(31) % 11 }).sum()
}

#[pyfunction]
fn busy(rounds: u64) -> u64 {
    opal_busy(rounds)
}

#[pymodule]
fn opal(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(busy, module)?)
}
"""
TRAINED = """[tool.cartwheel]
targets = ["{triple}"]
python = ["3.11", "3.12", "3.13"]
{floor}test = {{ skip = "the training runs it" }}
flags = ["-Cllvm-args=-pgo-warn-missing-function"]
pgo = {{ run = ["python", "-c", "import opal; opal.busy(200000)"] }}
"""


@pytest.mark.full(sample=0.3)
@pytest.mark.usefixtures("llvm_tools")
def test_one_training_serves_every_interpreter_of_a_target(tmp_path: Path) -> None:
    floor = f'floor = "{FLOOR}"\n' if FLOOR else ""
    table = TRAINED.format(triple=TRIPLE, floor=floor)
    texts = {
        "dodo.py": DODO,
        "pyproject.toml": f"{pyproject(name='opal')}{table}",
        "Cargo.toml": cargo(name="opal"),
        "src/lib.rs": OPAL,
        ".gitignore": ".cartwheel/\ndist/\ntarget/\n__pycache__/\n",
    }
    root = tmp_path / "project"
    repository(root)
    project = Project(root)
    for path, text in texts.items():
        project.write(path, text)
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=root, check=True)
    committed(project)
    output = project.doit("build")
    assert output.count("training opal") == 1
    assert len(profiles(project)) == 1
    assert len(list((root / ".cartwheel" / "wheels").rglob("*.whl"))) == 3
    for log in sorted((root / ".cartwheel" / "logs").rglob("*build*")):
        missing = re.findall(r"no profile data available for function (\S*opal_busy\S*)", log.read_text())
        assert not missing, f"{log.name}: the profile serves no function of this interpreter's wheel"
