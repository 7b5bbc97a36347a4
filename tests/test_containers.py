"""Containers as values: which image, which command line, and what is said where one cannot be had."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.wheels.container_image import image_of, refuse_no_image, runs_in_place
from cartwheel.model.wheels.target import TARGETS
from cartwheel.toolchain import container_engines
from cartwheel.toolchain.container_command import Container, Mount
from support.projects import FLOOR, HOST, TRIPLE, with_crate

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="containers see paths as POSIX has them")

GNU, ARM, MUSL = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("triple", "floor", "declared", "name"),
    [
        (GNU, "manylinux2014", "", "quay.io/pypa/manylinux2014_x86_64"),
        (GNU, "manylinux_2_17", "", "quay.io/pypa/manylinux2014_x86_64"),
        (GNU, "manylinux_2_28", "", "quay.io/pypa/manylinux_2_28_x86_64"),
        (GNU, "manylinux_2_31", "", "quay.io/pypa/manylinux_2_28_x86_64"),
        (ARM, "manylinux_2_40", "", "quay.io/pypa/manylinux_2_39_aarch64"),
        ("armv7-unknown-linux-gnueabihf", "manylinux_2_31", "", "quay.io/pypa/manylinux_2_31_armv7l"),
        ("riscv64gc-unknown-linux-gnu", "manylinux_2_39", "", "quay.io/pypa/manylinux_2_39_riscv64"),
        ("powerpc64le-unknown-linux-gnu", "manylinux2014", "", "quay.io/pypa/manylinux2014_ppc64le"),
        (MUSL, "musllinux_1_2", "", "quay.io/pypa/musllinux_1_2_x86_64"),
        (ARM, "manylinux_2_28", "registry.example/{policy}_{arch}-rust:2026.11",
         "registry.example/manylinux_2_28_aarch64-rust:2026.11"),
        ("loongarch64-unknown-linux-gnu", "manylinux_2_36", "registry.example/loong:{arch}",
         "registry.example/loong:loongarch64"),
        (GNU, "manylinux2014", f"registry.example/own@{DIGEST}", f"registry.example/own@{DIGEST}"),
    ],
)  # fmt: skip
def test_the_image_is_the_newest_that_keeps_the_floor_or_the_one_that_is_named(
    triple: str, floor: str, declared: str, name: str
) -> None:
    assert image_of(TARGETS[triple], floor, declared).name == name


@pytest.mark.parametrize(
    ("triple", "floor", "declared", "output"),
    [
        ("aarch64-apple-darwin", "11.0", "", "are not made in a container; put it into an override"),
        ("riscv64gc-unknown-linux-gnu", "manylinux_2_31", "", "on riscv64 (there is manylinux_2_39); raise the floor"),
        ("loongarch64-unknown-linux-gnu", "manylinux_2_36", "", "on loongarch64 (there is none); raise the floor, or"),
        (GNU, "manylinux2014", "registry.example/{policies}", "'{policies}' is not known; expected '{policy}' or"),
        (GNU, "manylinux2014", "registry.example/own@sha256:12", "'sha256:12' is no digest; expected"),
        (GNU, "manylinux2014", "-v/:/host", "names no image"),
        (GNU, "manylinux2014", "dockerfile:", "names no image"),
        (GNU, "manylinux2014", "Dockerfile:x", "expected 'dockerfile:' in lower case"),
        (GNU, "manylinux2014", "dockerfile:../Dockerfile", "lies outside the package"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_be_meant_is_refused(triple: str, floor: str, declared: str, output: str) -> None:
    with pytest.raises(ConfigError) as error:
        image_of(TARGETS[triple], floor, declared)
    assert output in str(error.value)


def test_a_dockerfile_is_an_input_with_the_folder_it_lies_in_but_for_that_of_the_package() -> None:
    own = image_of(TARGETS[GNU], "manylinux2014", "dockerfile:ci/{arch}/Dockerfile")
    assert (own.dockerfile, own.context, own.inputs) == ("ci/x86_64/Dockerfile", "ci/x86_64", ("ci/x86_64",))
    beside = image_of(TARGETS[GNU], "manylinux2014", "dockerfile:Dockerfile")
    assert (beside.context, beside.inputs) == ("", ("Dockerfile",))
    assert own.reference.startswith("localhost/cartwheel:")
    assert own.reference != beside.reference


def test_an_interpreter_that_the_usual_images_are_known_to_lack_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"musllinux_1_2_x86_64 has no Python pypy3.11; take 'pypy3.11' out for"):
        refuse_no_image(TARGETS[MUSL], "musllinux_1_2", "", "pypy3.11", where="image")
    refuse_no_image(TARGETS[GNU], "manylinux2014", "", "pypy3.11", where="image")
    refuse_no_image(TARGETS[MUSL], "musllinux_1_2", "registry.example/x", "pypy3.11", where="image")


@pytest.mark.parametrize(
    ("plat", "triple", "floor", "yes"),
    [
        ("manylinux_2_28_x86_64", GNU, "manylinux_2_28", True),
        ("manylinux2014_x86_64", GNU, "manylinux_2_28", True),
        ("manylinux_2_34_x86_64", GNU, "manylinux_2_28", False),
        ("manylinux_2_28_aarch64", GNU, "manylinux_2_28", False),
        ("musllinux_1_2_x86_64", GNU, "manylinux_2_28", False),
        ("musllinux_1_2_x86_64", MUSL, "musllinux_1_2", True),
        ("", GNU, "manylinux_2_28", False),
    ],
)
def test_a_machine_that_is_in_the_right_image_builds_in_place(plat: str, triple: str, floor: str, yes: bool) -> None:
    assert runs_in_place(plat, TARGETS[triple], floor) is yes


CONTAINER = Container(
    engine=("podman", "--runtime", "runc"),
    image="0123abcd",
    shown="quay.io/pypa/manylinux_2_28_x86_64",
    root=Path("/home/u/project, here"),
    home=Path("/home/u/project, here/.cartwheel/containers/home"),
    user="1000:1001",
    mounts=(Mount(source=Path("/home/u/.rustup/toolchains/1.95.0")),),
    environment={"CARGO_HOME": "/home/u/.cargo"},
    path=("/home/u/.rustup/toolchains/1.95.0/bin",),
    named=("LD_LIBRARY_PATH",),
    interpreters={
        "cp312-cp312": "/opt/python/cp312-cp312/bin/python",
        "cp39-cp39": "/opt/python/cp39-cp39/bin/python",
        "cp314-cp314t": "/opt/python/cp314-cp314t/bin/python",
    },
)


def test_the_command_line_shows_every_folder_under_its_own_path_and_no_value_of_a_variable() -> None:
    scratch = Path("/home/u/project, here/.cartwheel/scratch")
    argv = CONTAINER.argv(
        ("maturin", "build"),
        {
            "TOKEN": "secret", "PATH": f"/usr/bin:{scratch}/env/bin", "HOME": "/home/u", "CARGO_HOME": "/elsewhere",
            "LD_LIBRARY_PATH": "/opt/lib", "LANG": "C", "SOURCE_DATE_EPOCH": "1",
        },
        cwd=Path("/home/u/project, here/pkg"), writable=(scratch,),
    )  # fmt: skip
    start, script, end = argv[: argv.index("-c")], argv[argv.index("-c") + 1], argv[argv.index("-c") + 2 :]
    assert Path(start[2]).name == "hold_stdin.py"
    assert start[3:] == (
        "podman", "--runtime", "runc", "run", "--rm", "--interactive", "--pull=never", "--log-driver=none",
        "--security-opt=label=disable", "--entrypoint=/bin/sh", "--workdir=/home/u/project, here/pkg",
        "--label=cartwheel=/home/u/project, here",
        "--user=1000:1001",
        '--mount=type=bind,"source=/home/u/project, here","target=/home/u/project, here",readonly',
        "--mount=type=bind,source=/home/u/.rustup/toolchains/1.95.0,target=/home/u/.rustup/toolchains/1.95.0,readonly",
        '--mount=type=bind,"source=/home/u/project, here/.cartwheel/containers/home",'
        '"target=/home/u/project, here/.cartwheel/containers/home"',
        f'--mount=type=bind,"source={scratch}","target={scratch}"',
        "--env=LD_LIBRARY_PATH", "--env=SOURCE_DATE_EPOCH", "--env=TOKEN",
        "--env=CARGO_HOME=/home/u/.cargo", "--env=HOME=/home/u/project, here/.cartwheel/containers/home",
        "0123abcd",
    )  # fmt: skip
    assert "read -r _ <&3" in script
    path = f"{scratch}/env/bin:/home/u/.rustup/toolchains/1.95.0/bin:"
    assert end == ("cartwheel", path, "maturin", "build")
    assert "secret" not in " ".join(argv)


def test_in_place_a_command_is_itself() -> None:
    here = Container(root=Path("/p"), home=Path("/p/.cartwheel/containers/home"), shown="this image")
    assert here.argv(("maturin", "build"), {}, cwd=Path("/p")) == ("maturin", "build")


def test_interpreters_are_found_by_their_tags_and_an_abi3_wheel_takes_the_oldest_it_can() -> None:
    assert CONTAINER.interpreter("3.14t", "3.9") == "/opt/python/cp314-cp314t/bin/python"
    assert CONTAINER.interpreter("abi3", "3.9") == "/opt/python/cp39-cp39/bin/python"
    assert CONTAINER.interpreter("abi3", "3.10") == "/opt/python/cp312-cp312/bin/python"
    assert CONTAINER.interpreter("py3", "") == "/opt/python/cp39-cp39/bin/python"
    with pytest.raises(StepFailed, match=r"has no interpreter cp313-cp313, .* it has cp39-cp39, cp312-cp312, cp314-"):
        CONTAINER.interpreter("3.13", "3.9")


# ---- engines -----------------------------------------------------------------------------------------------------


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """An environment in which only such a program is on PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": str(folder), "HOME": str(folder)}


def refused(environ: dict[str, str], cwd: Path) -> str:
    with pytest.raises(StepFailed) as error:
        container_engines.find_engine(environ, cwd)
    return str(error.value)


def test_no_engine_and_one_that_does_not_answer_are_told_with_what_mends_them(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = {"PATH": str(tmp_path / "empty")}
    assert "neither podman nor docker is on PATH; install one (apt-get install podman)" in refused(nothing, tmp_path)
    assert "CARTWHEEL_ENGINE names 'nerdctl', which is not on PATH" in refused(
        {**nothing, "CARTWHEEL_ENGINE": "nerdctl"}, tmp_path
    )
    silent = program(tmp_path / "bin", "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    output = refused(silent, tmp_path)
    assert "docker is here and cannot run" in output
    assert "Cannot connect to the Docker daemon" in output
    assert "systemctl start docker" in output


@pytest.mark.parametrize("command", ['"', " ", "podman 'x", "''"])
def test_an_engine_that_is_no_command_is_refused(command: str, tmp_path: Path) -> None:
    output = refused({"PATH": str(tmp_path), "CARTWHEEL_ENGINE": command}, tmp_path)
    assert output == f"CARTWHEEL_ENGINE names '{command}', which is no command; correct it"


def test_an_engine_that_refuses_its_options_is_not_to_be_installed(tmp_path: Path) -> None:
    env = program(tmp_path / "bin", "podman", "echo 'Error: unknown flag: --ours' >&2; exit 125")
    output = refused({**env, "CARTWHEEL_ENGINE": "podman --ours"}, tmp_path)
    assert "podman is here and cannot run" in output
    assert "unknown flag: --ours" in output
    assert "correct its options in CARTWHEEL_ENGINE" in output
    assert "install" not in output


def test_an_engine_is_known_by_its_answer_and_runs_as_us_only_where_its_root_is_not_us(tmp_path: Path) -> None:
    alias = program(tmp_path / "a", "docker", """echo '{"host": {"arch": "amd64", "security": {"rootless": true}}}'""")
    assert container_engines.find_engine(alias, tmp_path) == container_engines.Engine(command=("docker",), user="")
    rootless = '{"Architecture": "aarch64", "SecurityOptions": ["name=seccomp", "name=rootless"]}'
    assert container_engines.find_engine(program(tmp_path / "b", "docker", f"echo '{rootless}'"), tmp_path).user == ""
    daemon = program(tmp_path / "c", "docker", """echo '{"Architecture": "x86_64", "SecurityOptions": []}'""")
    expected = "" if os.getuid() == 0 or sys.platform != "linux" else f"{os.getuid()}:{os.getgid()}"
    assert container_engines.find_engine(daemon, tmp_path).user == expected


def test_emulation_that_is_missing_switched_off_or_hidden_from_containers_is_told(tmp_path: Path) -> None:
    assert container_engines.emulation_problem("i686", "x86_64", tmp_path) == ""
    assert "qemu-aarch64 is not registered" in container_engines.emulation_problem("aarch64", "x86_64", tmp_path)
    (tmp_path / "qemu-aarch64").write_text("disabled\ninterpreter /usr/bin/qemu\nflags: POF\n")
    assert "is switched off" in container_engines.emulation_problem("aarch64", "x86_64", tmp_path)
    (tmp_path / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/qemu\nflags: PO\n")
    assert "without the flag F" in container_engines.emulation_problem("aarch64", "x86_64", tmp_path)
    (tmp_path / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/qemu\nflags: POF\n")
    assert container_engines.emulation_problem("aarch64", "x86_64", tmp_path) == ""


# ---- what a user sees --------------------------------------------------------------------------------------------


def test_an_image_implies_the_toolchain_and_what_it_cannot_be_for_is_refused_when_it_is_read(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "registry.example/{thing}"')
    assert "pebble/pyproject.toml [tool.cartwheel] image: '{thing}' is not known" in project.refused("list")
    project.edit("pebble/pyproject.toml", "{thing}", "{arch}")
    assert "pebble/pyproject.toml [tool.cartwheel]" not in project.doit("list")


def test_without_an_engine_the_build_and_the_doctor_say_what_to_install(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "registry.example/x"')
    env = {"CARTWHEEL_ENGINE": "no-such-engine"}
    output = project.refused(f"build:{TRIPLE}", env=env, but="version-sync")
    assert "a container engine is missing" in output
    assert "CARTWHEEL_ENGINE names 'no-such-engine'" in output
    assert "container engine" in project.doit("doctor", env=env, code=1)


def test_an_image_is_for_linux_and_a_container_for_another_system_is_refused(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", f'targets = ["{TRIPLE}"]', 'targets = ["aarch64-apple-darwin"]')
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "registry.example/x"')
    project.edit("pebble/pyproject.toml", f'floor = "{FLOOR}"', "")
    project.doit("list")
    project.edit("pebble/pyproject.toml", 'image = "registry.example/x"', 'toolchain = "container"')
    assert "wheels for aarch64-apple-darwin are not made in a container" in project.refused("list")


@pytest.mark.skipif(not FLOOR or not shutil.which("cargo"), reason="needs cargo, on a machine with glibc")
@pytest.mark.parametrize("variable", ["AUDITWHEEL_PLAT", "CARTWHEEL_IN_IMAGE"])
def test_in_the_right_image_already_a_container_is_not_needed(tmp_path: Path, variable: str) -> None:
    project = with_crate(tmp_path / "project")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\ntoolchain = "container"')
    env = {"CARTWHEEL_ENGINE": "no-such-engine"}
    project.refused(f"build:{TRIPLE}", env=env | {variable: f"manylinux_2_99_{HOST.machine}"}, but="version-sync")
    project.doit(f"repair:{TRIPLE}", env=env | {variable: f"{FLOOR}_{HOST.machine}"})
    assert len(list((project.root / "dist" / "private").glob("pebble-*.whl"))) == 1
