"""What `doit adopt` takes over from the builds of workflows: flags, variables, scripts, platforms."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cartwheel.adoption.build_scripts import before_build
from cartwheel.adoption.build_settings import compiler_flags
from cartwheel.adoption.cibuildwheel_options import Options
from cartwheel.adoption.publishers import publishers, starts_on_tag
from cartwheel.adoption.release_keys import GitFacts, release_table
from cartwheel.adoption.workflows import JobRun, JobStep, Workflow
from cartwheel.commands.adopt import adopt, write
from cartwheel.model.errors import ConfigError
from cartwheel.pipeline import read_project
from support.adoptions import PACKAGE, PYO3, adopted
from support.repositories import git, repository


def workflow(*jobs: str, env: str = "") -> str:
    """A workflow of jobs, each `runner | inputs of maturin-action`."""
    text = f"on: {{ push: {{ tags: ['v*'] }} }}\n{env}jobs:\n"
    for number, job in enumerate(jobs):
        runner, _, inputs = job.partition(" | ")
        text += f"  job{number}:\n    runs-on: {runner}\n    steps:\n      - uses: PyO3/maturin-action@v1\n"
        text += f"        with: {{ {inputs} }}\n"
    return text


LINUX, MUSL = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
EVERYWHERE = ("ubuntu-latest | target: x86_64", "macos-latest | target: aarch64", "windows-latest | target: x64")


def test_flags_of_all_builds_stand_in_the_table_and_levels_of_lints_are_left_out(tmp_path: Path) -> None:
    text = workflow(*EVERYWHERE, env="env: { RUSTFLAGS: '-D warnings -C target-cpu=x86-64-v3 --cfg fast' }\n")
    _, table = adopted(tmp_path / "x", workflow=text)
    assert table["flags"] == ["-C target-cpu=x86-64-v3", "--cfg fast"]
    assert "overrides" not in table
    written = (tmp_path / "x" / "pyproject.toml").read_text()
    assert "# from .github/workflows/wheels.yml, job job0\nflags = " in written


def test_flags_of_one_build_are_an_override_of_its_target(tmp_path: Path) -> None:
    text = workflow(*EVERYWHERE).replace(
        "target: aarch64 }\n",
        "target: aarch64 }\n        env: { RUSTFLAGS: '-Ctarget-cpu=apple-m1', JEMALLOC_SYS_STATIC: 1 }\n",
    )
    _, table = adopted(tmp_path / "x", workflow=text)
    (row,) = table["overrides"]
    assert row == {
        "select": "aarch64-apple-darwin",
        "flags": ["-Ctarget-cpu=apple-m1"],
        "environment": {"JEMALLOC_SYS_STATIC": "1"},
    }


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("-D warnings", ()),
        ("-Dwarnings -C lto=thin", ("-C lto=thin",)),
        ("-C link-arg=-s -Clink-arg=-w", ("-C link-arg=-s", "-Clink-arg=-w")),
        ("--cap-lints warn -Z share-generics=y", ("-Z share-generics=y",)),
        ("--cfg=tokio_unstable -g", ("--cfg=tokio_unstable", "-g")),
        ("-L native=/opt/lib -l ssl", ("-L native=/opt/lib", "-l ssl")),
        ("", ()),
    ],
)
def test_an_option_of_rustc_is_kept_with_its_value(text: str, flags: tuple[str, ...]) -> None:
    assert compiler_flags(text) == flags


def test_variables_for_the_steps_of_a_workflow_are_not_taken_over(tmp_path: Path) -> None:
    env = "env: { CARGO_TERM_COLOR: always, PYO3_PYTHON: python3.11, CARGO_PROFILE_RELEASE_LTO: fat, CI: 1 }\n"
    _, table = adopted(tmp_path / "x", workflow=workflow(*EVERYWHERE, env=env))
    assert table["environment"] == {"CARGO_PROFILE_RELEASE_LTO": "fat"}


def test_the_oldest_macos_of_a_job_is_the_floor(tmp_path: Path) -> None:
    text = workflow(*EVERYWHERE, env="env: { MACOSX_DEPLOYMENT_TARGET: '12.0' }\n")
    _, table = adopted(tmp_path / "x", workflow=text)
    assert table["overrides"] == [{"select": "aarch64-apple-darwin", "floor": "12.0"}]


def test_a_command_of_the_project_before_the_build_is_written_as_before(tmp_path: Path) -> None:
    script = "before-script-linux: 'rustup component add rustfmt && make generate'"
    text = workflow(f"ubuntu-latest | target: x86_64, {script}", *EVERYWHERE[1:])
    _, table = adopted(tmp_path / "x", workflow=text)
    assert table["overrides"] == [{"select": LINUX, "before": [{"run": ["make", "generate"]}]}]


def test_packages_that_a_script_installs_in_the_container_make_an_image(tmp_path: Path) -> None:
    script = "before-script-linux: 'yum install -y openssl-devel perl-IPC-Cmd && protoc/fetch.sh'"
    text = workflow(
        f"ubuntu-latest | target: x86_64, manylinux: 2_28, {script}",
        "ubuntu-latest | target: x86_64, manylinux: musllinux_1_2, before-script-linux: apk add openssl-dev",
        *EVERYWHERE[1:],
    )
    adoption, table = adopted(tmp_path / "x", workflow=text)
    rows = {row["select"]: row for row in table["overrides"]}
    assert rows[MUSL]["image"] == "dockerfile:wheels-2.Dockerfile"
    one = {key: value for row in table["overrides"] if row["select"] == LINUX for key, value in row.items()}
    assert one["image"] == "dockerfile:wheels.Dockerfile"
    assert one["before"] == [{"run": ["protoc/fetch.sh"]}]
    assert (tmp_path / "x" / "wheels.Dockerfile").read_text() == (
        "ARG POLICY\nARG ARCH\nFROM quay.io/pypa/${POLICY}_${ARCH}\nRUN yum install -y openssl-devel perl-IPC-Cmd\n"
    )
    assert "apk add openssl-dev" in (tmp_path / "x" / "wheels-2.Dockerfile").read_text()
    assert any("Linux wheels are then built in a container" in note for note in adoption.notes)


def test_packages_that_are_installed_on_the_runner_itself_are_a_step_of_the_build_jobs(tmp_path: Path) -> None:
    script = "container: off, before-script-linux: sudo apt-get install -y libpcap-dev"
    _, table = adopted(tmp_path / "x", workflow=workflow(f"ubuntu-latest | target: x86_64, {script}", *EVERYWHERE[1:]))
    (step,) = table["ci"]["steps"]["before"]["build"]
    assert step["run"] == ['case "$(uname -s)" in Linux) $(command -v sudo) apt-get install -y libpcap-dev ;; esac']


def test_a_script_that_chooses_between_systems_is_kept_as_a_whole() -> None:
    script = "if command -v yum; then\n  yum install -y openssl-devel\nelse\n  apt-get install -y libssl-dev\nfi\n"
    assert before_build(script).image == tuple(line.strip() for line in script.splitlines())
    assert before_build("curl https://sh.rustup.rs -sSf | sh -s -- -y") == before_build("")
    assert before_build("for f in a b; do\n./gen $f\ndone").commands == (
        ("sh", "-ec", "for f in a b; do\n./gen $f\ndone"),
    )
    assert before_build("pip install -r req.txt\n# a comment\n./configure --static").commands == (
        ("./configure", "--static"),
    )  # fmt: skip


CIBUILDWHEEL = """
[tool.cibuildwheel]
build = "cp311-*"
skip = "*-musllinux_* *-win32"
before-all = "make -C {project} tables"
environment = { RUSTFLAGS = "-C target-cpu=x86-64-v2", PATH = "$HOME/.cargo/bin:$PATH" }
[tool.cibuildwheel.macos]
before-all = ["brew install protobuf", "make tables"]
environment = { MACOSX_DEPLOYMENT_TARGET = "13.0" }
"""


def cibuildwheel(*runners: str, env: str = "") -> str:
    rows = "".join(
        f"  job{n}:\n    runs-on: {runner}\n    steps:\n      - uses: pypa/cibuildwheel@v4.3.5\n{env}" for n, runner in
        enumerate(runners)
    )  # fmt: skip
    return f"on: {{ push: {{ tags: ['v*'] }} }}\njobs:\n{rows}"


def test_options_of_cibuildwheel_are_read_for_each_system(tmp_path: Path) -> None:
    text = cibuildwheel("ubuntu-latest", "macos-latest", "windows-latest")
    _, table = adopted(tmp_path / "x", workflow=text, **{"pyproject.toml": PACKAGE + CIBUILDWHEEL})
    keys = {row["select"]: row for row in table["overrides"]}
    assert table["ci"]["steps"]["before"]["build"][0]["run"] == [
        'case "$(uname -s)" in Darwin) brew install protobuf ;; esac'
    ]
    assert any(row.get("before") == [{"run": ["make", "tables"]}] for row in table["overrides"])
    assert any(row.get("before") == [{"run": ["make", "-C", ".", "tables"]}] for row in table["overrides"])
    assert any(row.get("floor") == "13.0" for row in table["overrides"])
    flagged = [select for select, row in keys.items() if row.get("flags") == ["-C target-cpu=x86-64-v2"]]
    assert flagged
    assert not any("darwin" in select for select in flagged), "the table of macOS replaces the general one"


@pytest.mark.parametrize(
    ("platform", "runner", "tags"),
    [
        ("ios", "macos-latest", ("ios_13_0_arm64_iphoneos", "ios_13_0_arm64_iphonesimulator")),
        ("android", "ubuntu-latest", ("android_24_x86_64",)),
        ("pyodide", "ubuntu-latest", ("pyemscripten_2025_0_wasm32", "pyemscripten_2026_0_wasm32")),
    ],
)
def test_platforms_that_are_cross_compiled_are_planned_as_cibuildwheel_builds_them(
    tmp_path: Path, platform: str, runner: str, tags: tuple[str, ...]
) -> None:
    crate = PYO3.replace(', features = ["abi3-py311"]', "")
    env = f"        env: {{ CIBW_PLATFORM: {platform} }}\n"
    adoption, table = adopted(tmp_path / "x", workflow=cibuildwheel(runner, env=env), **{"Cargo.toml": crate})
    tags_of_wheels = {
        Path(file).stem.rpartition("-")[2] for file in adoption.packages[0].planned if file.endswith(".whl")
    }
    assert tags_of_wheels == set(tags)
    assert "3.12" not in str(table.get("python"))


def test_the_targets_of_cargo_dist_count_for_a_program_that_nothing_else_builds(tmp_path: Path) -> None:
    program = {"Cargo.toml": '[package]\nname = "agate"\nversion = "1.0.0"\nedition = "2021"\n', "src/main.rs": ""}
    package = {"pyproject.toml": PACKAGE + '[tool.maturin]\nbindings = "bin"\n'}
    dist = '[workspace]\n[dist]\ntargets = ["x86_64-unknown-linux-musl", "aarch64-pc-windows-msvc"]\n'
    _, table = adopted(tmp_path / "x", **{**program, **package, "dist-workspace.toml": dist})
    assert table["targets"] == ["x86_64-unknown-linux-musl", "aarch64-pc-windows-msvc"]
    assert "# as dist-workspace.toml\ntargets" in (tmp_path / "x" / "pyproject.toml").read_text()
    old = '[workspace.metadata.dist]\ntargets = ["x86_64-apple-darwin"]\n'
    crate = {**program, "Cargo.toml": program["Cargo.toml"] + old}
    _, table = adopted(tmp_path / "y", **{**crate, **package})
    assert table["targets"] == ["x86_64-apple-darwin"]
    _, table = adopted(tmp_path / "z", **{"dist-workspace.toml": dist})
    assert "targets" not in table, "a module is no program of cargo-dist"


# setup.py alone -------------------------------------------------------------------------------------------------------

SETUP = """from setuptools import Extension, find_packages, setup

VERSION = "2.3"

setup(
    name="agate",
    version=VERSION,
    description="stones",
    long_description=open("README.md").read(),
    author="A. Stone",
    url="https://agate.example",
    python_requires=">=3.11",
    classifiers=["Programming Language :: Python :: 3.11", "Programming Language :: Python :: 3.12"],
    packages=find_packages(),
    ext_modules=[Extension("agate._core", ["agate/core.c"])],
    install_requires=["attrs"],
    extras_require={"fast": ["orjson"]},
    entry_points={"console_scripts": ["agate = agate:main"]},
)
"""
SOURCES = {"README.md": "# agate\n", "agate/__init__.py": "def main(): pass\n", "agate/core.c": ""}


def legacy(root: Path, **files: str) -> Path:
    """A repository without pyproject.toml."""
    repository(root)
    for path, text in {**SOURCES, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "everything")
    return root


def test_a_package_with_setup_py_alone_gets_both_tables_and_keeps_the_rest_there(tmp_path: Path) -> None:
    root = legacy(tmp_path / "x", **{"setup.py": SETUP})
    adoption = adopt(root, offline=True)
    assert [edit.path for edit in adoption.edits] == ["dodo.py", ".gitignore", "pyproject.toml"]
    write(adoption)
    document = tomllib.loads((root / "pyproject.toml").read_text())
    assert document["build-system"] == {"requires": ["setuptools>=77"], "build-backend": "setuptools.build_meta"}
    assert document["project"]["name"] == "agate"
    assert document["project"]["version"] == "2.3"
    assert document["project"]["requires-python"] == ">=3.11"
    assert document["project"]["dynamic"] == [
        "authors", "dependencies", "description", "optional-dependencies", "readme", "scripts", "urls",
    ]  # fmt: skip
    (package,) = read_project(root, {}).packages
    assert {wheel.python for wheel in package.wheels} == {"3.11", "3.12"}
    assert adopt(root, offline=True).edits == ()


CFG = """[metadata]
name = agate
version = attr: agate.__version__
[options]
python_requires = >=3.11
install_requires =
    attrs
[options.entry_points]
console_scripts =
    agate = agate:main
"""


def test_setup_cfg_is_read_with_a_version_that_a_module_holds(tmp_path: Path) -> None:
    files = {"setup.py": "from setuptools import setup\nsetup()\n", "setup.cfg": CFG}
    root = legacy(tmp_path / "x", **files, **{"agate/__init__.py": '__version__ = "0.4.1"\n'})
    write(adopt(root, offline=True))
    document = tomllib.loads((root / "pyproject.toml").read_text())
    assert document["project"]["version"] == "0.4.1"
    assert document["project"]["dynamic"] == ["dependencies", "scripts"]


@pytest.mark.parametrize(
    ("module", "version"),
    [
        ("__version_info__ = ('1', '17', '3')\n__version__ = '.'.join(__version_info__)\n", "1.17.3"),
        ("VERSION = (2, 0, 1)\n__version__ = '.'.join(map(str, VERSION))\n", "2.0.1"),
        ("__version__: str = '3.1'\n", "3.1"),
        ("__version__ = version = '4.2'\n", "4.2"),
        ("__version__ = (5, 1)\n", "5.1"),
        ("import os\n__version__ = '.'.join(os.environ)\n", ""),
        ("__version__ = f'{6}.1'\n", ""),
        ("__version__ = '6.1' + SUFFIX\n", ""),
    ],
)
def test_a_version_that_a_module_puts_together_is_that_version_or_unknown(
    tmp_path: Path, module: str, version: str
) -> None:
    files = {"setup.py": "from setuptools import setup\nsetup()\n", "setup.cfg": CFG}
    root = legacy(tmp_path / "x", **files, **{"agate/__init__.py": module})
    if not version:
        with pytest.raises(ConfigError, match="computes version"):
            adopt(root, offline=True)
        return
    write(adopt(root, offline=True))
    assert tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"] == version


def test_a_version_from_git_stays_there(tmp_path: Path) -> None:
    script = (
        'from setuptools import setup\nsetup(name="agate", use_scm_version=True, setup_requires=["setuptools_scm"])\n'
    )
    root = legacy(tmp_path / "x", **{"setup.py": script})
    write(adopt(root, offline=True))
    document = tomllib.loads((root / "pyproject.toml").read_text())
    assert document["project"]["dynamic"] == ["version"]
    assert document["tool"]["cartwheel"]["version"] == "scm"
    assert document["build-system"]["requires"] == ["setuptools>=77", "setuptools_scm"]


@pytest.mark.parametrize(
    ("version", "source"),
    [("1.0.0", None), ("1.0", "pyproject.toml"), ("4.8.4", "pyproject.toml alone")],
)
def test_a_crate_with_another_version_than_the_package_keeps_it(
    tmp_path: Path, version: str, source: str | None
) -> None:
    package = PACKAGE.replace('dynamic = ["version"]', f'version = "{version}"')
    _, table = adopted(tmp_path / "x", **{"pyproject.toml": package})
    assert table.get("version-from") == source


def test_a_setup_py_that_computes_its_version_says_what_to_write(tmp_path: Path) -> None:
    script = 'from setuptools import setup\nimport os\nsetup(name="agate", version=os.environ["V"])\n'
    root = legacy(tmp_path / "x", **{"setup.py": script})
    with pytest.raises(
        ConfigError, match=r"setup\.py computes version; write \[project\] name and version in pyproject"
    ):
        adopt(root, offline=True)


@pytest.mark.lab
def test_the_metadata_of_a_setup_py_is_the_same_with_the_tables(tmp_path: Path) -> None:
    root = legacy(tmp_path / "x", **{"setup.py": SETUP})
    before = metadata(root, tmp_path / "before")
    write(adopt(root, offline=True))
    assert metadata(root, tmp_path / "after") == before


def metadata(root: Path, out: Path) -> list[str]:
    """The lines of the metadata that setuptools makes, and its entry points."""
    out.mkdir()
    code = f"from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p({str(out)!r})"
    argv = ("-m", "uv", "run", "--no-project", "--with", "setuptools>=80", "python", "-c", code)
    done = subprocess.run([sys.executable, *argv], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "defined outside of" not in done.stderr
    lines = [line for name in ("METADATA", "entry_points.txt") for path in out.rglob(name)
             for line in path.read_text().splitlines()]  # fmt: skip
    return sorted(line for line in lines if not line.startswith("Dynamic: "))


# Steps before a build -------------------------------------------------------------------------------------------------


def job(runner: str, *steps: str, container: str = "") -> str:
    """A workflow of one job; a step is a command, or begins with `uses `."""
    rows = "".join(
        f"      - uses: {step.removeprefix('uses ')}\n" if step.startswith("uses ")
        else "      - run: |\n" + "".join(f"          {line}\n" for line in step.splitlines())
        for step in steps
    )  # fmt: skip
    image = f"    container: {container}\n" if container else ""
    return f"on: {{ push: {{ tags: ['v*'] }} }}\njobs:\n  wheels:\n    runs-on: {runner}\n{image}    steps:\n{rows}"


BUILD = "pip install maturin\nmaturin build --release"
SUDO = "$(command -v sudo)"


def build_steps(table: dict[str, Any]) -> list[str]:
    steps = table.get("ci", {}).get("steps", {}).get("before", {}).get("build", [])
    return [line for step in steps for line in step["run"]]


@pytest.mark.parametrize(
    ("runner", "script", "lines"),
    [
        (
            "ubuntu-latest",
            "sudo apt-get update && sudo apt-get install -y libpcap-dev \\\n  protobuf-compiler",
            [
                f'case "$(uname -s)" in Linux) {SUDO} apt-get update ;; esac',
                f'case "$(uname -s)" in Linux) {SUDO} apt-get install -y libpcap-dev protobuf-compiler ;; esac',
            ],
        ),
        ("macos-latest", "brew install protobuf", ['case "$(uname -s)" in Darwin) brew install protobuf ;; esac']),
        ("windows-latest", "choco install nasm -y", ['case "$(uname -s)" in MINGW*) choco install nasm -y ;; esac']),
        (
            "ubuntu-latest",
            "if ! command -v protoc; then\n  sudo apt install -y protobuf-compiler\nfi",
            [
                'case "$(uname -s)" in Linux)\n  if ! command -v protoc; then\n'
                f"  {SUDO} apt install -y protobuf-compiler\n  fi\n;; esac"
            ],
        ),
        ("ubuntu-latest", "sudo apt-get update\nsudo apt-get install -y gcc-aarch64-linux-gnu python3-dev", []),
        ("ubuntu-latest", "sudo apt-get update", []),
    ],
)
def test_packages_that_an_earlier_step_installs_are_a_step_of_the_build_jobs(
    tmp_path: Path, runner: str, script: str, lines: list[str]
) -> None:
    adoption, table = adopted(tmp_path / "x", workflow=job(runner, script, BUILD))
    assert build_steps(table) == lines
    assert not any("before the build there, and not taken over" in note for note in adoption.notes)


def test_packages_of_the_runner_do_not_reach_a_build_in_a_container(tmp_path: Path) -> None:
    text = job("ubuntu-latest", "sudo apt-get install -y libpcap-dev", "npm ci", "uses PyO3/maturin-action@v1")
    adoption, table = adopted(tmp_path / "x", workflow=text)
    assert build_steps(table) == []
    assert "overrides" not in table
    assert any("not taken over: 'npm ci'; if the wheels need it" in note for note in adoption.notes)


def test_packages_of_a_jobs_manylinux_container_make_an_image(tmp_path: Path) -> None:
    text = job("ubuntu-latest", "yum install -y openssl-devel", BUILD, container="quay.io/pypa/manylinux2014_x86_64")
    _, table = adopted(tmp_path / "x", workflow=text)
    assert table["overrides"] == [{"select": LINUX, "image": "dockerfile:wheels.Dockerfile"}]
    assert "RUN yum install -y openssl-devel\n" in (tmp_path / "x" / "wheels.Dockerfile").read_text()


def test_what_comes_before_a_build_and_is_not_taken_over_is_named(tmp_path: Path) -> None:
    text = job(
        "ubuntu-latest",
        "uses actions/checkout@v6",
        "uses actions/setup-node@v6",
        "git config --global --add safe.directory .\npython -m pip install -U pip\nmkdir -p dist",
        "npm ci && npm run build",
        'echo "RUSTC=$(which rustc)" >> "$GITHUB_ENV"\ncurl https://sh.rustup.rs -sSf | sh -s -- -y',
        "dnf install -y clang",
        BUILD,
        "apt-get install -y later",
        container="fedora:44",
    )
    adoption, table = adopted(tmp_path / "x", workflow=text)
    assert build_steps(table) == []
    (note,) = (note for note in adoption.notes if "before the build there, and not taken over" in note)
    assert note.startswith(
        ".github/workflows/wheels.yml, job wheels: before the build there, and not taken over: 'actions/setup-node', "
        "'npm ci', 'npm run build', 'dnf install -y clang'; if"
    )


def test_packages_that_a_container_installs_before_a_build_in_it_make_an_image(tmp_path: Path) -> None:
    inner = "cd /io && yum install -y openssl-devel && /opt/python/cp311-cp311/bin/pip install maturin && maturin build"
    run = f"docker run --rm -v $(pwd):/io quay.io/pypa/manylinux_2_28_x86_64 bash -c '{inner} --release'"
    _, table = adopted(tmp_path / "x", workflow=job("ubuntu-latest", "sudo apt-get install -y jq", run))
    assert {"select": LINUX, "floor": "manylinux_2_28", "image": "dockerfile:wheels.Dockerfile"} in table["overrides"]
    assert "RUN yum install -y openssl-devel\n" in (tmp_path / "x" / "wheels.Dockerfile").read_text()
    assert build_steps(table) == []


def test_options_of_cibuildwheel_in_a_file_of_their_own_are_read(tmp_path: Path) -> None:
    text = cibuildwheel("ubuntu-latest", env="        with: { config-file: '{package}/ci/wheels.toml' }\n")
    options = '[tool.cibuildwheel]\nbuild = "cp311-manylinux*"\nenvironment = { RUSTFLAGS = "-C lto=thin" }\n'
    _, table = adopted(tmp_path / "x", workflow=text, **{"ci/wheels.toml": options})
    assert (table["targets"], table["flags"]) == ([LINUX], ["-C lto=thin"])


def test_packages_in_the_script_of_a_gitlab_job_are_found(tmp_path: Path) -> None:
    text = (
        "wheels:\n  image: python:3.13\n  before_script: [apt-get update, apt-get install -y cmake]\n"
        "  script: [pip install maturin, maturin build --release, apt-get install -y later]\n"
    )
    _, table = adopted(tmp_path / "x", **{".gitlab-ci.yml": text})
    assert build_steps(table) == [
        f'case "$(uname -s)" in Linux) {SUDO} apt-get update ;; esac',
        f'case "$(uname -s)" in Linux) {SUDO} apt-get install -y cmake ;; esac',
    ]


# Overrides of cibuildwheel --------------------------------------------------------------------------------------------

CRATE_WITHOUT_ABI3 = PYO3.replace(', features = ["abi3-py311"]', "")
OVERRIDES = """
[tool.cibuildwheel]
build = ["cp312-*", "cp313-*"]
skip = "*-win32"
test-skip = "*-musllinux_*"
test-command = "pytest {package}"
environment = { RUSTFLAGS = "-C lto=fat", JEMALLOC_SYS_STATIC = "1" }

[[tool.cibuildwheel.overrides]]
select = "*-musllinux*"
environment = { RUSTFLAGS = "-C target-feature=-crt-static" }

[[tool.cibuildwheel.overrides]]
select = "*-musllinux*"
inherit.environment = "append"
environment = { OPENSSL_STATIC = "1" }

[[tool.cibuildwheel.overrides]]
select = "cp313-manylinux*"
manylinux-x86_64-image = "manylinux2014"

[[tool.cibuildwheel.overrides]]
select = ["cp313-{macosx,win}*"]
environment = { RUSTFLAGS = "-C lto=thin" }
test-command = ""
"""


def test_overrides_of_cibuildwheel_are_those_of_the_table(tmp_path: Path) -> None:
    files = {"pyproject.toml": PACKAGE + OVERRIDES, "Cargo.toml": CRATE_WITHOUT_ABI3}
    text = cibuildwheel("ubuntu-latest", "macos-latest", "windows-latest")
    adoption, table = adopted(tmp_path / "x", workflow=text, **files)
    rows = {str(row["select"]): row for row in table["overrides"]}
    assert rows[MUSL]["flags"] == ["-C target-feature=-crt-static"]
    assert rows[MUSL]["environment"] == {"OPENSSL_STATIC": "1"}
    for triple in ("aarch64-apple-darwin", "x86_64-pc-windows-msvc"):
        row = rows[str({"target": triple, "python": "3.13"})]
        assert (row["flags"], row["environment"]) == (["-C lto=thin"], {})
    files_of_linux = [file for file in adoption.packages[0].planned if "manylinux" in file]
    assert [re.sub(r"agate-[^-]*-(cp\d+)-.*linux_2_(\d+)_x86.*", r"\1 \2", file) for file in files_of_linux] == [
        "cp312 28", "cp313 17",
    ]  # fmt: skip
    assert rows[MUSL]["test"] == {"skip": "skipped by cibuildwheel's test-skip"}
    for triple in ("aarch64-apple-darwin", "x86_64-pc-windows-msvc"):
        row = rows[str({"target": triple, "python": "3.13"})]
        assert row["test"] == {"skip": "cibuildwheel has no test command for it"}
    assert table["test"] == {"command": ["pytest", "{package}"]}
    assert not [note for note in adoption.notes if "not taken over" in note]


@pytest.mark.parametrize(
    ("below", "value", "rule", "value_then"),
    [
        ({"A": "1"}, {"B": "2"}, "append", {"A": "1", "B": "2"}),
        ({"A": "1"}, {"A": "2"}, "append", {"A": "2"}),
        ({"A": "1"}, {"A": "2"}, "prepend", {"A": "1"}),
        ({"A": "1"}, {"B": "2"}, "none", {"B": "2"}),
        ({"A": "1"}, "B=2", "append", {"A": "1", "B": "2"}),
        ("A=1 C=3", {"B": "2"}, "append", {"A": "1", "B": "2", "C": "3"}),
    ],
)
def test_an_override_of_cibuildwheel_replaces_or_extends(below: Any, value: Any, rule: str, value_then: Any) -> None:
    row = {"select": "cp313-*", "inherit": {"environment": rule}, "environment": value}
    table = {"tool": {"cibuildwheel": {"environment": below, "overrides": [row]}}}
    options = Options(JobStep(), "linux", table)
    assert options.of_wheel("cp313-manylinux_x86_64").environment() == value_then
    assert options.of_wheel("cp312-manylinux_x86_64").environment() == Options(JobStep(), "linux", table).environment()


@pytest.mark.parametrize(
    ("steps", "index"),
    [
        ((JobStep(run="cargo publish", env={"CARGO_REGISTRY_TOKEN": "x"}),), {"crates-io": {"auth": "token"}}),
        ((JobStep(uses="rust-lang/crates-io-auth-action"), JobStep(run="cargo publish")), None),
    ],
)
def test_crates_that_a_workflow_publishes_by_a_token_keep_it(steps: tuple[JobStep, ...], index: object) -> None:
    job = JobRun(workflow="release.yml", job="crates", permissions={"id-token": "write"}, steps=steps, events=("push",))
    triggers = {"push": {"tags": ["v*"]}}
    tagged = Workflow(path="release.yml", name="release", forge="github", triggers=triggers, jobs=(job,))
    table, _ = release_table(publishers([tagged]), GitFacts(), crates=True)
    assert (table["publish"], table.get("index")) == (["crates-io"], index)


BUILT = "on: { release: { types: [published] } }\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n"
BUILT += "      - uses: PyO3/maturin-action@v1\n  send:\n    runs-on: ubuntu-latest\n    steps:\n      - {step}\n"


def sent(script: str = "", addresses: dict[str, str] | None = None, **step: Any) -> list[str]:
    """The indexes that the upload of one step goes to."""
    job = JobRun(workflow="x.yml", job="send", steps=(JobStep(run=script, **step),), events=("push",))
    flow = Workflow(path="x.yml", name="x", forge="github", triggers={"push": {"tags": ["v*"]}}, jobs=(job,))
    return [row.index for row in publishers([flow], addresses)]


@pytest.mark.parametrize(
    ("step", "index"),
    [
        ("run: twine upload -r artifactory dist/*", "artifactory"),
        ("run: twine upload --config-file ci/pypirc -r corp dist/*", "corp"),
        ("run: uv publish --index internal", "internal"),
        ('{ run: twine upload dist/*, env: { TWINE_REPOSITORY_URL: "${{ secrets.URL }}" } }', "known only at run time"),
        ('{ run: uv publish, env: { UV_PUBLISH_URL: "${{ vars.BASE }}/legacy/" } }', "/legacy/"),
        ('run: twine upload --repository-url "${{ secrets.URL }}" dist/*', "known only at run time"),
        (
            '{ uses: pypa/gh-action-pypi-publish@v1, with: { repository-url: "${{ vars.URL }}", password: x } }',
            "known only at run time",
        ),
    ],
)
def test_a_package_of_an_index_without_a_known_address_is_not_published_to_pypi(
    tmp_path: Path, step: str, index: str
) -> None:
    adoption, table = adopted(tmp_path / "x", workflow=BUILT.replace("{step}", step))
    assert (table["publish"], table.get("index"), table["ci"]) == ([], None, {"trigger": "release"})
    (note,) = [note for note in adoption.notes if "publishes to" in note]
    assert note.startswith(".github/workflows/wheels.yml:10: job 'send' publishes to ")
    assert index in note
    assert "[tool.cartwheel.index." in note


def test_the_registry_of_a_gitlab_project_is_not_pypi(tmp_path: Path) -> None:
    text = "send:\n  rules: [{ if: $CI_COMMIT_TAG }]\n  script:\n    - TWINE_PASSWORD=$CI_JOB_TOKEN twine upload "
    text += "--repository-url ${CI_API_V4_URL}/projects/${CI_PROJECT_ID}/packages/pypi dist/*\n"
    adoption, table = adopted(tmp_path / "x", **{".gitlab-ci.yml": text})
    assert table["publish"] == []
    assert any(note.startswith(".gitlab-ci.yml:4: job 'send' publishes to ${CI_API_V4_URL}") for note in adoption.notes)


def test_no_package_of_a_workspace_is_published_to_pypi_instead_of_an_unknown_index(tmp_path: Path) -> None:
    step = "run: twine upload -r corp dist/*"
    files = {
        f"{folder}/{name}": text.replace("agate", folder)
        for folder in ("one", "two")
        for name, text in (("Cargo.toml", PYO3), ("pyproject.toml", PACKAGE), ("src/lib.rs", ""))
    }
    text = BUILT.replace("{step}", step)
    adopted(tmp_path / "x", workflow=text, **files)
    project = read_project(tmp_path / "x", {})
    assert [package.publish for package in project.packages] == [(), (), ()]


@pytest.mark.parametrize(
    ("script", "env", "indexes"),
    [
        ("twine upload dist/*", {}, ["pypi"]),
        ("twine upload -r pypi dist/*", {}, ["pypi"]),
        ("twine upload --repository=testpypi dist/*", {}, ["testpypi"]),
        ("twine upload --repository testpypi dist/* && twine upload dist/*", {}, ["testpypi", "pypi"]),
        ("twine upload dist/*", {"TWINE_REPOSITORY": "corp"}, ["corp"]),
        ("twine upload -r pypi dist/*", {"TWINE_REPOSITORY": "corp"}, ["pypi"]),
        ("export TWINE_REPOSITORY=corp\ntwine upload dist/*", {}, ["corp"]),
        ("twine upload -r $WHERE dist/*", {"WHERE": "testpypi"}, ["testpypi"]),
        ("twine upload -r $WHERE dist/*", {}, ["$WHERE"]),
        ("uv publish", {"UV_PUBLISH_INDEX": "corp"}, ["corp"]),
        ("uv publish --index named", {}, ["named"]),
        ("uv publish --index real", {}, ["pypi"]),
        ("maturin upload", {"MATURIN_REPOSITORY": "testpypi"}, ["testpypi"]),
        ("twine upload --repository-url https://pypi.corp.example/legacy/ dist/*", {},
         ["https://pypi.corp.example/legacy/"]),
        ("poetry publish -r corp", {}, ["corp"]),
        ("poetry config repositories.corp https://pkgs.example/up\npoetry publish -r corp", {}, ["https://pkgs.example/up"]),
        ("pdm publish", {}, ["pypi"]),
        ("pdm publish --repository corp", {}, ["corp"]),
        ("rye publish --yes", {}, ["pypi"]),
        ("hatch publish -r test", {}, ["testpypi"]),
        ("hatch publish", {"HATCH_INDEX_REPO": "https://pkgs.example/up"}, ["https://pkgs.example/up"]),
        ("flit publish --repository corp", {}, ["corp"]),
        ('echo "now run twine upload dist/*"\nprintf "x && uv publish"  # hatch publish', {}, []),
        ("twine upload -r github dist/*", {}, ["index github"]),
    ],
)  # fmt: skip
def test_the_index_of_an_upload_is_the_one_that_its_options_and_variables_name(
    script: str, env: dict[str, str], indexes: list[str]
) -> None:
    urls = {"named": "https://pkgs.example/up", "real": "https://upload.pypi." + "org/legacy/"}
    assert sent(script, urls, env=env) == indexes


def test_the_upload_address_of_an_index_of_uv_is_taken_over(tmp_path: Path) -> None:
    index = '[[tool.uv.index]]\nname = "corp"\nurl = "https://pkgs.example/simple"\n'
    index += 'publish-url = "https://pkgs.example/up"\n'
    text = BUILT.replace("{step}", "run: uv publish --index corp")
    adoption, table = adopted(tmp_path / "x", workflow=text, **{"pyproject.toml": PACKAGE + index})
    assert (table["publish"], table["index"]) == (["corp"], {"corp": {"url": "https://pkgs.example/up"}})
    assert not [note for note in adoption.notes if "publishes to" in note]


@pytest.mark.parametrize(
    ("patterns", "tag", "taken"),
    [
        (["v?[0-9]+.[0-9]+.[0-9]+"], "{version}", True),
        (["v?[0-9]+.[0-9]+.[0-9]+"], "v{version}", True),
        (["v?.*"], "xv{version}", False),
        (["v*", "!v1*"], "v{version}", False),
        (["*"], "core/v{version}", False),
        (["**"], "core/v{version}", True),
    ],
)
def test_patterns_of_tags_match_as_github_reads_them(patterns: list[str], tag: str, taken: bool) -> None:
    flow = Workflow(path="x.yml", name="x", forge="github", triggers={"push": {"tags": patterns}}, jobs=())
    assert starts_on_tag(flow, tag) is taken


@pytest.mark.parametrize("local", ["ci/send.yml", "/ci/*.yml", ".ci/send.yml"])
def test_a_file_that_a_gitlab_pipeline_includes_is_read_wherever_it_is(tmp_path: Path, local: str) -> None:
    place = local.strip("/").replace("*", "send")
    files = {
        ".gitlab-ci.yml": f"include:\n  - local: {local}\n  - local: ci/none.yml\n",
        place: "send:\n  rules: [{ if: $CI_COMMIT_TAG }]\n  script: [twine upload -r testpypi dist/*]\n",
    }
    adoption, table = adopted(tmp_path / "x", **files)
    assert table["publish"] == ["testpypi"]
    assert [note for note in adoption.notes if "includes" in note] == [
        ".gitlab-ci.yml: includes {'local': 'ci/none.yml'}, which is not read from this repository"
    ]
