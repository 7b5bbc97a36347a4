"""A Dockerfile in GitLab's pipeline: built once, kept in the project's registry, and a wheel is built in its image."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from support import images
from support.boulder import shared
from support.gitlab_forge import LOCAL, Forge, results
from support.image_registry import serving_images
from support.projects import CARGO, DODO, LOCK, PEBBLE, TRIPLE, Project, committed
from support.repositories import git, repository

pytestmark = pytest.mark.lab

TABLE = f"""[tool.cartwheel]
targets = ["{TRIPLE}"]
toolchain = "container"
image = "dockerfile:ci/Dockerfile"
floor = "{images.FLOOR}"
publish = []
test = {{ command = ["pebble"] }}

[tool.cartwheel.ci]
install = ["--no-index", "--no-deps", "cartwheel"]

[tool.cartwheel.ci.steps.before]
build = [{{ run = ["cat /made-by-dockerfile"] }}]
"""
DOCKERFILE = """FROM scratch
ADD root.tar /
COPY Dockerfile /made-by-dockerfile
ENV PATH={path}
"""


@pytest.mark.skipif(not LOCAL or not shutil.which("rsync"), reason="needs gitlab-ci-local and rsync")
@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
@pytest.mark.skipif(TRIPLE != "x86_64-unknown-linux-gnu", reason="the images for containers are of x86_64")
def test_a_dockerfile_is_built_by_one_job_and_a_wheel_is_built_in_its_image(tmp_path: Path) -> None:
    with images.docker() as engine, serving_images("gitlab-ci-token", "job-token") as registry:
        project = contained(tmp_path / "project", path=f"{tmp_path}/forge/bin:{os.environ['PATH']}")
        place = f"{registry.host}/group/pebble"
        secrets = {"CI_REGISTRY": registry.host, "CI_REGISTRY_IMAGE": place}
        secrets |= {"CI_REGISTRY_USER": "gitlab-ci-token", "CI_REGISTRY_PASSWORD": "job-token"}
        forge = Forge(tmp_path / "forge", tmp_path / "remote.git", secrets=secrets, engine=engine)
        service(engine, tmp_path / "service")
        planned = forge.run("--stage", "plan")
        assert planned.results == results("plan", "image-ci-Dockerfile-x86_64"), planned.output
        commit = git(project.root, "rev-parse", "HEAD")
        assert f"group/pebble/cartwheel-ci-dockerfile:x86_64-{commit}" in registry.manifests
        engine.run("image", "rm", f"{place}/cartwheel-ci-dockerfile:x86_64-{commit}")  # so that it is pulled
        built = forge.run("build-linux", contained=True)
        assert built.results == results(TRIPLE), built.output
        assert "COPY Dockerfile /made-by-dockerfile" in built.output
        assert "tests passed" in built.output


def contained(folder: Path, *, path: str) -> Project:
    """A program whose wheel is built in an image; `path`: where the image looks for programs."""
    repository(folder)
    project = Project(folder)
    texts = {
        "dodo.py": DODO,
        "pyproject.toml": PEBBLE + TABLE,
        "Cargo.toml": CARGO,
        "Cargo.lock": LOCK,
        "README.md": "# pebble\n",
        "src/main.rs": 'fn main() {\n    println!("pebble");\n}\n',
        "ci/Dockerfile": DOCKERFILE.format(path=path),
        ".gitignore": ".cartwheel/\ndist/\ntarget/\n__pycache__/\n",
    }
    for name, text in texts.items():
        project.write(name, text)
    with tarfile.open(folder / "ci/root.tar", "w") as tar:  # the files of this machine are mounted into containers
        for name in ("bin", "lib", "lib64", "sbin"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    project.doit("ci", "gitlab")
    return shared(committed(project))


def service(engine: images.Images, folder: Path) -> None:
    """A stand-in for the service of the job that builds the image: docker's daemon is here."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(f'FROM {engine.debian("amd64")}\nCMD ["sleep", "600"]\n')
    engine.run("build", "--tag", "docker:29-dind", str(folder))
