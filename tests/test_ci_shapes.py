"""Pipelines of the shapes that real projects have, really run: push, pull request, tag, and a person's choice."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from cartwheel.repository.git import Repository
from cartwheel.stand_ins.crates import LoopbackRegistry
from cartwheel.stand_ins.github import LoopbackReleases
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.act_forge import ACT, Forge, builds, succeeded
from support.boulder import TOKEN, on, shared
from support.gitlab_forge import LOCAL, results
from support.gitlab_forge import Forge as GitlabForge
from support.projects import CARGO, DODO, FLOOR, LOCK, PEBBLE, TRIPLE, Project, committed, pure
from support.repositories import git, repository

pytestmark = pytest.mark.lab
needs_act = pytest.mark.skipif(not ACT, reason="needs act")
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
needs_gitlab = pytest.mark.skipif(not LOCAL or not shutil.which("rsync"), reason="needs gitlab-ci-local and rsync")

MADE = ("Plan", *builds("any"), "Source distributions")
PUSHED = (*MADE, "All files")
GRAVEL = ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
INSTALL = 'install = ["--no-index", "--no-deps", "cartwheel"]\n'


def with_table(project: Project, publish: str, tables: str) -> None:
    """Replaces the destinations of `pure`."""
    project.edit("pyproject.toml", 'publish = ["shelf"]', f"publish = {publish}")
    text = (project.root / "pyproject.toml").read_text()
    project.write("pyproject.toml", text.partition("[tool.cartwheel.index.shelf]")[0] + tables)


def with_submodule(project: Project) -> None:
    """A submodule whose file is part of the wheel."""
    words = repository(project.root.parent / "words")
    (words / "words.py").write_text("WORDS = 3\n")
    git(words, "add", "--all")
    git(words, "commit", "--quiet", "--message", "words")
    add = ("submodule", "--quiet", "add", str(words), "gravel/words")
    git(project.root, "-c", "protocol.file.allow=always", *add)


def tagged(project: Project, tag: str) -> None:
    git(project.root, "tag", "--annotate", "--message", tag, tag)
    git(project.root, "push", "--quiet", "origin", tag)


# A page on the tag with generated notes, an index on request, own runners, a dry run of a bump (pysof, django-bolt)

ON_REQUEST = """[tool.cartwheel.changelog]
from = "github"

[tool.cartwheel.index.github]
url = "{page}"
repository = "rehearsal/project"

[tool.cartwheel.index.shelf]
url = "{url}"
simple = "{simple}"
user = "ci-bot"

[tool.cartwheel.ci]
{install}branches = ["main", "maint/*"]
paths = ["gravel/**", "pyproject.toml"]
runner = ["self-hosted", "linux"]
on-request = ["shelf"]

[tool.cartwheel.ci.steps.before]
build = [{{ name = "Our hook", run = ["echo our hook before a build"] }}]

[tool.cartwheel.ci.jobs.dry-bump]
runner = ["self-hosted", "linux"]
steps = [{{ run = ["doit bump minor --dry-run --offline", "ls dist"] }}]
"""


@needs_act
def test_a_tag_makes_a_page_with_generated_notes_and_an_index_gets_files_only_on_request(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"

    def tags() -> dict[str, str]:
        with Repository(remote) as repo:
            return dict(repo.tags())

    page = LoopbackReleases(tags)
    with LoopbackIndex(tmp_path / "shelf", name="shelf", password=TOKEN, private=True) as shelf, page.open():
        project = pure(tmp_path / "project")
        table = ON_REQUEST.format(page=page.base, url=shelf.url, simple=shelf.simple, install=INSTALL)
        with_table(project, '["github", "shelf"]', table)
        with_submodule(project)
        project.doit("ci", "github")
        shared(committed(project))
        secrets = {"CARTWHEEL_INDEX_GITHUB_TOKEN": TOKEN}
        forge = Forge(project, tmp_path / "forge", secrets=secrets, labels=("self-hosted", "linux"))

        pushed = forge.run("push", "refs/heads/main")
        assert pushed.results == succeeded(*PUSHED, "dry-bump"), pushed.output
        assert "our hook before a build" in pushed.output
        assert "gravel 1.0 → 1.1" in pushed.output
        proposed = forge.run("pull_request", "refs/pull/1/merge")
        assert proposed.results == succeeded("Plan", "All files", "dry-bump"), proposed.output

        tagged(project, "v1.0")
        released = forge.run("push", "refs/tags/v1.0")
        paged = ("Publish to github", "Verify github", "dry-bump")
        assert released.results == succeeded(*MADE, *paged), released.output
        (row,) = page.releases.values()
        assert (row["draft"], row["body"]) == (False, "## What's Changed\n* a pull request, for v1.0")
        assert {*GRAVEL, "gravel-1.0-report.html"} < set(page.files("v1.0"))
        assert on(shelf) == []

        asked = forge.run("workflow_dispatch", "refs/tags/v1.0", to="shelf")
        assert asked.results == succeeded(*MADE, "Publish to shelf", "Verify shelf", "dry-bump"), asked.output
        assert on(shelf) == GRAVEL
        assert TOKEN not in asked.output


# A file of the last release on a private index, which the next one would lose ----------------------------------------

LOST = "pebble-0.9-py3-none-win_amd64.whl"
PRIVATE = """[tool.cartwheel]
targets = ["{triple}"]
publish = ["shelf"]

[tool.cartwheel.index.shelf]
url = "{url}"
simple = "{simple}"
user = "ci-bot"

[tool.cartwheel.ci]
{install}"""


@needs_act
@needs_cargo
def test_a_release_that_loses_a_file_of_a_private_index_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "shelf", name="shelf", password=TOKEN, private=True) as shelf:
        repository(tmp_path / "project")
        project = Project(tmp_path / "project")
        table = PRIVATE.format(triple=TRIPLE, url=shelf.url, simple=shelf.simple, install=INSTALL)
        texts = {"dodo.py": DODO, "pyproject.toml": PEBBLE + table, "Cargo.toml": CARGO, "Cargo.lock": LOCK}
        for path, text in {**texts, "README.md": "# pebble\n", "src/main.rs": "fn main() {}\n"}.items():
            project.write(path, text)
        project.doit("ci", "github")
        shared(committed(project))
        tagged(project, "v1.0.0")
        shelf.take(LOST, b"", "")
        refused = Forge(project, tmp_path / "forge").run("push", "refs/tags/v1.0.0")
        assert refused.results == {"Plan": "failure"}, refused.output
        assert "pebble 1.0.0 loses 1 of the 1 files of 0.9 on shelf" in refused.output
        assert LOST in refused.output
        assert TOKEN not in refused.output


# A package in a sub-folder, and practice by token (budtiktok) ---------------------------------------------------------

BELOW = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gravel"
version = "1.0"
description = "a pure package"
readme = "README.md"
requires-python = ">=3.11"
"""
PRACTICE = """[tool.cartwheel]
packages = ["bindings/python"]
publish = ["shelf", "attic"]
tag = "py-v{{version}}"
test = {{ skip = "nothing to test" }}

[tool.cartwheel.index.shelf]
url = "{url}"
simple = "{simple}"

[tool.cartwheel.index.attic]
url = "{attic}"
simple = "{attic}simple/"
rehearsal = true
auth = "token"

[tool.cartwheel.ci]
{install}on-request = ["attic"]

[tool.cartwheel.ci.steps.after]
sdist = [{{ run = ["echo our hook after the source distribution"] }}]
"""


@needs_act
@pytest.mark.parametrize("place", [".", "bindings/python"])
def test_a_package_in_a_sub_folder_practises_by_token_where_a_person_chooses_it(tmp_path: Path, place: str) -> None:
    """`place`: where dodo.py and the root's table lie."""
    attic = LoopbackIndex(tmp_path / "attic", name="attic")  # a practice index on this machine gets no real token
    with LoopbackIndex(tmp_path / "shelf", name="shelf", password=TOKEN) as shelf, attic:
        project = below_the_root(tmp_path / "project", place, shelf, attic)
        forge = Forge(project, tmp_path / "forge")
        pushed = forge.run("push", "refs/heads/main")
        assert pushed.results == succeeded(*PUSHED), pushed.output
        assert "our hook after the source distribution" in pushed.output
        proposed = forge.run("pull_request", "refs/pull/1/merge")
        assert proposed.results == succeeded("Plan", "All files"), proposed.output
        practised = forge.run("workflow_dispatch", "refs/heads/main", to="attic")
        assert practised.results == succeeded(*MADE, "Publish to attic", "Verify attic"), practised.output
        assert (on(shelf), on(attic)) == ([], GRAVEL)
        tagged(project, "py-v1.0")
        released = forge.run("push", "refs/tags/py-v1.0")
        assert released.results == succeeded(*MADE, "Publish to shelf", "Verify shelf"), released.output
        assert on(shelf) == GRAVEL


def below_the_root(folder: Path, place: str, shelf: LoopbackIndex, attic: LoopbackIndex) -> Project:
    """The package in `bindings/python`, with its project there or in the repository's root."""
    repository(folder)
    whole = Project(folder)
    whole.write("README.md", "# everything\n")
    table = PRACTICE.format(url=shelf.url, simple=shelf.simple, attic=attic.url, install=INSTALL)
    if place == ".":
        whole.write("pyproject.toml", table)
    else:
        table = table.replace('packages = ["bindings/python"]\n', "")
    package = Project(folder / "bindings/python")
    package.write("pyproject.toml", BELOW + (table if place != "." else ""))
    package.write("README.md", "# gravel\n")
    package.write("gravel/__init__.py", '"""Gravel."""\n')
    project = whole if place == "." else package
    project.write("dodo.py", DODO)
    whole.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n")
    project.doit("ci", "github")
    shared(committed(whole))
    return whole


# Crates and wheels to feeds of one's own, and targets without a toolchain (fizzbuzz) ----------------------------------

FEEDS = """[build-system]
requires = ["setuptools>=77", "setuptools-rust>=1.10"]
build-backend = "setuptools.build_meta"

[project]
name = "pebble"
version = "1.0.0"
description = "an extension in Rust"
readme = "README.md"
requires-python = ">=3.11"

[tool.setuptools]
packages = []

[[tool.setuptools-rust.ext-modules]]
target = "pebble"
binding = "NoBinding"

[tool.cartwheel]
targets = ["{triple}", "aarch64-pc-windows-msvc"]
python = ["{python}"]
{floor}publish = ["feed", "crate-feed"]
test = {{ command = ["python", "-c", "import pebble"] }}

[[tool.cartwheel.overrides]]
select = "*-windows-*"
skip = "no toolchain"

[tool.cartwheel.index.feed]
url = "{url}"
simple = "{simple}"
user = "az"

[tool.cartwheel.index.crate-feed]
url = "{crates}"
kind = "crates"

[tool.cartwheel.ci]
{install}
[tool.cartwheel.ci.steps.before]
build = [{{ run = ["echo our hook before a build"] }}]
"""
EXTENSION = """use std::ffi::{c_char, c_int, c_void};

#[repr(C)]
pub struct ModuleDef {
    head: [usize; 5],
    name: *const c_char,
    doc: *const c_char,
    size: isize,
    rest: [usize; 5],
}

extern "C" {
    fn PyModule_Create2(module: *mut ModuleDef, version: c_int) -> *mut c_void;
}

static mut MODULE: ModuleDef =
    ModuleDef { head: [1, 0, 0, 0, 0], name: c"pebble".as_ptr(), doc: std::ptr::null(), size: -1, rest: [0; 5] };

#[no_mangle]
pub unsafe extern "C" fn PyInit_pebble() -> *mut c_void {
    PyModule_Create2(&raw mut MODULE, 1013)
}
"""
"""A Python module without a crate that would take a minute to compile."""
CORE = '[package]\nname = "pebble-core"\nversion = "1.0.0"\nedition = "2021"\ndescription = "core"\nlicense = "MIT"\n'


@needs_act
@needs_cargo
def test_crates_and_wheels_go_to_feeds_of_ones_own_and_a_target_without_a_toolchain_is_skipped(tmp_path: Path) -> None:
    feed = LoopbackIndex(tmp_path / "feed", name="feed", password=TOKEN, private=True)
    with feed, LoopbackRegistry(token=TOKEN).open() as crates:
        project = workspace_of_crates(tmp_path / "project", feed, crates)
        secrets = {"CARTWHEEL_INDEX_FEED_TOKEN": TOKEN, "CARTWHEEL_INDEX_CRATE_FEED_TOKEN": TOKEN}
        home = {"CARGO_HOME": str(tmp_path / "cargo")}  # cargo keeps downloads by host, and each run has another port
        forge = Forge(project, tmp_path / "forge", secrets=secrets, variables=home)
        job_names = ("Plan", *builds(TRIPLE), "Source distributions")
        pushed = forge.run("push", "refs/heads/main")
        assert pushed.results == succeeded(*job_names, "All files"), pushed.output
        assert "our hook before a build" in pushed.output
        tagged(project, "v1.0.0")
        released = forge.run("push", "refs/tags/v1.0.0")
        sent = ("Publish to feed", "Verify feed", "Publish to crate-feed", "Verify crate-feed")
        assert released.results == succeeded(*job_names, *sent), released.output
        assert [name.endswith((".whl", ".tar.gz")) for name in on(feed)] == [True, True]
        assert crates.holds() == ("pebble-core 1.0.0",)
        again = forge.run("workflow_dispatch", "refs/tags/v1.0.0", to="feed")
        assert again.results == succeeded(*job_names, "Publish to feed", "Verify feed"), again.output
        assert TOKEN not in again.output


def workspace_of_crates(folder: Path, feed: LoopbackIndex, crates: LoopbackRegistry) -> Project:
    repository(folder)
    project = Project(folder)
    floor = f'floor = "{FLOOR}"\n' if FLOOR else ""
    texts = {
        "dodo.py": DODO,
        "pyproject.toml": FEEDS.format(
            triple=TRIPLE, python="{}.{}".format(*sys.version_info), floor=floor, url=feed.url, simple=feed.simple,
            crates=crates.index, install=INSTALL,
        ),
        "Cargo.toml": f'{CARGO}publish = false\n\n[lib]\ncrate-type = ["cdylib"]\n\n[workspace]\nmembers = ["core"]\n',
        "MANIFEST.in": "include Cargo.toml Cargo.lock\nrecursive-include src *.rs\nrecursive-include core *\n",
        "Cargo.lock": f'{LOCK}\n[[package]]\nname = "pebble-core"\nversion = "1.0.0"\n',
        "README.md": "# pebble\n",
        "src/lib.rs": EXTENSION,
        "core/Cargo.toml": CORE,
        "core/src/lib.rs": "",
        ".gitignore": ".cartwheel/\ndist/\ntarget/\n__pycache__/\n",
    }  # fmt: skip
    for path, text in texts.items():
        project.write(path, text)
    project.doit("ci", "github")
    return shared(committed(project))


# Beside other jobs on GitLab, with old interpreters (pyovf) -----------------------------------------------------------

BESIDE = """[tool.cartwheel.index.shelf]
url = "{url}"
simple = "{simple}"
user = "ci-bot"

[tool.cartwheel.ci]
{install}gitlab = {{ file = "ci/wheels.yml" }}

[tool.cartwheel.ci.steps.before]
build = [{{ run = ["echo our hook before a build"] }}]

[tool.cartwheel.ci.jobs.announce]
needs = "publish"
steps = [{{ run = ["echo announced"] }}]
"""
OWN = """include: [{ local: ci/wheels.yml }]
stages: [build, test, deploy]
lint:
  stage: test
  script: [echo our own lint]
"""


@needs_gitlab
def test_the_pipeline_is_included_beside_other_jobs_on_gitlab(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "shelf", name="shelf", password=TOKEN, private=True) as shelf:
        project = pure(tmp_path / "project")
        with_table(project, '["shelf"]', BESIDE.format(url=shelf.url, simple=shelf.simple, install=INSTALL))
        project.write(".gitlab-ci.yml", OWN)
        with_submodule(project)
        project.doit("ci", "gitlab")
        assert "GIT_SUBMODULE_STRATEGY: recursive" in (project.root / "ci/wheels.yml").read_text()
        shared(committed(project))
        forge = GitlabForge(tmp_path / "forge", tmp_path / "remote.git")
        pushed = forge.run()
        assert pushed.results == results("plan", "any", "sdist", "gather", "lint"), pushed.output
        assert "our hook before a build" in pushed.output
        proposed = forge.run(merge_request=True)
        assert proposed.results == results("plan", "gather", "lint", idle=("any", "sdist")), proposed.output
        tagged(project, "v1.0")
        for stage, ran in (
            ("build", ("plan", "any", "sdist")),
            ("deploy", ("publish-shelf", "verify-shelf", "announce")),
        ):
            part = forge.run("--stage", stage, tag="v1.0")
            assert part.results == results(*ran), part.output
        assert on(shelf) == GRAVEL
        with zipfile.ZipFile(next(shelf.folder.rglob(GRAVEL[0]))) as wheel:
            assert "gravel/words/words.py" in wheel.namelist()
