"""A build or a test sees no credential of a publisher or an index; each tool gets its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cartwheel.process import environment
from cartwheel.testing.installers import installer_variables
from cartwheel.toolchain.sccache import user_wrapper_environment
from support.projects import committed, with_crate

SECRETS = {
    "UV_PUBLISH_TOKEN": "hunter2",
    "UV_PUBLISH_PASSWORD": "hunter2",
    "UV_INDEX_PRIVATE_USERNAME": "hunter2",
    "UV_INDEX_PRIVATE_PASSWORD": "hunter2",
    "UV_EXTRA_INDEX_URL": "https://me:hunter2@index.example/simple",
    "UV_INDEX": "private=https://hunter2@index.example/simple",
    "PIP_INDEX_URL": "https://me:hunter2@index.example/simple",
    "PIP_EXTRA_INDEX_URL": "https://hunter2@index.example/simple",
    "DOCKER_AUTH_CONFIG": '{"auths": {"x": {"auth": "hunter2"}}}',
    "SCCACHE_WEBDAV_TOKEN": "hunter2",
    "SCCACHE_WEBDAV_PASSWORD": "hunter2",
    "SCCACHE_REDIS": "redis://:hunter2@cache.example",
    "SCCACHE_AZURE_CONNECTION_STRING": "AccountKey=hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "ACTIONS_RUNTIME_TOKEN": "hunter2",
    "TWINE_USERNAME": "hunter2",
    "TWINE_PASSWORD": "hunter2",
    "CARGO_REGISTRY_TOKEN": "hunter2",
    "CARGO_REGISTRIES_PRIVATE_TOKEN": "hunter2",
    "FLIT_PASSWORD": "hunter2",
    "HATCH_INDEX_AUTH": "hunter2",
    "MATURIN_PYPI_TOKEN": "hunter2",
    "POETRY_PYPI_TOKEN_PYPI": "hunter2",
    "GITHUB_TOKEN": "hunter2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "hunter2",
    "CI_JOB_TOKEN": "hunter2",
    "PYPI_ID_TOKEN": "hunter2",
    "NETRC": "hunter2",
    "GIT_ASKPASS": "hunter2",
    "SSH_AUTH_SOCK": "hunter2",
    "GIT_CONFIG_VALUE_0": "AUTHORIZATION: basic hunter2",
    "PDM_PUBLISH_PASSWORD": "hunter2",
    "CC_TEST_REPORTER_ID": "hunter2",
    "CMAKE_CLOUD_TOKEN": "hunter2",
    "CARGO_TARGET_STORE_SECRET_KEY": "hunter2",
    "PYO3_BUCKET_PASSWORD": "hunter2",
    "CARTWHEEL_INDEX_SHELF_TOKEN": "hunter2",
}
"""Credentials of publishers, indexes, engines and caches."""

PLAIN = {
    "UV_CACHE_DIR": "/cache",
    "UV_INDEX_URL": "https://index.example/simple",
    "PIP_CERT": "/etc/ssl/ca.pem",
    "SCCACHE_DIR": "/sccache",
    "DOCKER_HOST": "unix:///run/docker.sock",
}


def test_a_tool_sees_none_of_them() -> None:
    variables = environment.tool_environment({**SECRETS, **PLAIN, "PATH": "/bin", "RUSTFLAGS": "-C x"})
    assert variables == {"PATH": "/bin", "RUSTFLAGS": "-C x"}


def test_what_the_project_declares_is_passed_whatever_it_is() -> None:
    for name in ("UV_INDEX_X_PASSWORD", "CMAKE_X_TOKEN"):
        assert environment.tool_environment({name: "x"}, (f"{name[:8]}*",)) == {name: "x"}


@pytest.mark.parametrize(
    ("tool", "own"),
    [
        ("uv", {"UV_INDEX_PRIVATE_USERNAME", "UV_INDEX_PRIVATE_PASSWORD", "UV_EXTRA_INDEX_URL", "UV_INDEX"}),
        ("pip", {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"}),
        ("engine", {"DOCKER_AUTH_CONFIG"}),
    ],
)
def test_each_tool_gets_its_own_credentials_and_nobody_elses(tool: str, own: set[str]) -> None:
    every = environment.family({**SECRETS, **PLAIN}, tool)
    assert {name for name, value in every.items() if "hunter2" in value} == own
    without = environment.family({**SECRETS, **PLAIN}, tool, credentials=False)
    assert every.keys() - own == without.keys()
    assert without


def test_a_cache_gets_the_credentials_of_its_store() -> None:
    own = environment.family({**SECRETS, **PLAIN}, "sccache")
    assert {"SCCACHE_WEBDAV_TOKEN", "SCCACHE_REDIS", "AWS_SECRET_ACCESS_KEY", "ACTIONS_RUNTIME_TOKEN"} <= own.keys()
    assert environment.family({**SECRETS, **PLAIN}, "sccache", credentials=False) == {"SCCACHE_DIR": "/sccache"}


@pytest.mark.parametrize(
    ("variable", "wrapper", "shared"),
    [
        ("RUSTC_WRAPPER", "sccache", {"SCCACHE_DIR": "/sccache"}),
        ("CARGO_BUILD_RUSTC_WRAPPER", "sccache", {"SCCACHE_DIR": "/sccache"}),
        ("RUSTC_WRAPPER", "mine", {}),
        ("OTHER", "sccache", {}),
    ],
)
def test_a_wrapper_of_the_user_gets_the_settings_of_sccache_if_it_is_sccache(
    tmp_path: Path, variable: str, wrapper: str, shared: dict[str, str]
) -> None:
    for name in ("sccache", "mine"):
        program = tmp_path / (f"{name}.bat" if os.name == "nt" else name)
        program.write_text("@exit /b 0\n" if os.name == "nt" else "#!/bin/sh\n")
        program.chmod(0o755)
    work: Any = SimpleNamespace(root=tmp_path, snapshot=SimpleNamespace(environ=PLAIN), announce=print)
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    env = {name: value for name, value in env.items() if "WRAPPER" not in name} | {variable: wrapper}
    assert user_wrapper_environment(env, work) == shared


@pytest.mark.parametrize(
    ("name", "value", "credential"),
    [
        ("PIP_INDEX_URL", "https://index.example/@scope/simple", False),
        ("PIP_INDEX_URL", "https://token@index.example/simple", True),
        ("UV_KEYRING_PROVIDER", "subprocess", False),
        ("UV_PYTHON_INSTALL_DIR", "/python", False),
        ("PIP_FIND_LINKS", "https://a.example https://u:p@b.example", True),
        ("SCCACHE_GCS_KEY_PATH", "/key.json", True),
        ("DOCKER_TLS_VERIFY", "1", False),
    ],
)
def test_a_credential_is_known_by_its_name_or_as_a_url_with_a_user(name: str, value: str, credential: bool) -> None:
    assert environment.is_credential(name, value) == credential


def installed_by(environ: Mapping[str, str], tmp_path: Path) -> tuple[dict[str, str], str]:
    """The arguments of a test environment's installer, and uv's settings."""
    project = tmp_path / "project"
    project.mkdir(exist_ok=True)
    variables = installer_variables({"HOME": str(tmp_path), **environ}, project, tmp_path / "scratch")
    return variables, Path(variables["UV_CONFIG_FILE"]).read_text()


def test_the_installer_of_tests_takes_where_packages_come_from_and_not_which(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/pyproject.toml").write_text(
        '[tool.uv]\nexclude-newer = "2020-01-01"\nconstraint-dependencies = ["pytest<1"]\n'
        '[[tool.uv.index]]\nname = "own"\nurl = "https://own.example/simple"\n'
        '[[tool.uv.index]]\nname = "torch"\nurl = "https://torch.example"\nexplicit = true\n'
    )
    (tmp_path / ".config/uv").mkdir(parents=True)
    (tmp_path / ".config/uv/uv.toml").write_text('index-url = "https://mirror.example/simple"\nfind-links = ["kept"]\n')
    variables = {"UV_CONSTRAINT": "c.txt", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_INDEX_OWN_PASSWORD": "hunter2"}
    installer, settings = installed_by(variables, tmp_path)
    assert "UV_CONSTRAINT" not in installer
    assert "UV_EXCLUDE_NEWER" not in installer
    assert installer["UV_INDEX_OWN_PASSWORD"] == "hunter2"
    assert installer["PIP_CONFIG_FILE"] == os.devnull
    assert settings == (
        'index = [{ "name" = "own", "url" = "https://own.example/simple" }]\n'
        'index-url = "https://mirror.example/simple"\n'
        f'find-links = ["{tmp_path}/.config/uv/kept"]\n'
    )
    (tmp_path / "named.toml").write_text("offline = true\n[pip]\nno-binary = ['x']\n")
    assert installed_by({"UV_CONFIG_FILE": str(tmp_path / "named.toml")}, tmp_path)[1] == "offline = true\n"


# Whole runs ----------------------------------------------------------------------------------------------------------

BUILD_RS = """fn main() {
    for (name, value) in std::env::vars() {
        assert!(!value.contains("hunter2"), "{name}");
    }
}
"""

HOOK = """import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        seen = [name for name, value in os.environ.items() if "hunter2" in value]
        assert not seen, seen
"""

TEST = "import os; seen = [n for n, v in os.environ.items() if 'hunter2' in v]; assert not seen, seen"


@pytest.mark.lab
def test_no_build_script_backend_or_test_sees_a_credential(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.write("pebble/build.rs", BUILD_RS)
    project.write("hatch_build.py", HOOK)
    project.edit("pyproject.toml", "[tool.cartwheel]", "[tool.hatch.build.hooks.custom]\n\n[tool.cartwheel]")
    project.edit(
        "pyproject.toml", 'test = { skip = "nothing to test" }', f'test = {{ command = ["python", "-c", "{TEST}"] }}'
    )
    committed(project)
    secrets = {name: value for name, value in SECRETS.items() if "index.example" not in value}  # none answers there
    project.doit("check", env=secrets)


@pytest.mark.lab
def test_a_backend_with_requirements_is_built_without_the_credential_that_fetched_them(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.write("tools/backend.py", "from hatchling.build import *\n\n\ndef get_requires_for_build_wheel(_=None):\n"
                  "    return ['hatch-fancy-pypi-readme']\n")  # fmt: skip
    project.edit(
        "pyproject.toml", 'build-backend = "hatchling.build"', 'build-backend = "backend"\nbackend-path = ["tools"]'
    )
    project.write("hatch_build.py", "import hatch_fancy_pypi_readme\n" + HOOK)
    project.edit(
        "pyproject.toml", "[tool.cartwheel]", "[tool.hatch.build.targets.wheel.hooks.custom]\n\n[tool.cartwheel]"
    )
    committed(project)
    project.doit("check:any", env={"UV_INDEX_PRIVATE_PASSWORD": "hunter2"})
