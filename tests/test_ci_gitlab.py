"""The GitLab pipeline: the file as it is written, and really run by gitlab-ci-local, each job in a new copy."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tree_sitter
import tree_sitter_powershell
from msgspec.structs import replace
from ruamel.yaml import YAML

from cartwheel.ci.gitlab_events import PATH
from cartwheel.ci.gitlab_pipeline import plan_outputs, render
from cartwheel.ci.gitlab_runners import machine_of, runs
from cartwheel.ci.jobs import RepositoryFacts
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.selection import NOWHERE, selection
from cartwheel.model.errors import ConfigError
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.boulder import FILES, LINUX, MAC, MUSL, TAG, TARGETS, TOKEN, WINDOWS, boulder, on
from support.ci_projects import PROJECTS, alone, pipeline_of
from support.gitlab_forge import LOCAL, Forge, results
from support.projects import Project, committed, pure
from support.repositories import git, repository
from support.snapshots import alike

# The file -------------------------------------------------------------------------------------------------------------


@cache
def tree(name: str) -> Mapping[str, Any]:
    """The file of a configuration, read back."""
    document: Mapping[str, Any] = YAML(typ="safe").load(render(pipeline_of(name)))
    return document


def jobs(name: str) -> dict[str, Any]:
    """Its jobs."""
    parts = ("stages", "workflow", "default", "variables")
    return {key: job for key, job in tree(name).items() if key not in parts and key[0] != "."}


@pytest.mark.parametrize("name", PROJECTS)
def test_the_pipeline_is_written_as_it_was(name: str) -> None:
    alike(f"gitlab/{name}.yml", render(pipeline_of(name)))


def audited(folder: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    """What GitLab's schema says to these files."""
    program = Path(sys.executable).with_name("check-jsonschema")
    if not shutil.which(program):
        pytest.skip("needs check-jsonschema")
    paths = [folder / f"{number}.yml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    argv = [program, "--builtin-schema", "vendor.gitlab-ci", *paths]
    return subprocess.run(argv, capture_output=True, text=True, encoding="utf-8")


def test_every_file_is_of_gitlabs_schema(tmp_path: Path) -> None:
    done = audited(tmp_path, *(render(pipeline_of(name)) for name in PROJECTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_finds_what_would_be_wrong(tmp_path: Path) -> None:
    assert audited(tmp_path, render(pipeline_of("usual")).replace("resource_group:", "resource_groop:")).returncode > 0


@pytest.mark.parametrize("name", PROJECTS)
def test_every_build_is_in_one_job_and_every_file_is_published_after_all_are_made(name: str) -> None:
    by_name = jobs(name)
    builders = {key: job for key, job in by_name.items() if "parallel" in job}
    rows = [row["BUILD"] for job in builders.values() for row in job["parallel"]["matrix"]]
    builds = [part for row in rows for part in (row if isinstance(row, list) else [row])]
    assert sorted(builds) == sorted(build.name for build in pipeline_of(name).builds)
    for key, job in by_name.items():
        needs = [need if isinstance(need, str) else need["job"] for need in job.get("needs", ())]
        assert set(needs) <= set(list(by_name)[: list(by_name).index(key)]), "what is needed stands before"
        if job["stage"] in ("gather", "release") and key != "reproduce":  # it publishes nothing
            assert {"plan", "sdist", *builders} <= {need for need in job["needs"] if isinstance(need, str)}
            assert job["variables"]["CARTWHEEL_FROZEN"] == "1"


@pytest.mark.parametrize("name", PROJECTS)
def test_what_publishes_is_alone_and_never_stopped_and_only_it_has_an_identity(name: str) -> None:
    publishing = {key for key in jobs(name) if key.startswith("publish-")}
    assert publishing == {job.name for job in pipeline_of(name).jobs_of_role("publish")}
    for key, job in jobs(name).items():
        assert ("id_tokens" in job) <= (key in publishing)
        assert ("resource_group" in job) == (key in publishing)
        login = name == "own-feeds" and key in ("plan", "verify-feed")  # a private index is read with a login
        assert ("environment" in job) == (key in publishing or key == "announce" or login)
        assert job.get("interruptible", True) == (key not in publishing)
        assert re.fullmatch(r"\d+ minutes", job["timeout"])


@pytest.mark.parametrize("name", PROJECTS)
def test_every_script_for_a_shell_is_one(name: str) -> None:
    shell = shutil.which("bash")
    if not shell or sys.platform == "win32":
        pytest.skip("needs bash")
    hidden = [part for key, part in tree(name).items() if key[0] == "." and not key.endswith("windows")]
    parts = [*hidden, *(job for job in jobs(name).values() if not job.get("extends", "").endswith("windows"))]
    lines = [line for part in parts for line in (*part.get("before_script", ()), *part.get("script", ()))]
    done = subprocess.run([shell, "-n"], input="\n".join(lines), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert lines


def windows_scripts(name: str) -> list[str]:
    """The scripts that PowerShell runs in the jobs of a configuration."""
    hidden = tree(name)
    rows = [job for job in jobs(name).values() if job.get("extends", "").endswith("windows")]
    return ["\n".join((*hidden[job["extends"]]["before_script"], *job["script"])) for job in rows]


@pytest.mark.parametrize("name", PROJECTS)
def test_powershell_reads_every_script_for_windows(name: str) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    for script in windows_scripts(name):
        assert not parser.parse(script.encode()).root_node.has_error
    if name in ("usual", "extended"):
        assert windows_scripts(name)


def test_a_step_of_ones_own_runs_in_the_shell_of_git_on_windows_too(tmp_path: Path) -> None:
    """PowerShell is not here: the test reads its text as PowerShell does, and git's shell runs what that makes."""
    lines = ("cd src", 'case "$(uname -s)" in *) echo "it\u2019s $1$LEVEL" > ../said ;; esac')
    step = {"run": lines, "environment": {"LEVEL": "it's 2"}}
    table = {"targets": ["x86_64-pc-windows-msvc"], "ci": {"steps": {"before": {"build": [step]}}}}
    place = RepositoryFacts(folder="py thon")
    script = YAML(typ="safe").load(render(pipeline(alone(table), version="1.0", where=place)))
    write, start = script["build-saas-windows-medium-amd64"]["script"][:2]
    words = re.findall("'((?:[^'\u2019]|''|\u2019\u2019)*)'", write.partition(", ")[2])
    text = "\n".join(word.replace("''", "'").replace("\u2019\u2019", "\u2019") for word in words)
    started = [word.replace("!sh", "!bash") for word in shlex.split(start)]  # git's sh for Windows is bash
    root = repository(tmp_path / "root")
    (root / "py thon/.cartwheel/ci").mkdir(parents=True)
    (root / "py thon/src").mkdir()
    (root / "py thon/.cartwheel/ci/step.sh").write_text(text, encoding="utf-8")
    subprocess.run(started, cwd=root / "py thon", check=True)
    assert (root / "py thon/said").read_text("utf-8") == "it\u2019s it's 2\n"
    (root / "py thon/.cartwheel/ci/step.sh").write_text(text + "false | true\necho\n", encoding="utf-8")
    assert subprocess.run(started, cwd=root / "py thon").returncode > 0


def test_a_step_of_ones_own_changes_neither_folder_nor_variables_of_the_job() -> None:
    step = {"run": ["cd src", "exit 0"], "environment": {"LEVEL": "2"}}
    table = {"targets": [LINUX], "ci": {"steps": {"before": {"build": [step]}}}}
    document = YAML(typ="safe").load(render(pipeline(alone(table), version="1.0")))
    assert document["build-linux"]["script"][0] == "(\nexport LEVEL=2\ncd src\nexit 0\n)"


def test_only_jobs_on_linux_have_an_image() -> None:
    """A hosted Mac takes the image for the name of a virtual machine."""
    for name in PROJECTS:
        for job in jobs(name).values():
            if job.get("extends", "").endswith(("macos", "windows")):
                assert "image" not in job
                assert job["inherit"] == {"default": False}
                assert job["interruptible"]


def test_a_job_that_builds_no_wheel_is_refused_on_another_system() -> None:
    own = {"docs": {"steps": [{"run": ["make"]}], "runner": "windows-2025"}}
    for key, runner, ci in (
        ("ci.jobs.docs.runner", "windows-2025", {"jobs": own}),
        ("ci.runner", "macos-15", {"runner": "macos-15"}),
    ):
        with pytest.raises(ConfigError, match=f"{key}: found {runner}; expected a machine with Linux"):
            render(pipeline(alone({"targets": [LINUX], "ci": ci}), version="1.0"))
    arm = pipeline(alone({"targets": [LINUX], "ci": {"runner": "ubuntu-24.04-arm"}}), version="1.0")
    assert YAML(typ="safe").load(render(arm))["plan"]["tags"] == ["saas-linux-small-arm64"]


def test_a_cross_build_for_windows_is_linux_work_on_a_machine_of_ones_own_too() -> None:
    override = {"select": "*-windows-gnu", "toolchain": "mingw", "runner": "our-builder"}
    plan = pipeline(alone({"targets": ["x86_64-pc-windows-gnu"], "overrides": [override]}), version="1.0")
    assert machine_of(plan.builds[0]).system == "linux"


def test_a_shared_cache_takes_the_place_of_gitlabs() -> None:
    rows = jobs("shared-cache")
    assert not any("cache" in job for job in rows.values())
    assert "doit push || echo 'the shared cache was not filled'" in rows["gather"]["script"]
    assert not any("key.now" in line for job in rows.values() for line in job.get("script", ()))


def test_an_identity_is_for_one_index() -> None:
    sigstore = {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}  # signs the files
    assert jobs("usual")["publish-pypi"]["id_tokens"] == {"PYPI_ID_TOKEN": {"aud": "pypi"}} | sigstore
    assert jobs("usual")["publish-testpypi"]["id_tokens"] == {"TESTPYPI_ID_TOKEN": {"aud": "testpypi"}} | sigstore
    assert "id_tokens" not in jobs("tokens")["publish-pypi"]
    assert "CARTWHEEL_INDEX_HOUSE_TOKEN" in render(pipeline_of("tokens"))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_cache_is_never_that_of_a_release_and_only_the_branch_leaves_files(name: str) -> None:
    for key, job in jobs(name).items():
        if cache := job.get("cache"):
            assert cache["key"].endswith("-$CI_COMMIT_TAG-$TO")
            assert job["stage"] != "release"
            if key == "gather":
                assert cache["policy"] == "$KEEP"
                assert job["variables"]["KEEP"] == "pull"
                pushing = [rule for rule in job["rules"] if "variables" in rule]
                assert len(pushing) == len(pipeline_of(name).branches)
                for rule in pushing:
                    assert rule["if"].startswith(("$CI_COMMIT_BRANCH == ", "$CI_COMMIT_BRANCH =~ "))
                    assert rule["variables"] == {"KEEP": "push"}


@pytest.mark.parametrize(
    ("name", "tag", "meant"),
    [
        ("usual", "v1.2.0", True),
        ("usual", "v1.2.0rc1", True),
        ("usual", "vintage", False),
        ("usual", "xv1.2.0", False),
        ("by-release-page", "release/1.2", True),
        ("by-release-page", "releases1.2", False),
        ("several", "demo-api-v1", True),
        ("several", "demo.api-v1", False),
    ],
)
def test_a_tag_of_the_projects_form_starts_a_release_and_no_other(name: str, tag: str, meant: bool) -> None:
    rules = [rule["if"] for rule in tree(name)["workflow"]["rules"] if "CI_COMMIT_TAG" in rule["if"]]
    patterns = [match.replace("\\/", "/") for rule in rules for match in re.findall(r"=~ /(.+?)/(?=\)| )", rule)]
    assert len(rules) == 1
    assert any(re.search(pattern, tag) for pattern in patterns) == meant


def test_a_package_is_published_by_its_own_tag_alone() -> None:
    (of_crates,) = (r["if"] for r in jobs("several")["publish-crates-io"]["rules"] if "CI_COMMIT_TAG" in r["if"])
    assert of_crates == '$CI_PIPELINE_SOURCE != "web" && ($CI_COMMIT_TAG =~ /^demo-v\\d.*$/)'
    script = "\n".join(jobs("several")["publish-pypi"]["script"])
    assert 'case "$PACKAGES" in *,demo-api,*) doit publish:pypi:demo-api ;; esac' in script


def test_a_place_to_practise_is_published_to_only_where_a_person_chose_it() -> None:
    assert jobs("usual")["publish-testpypi"]["rules"] == [{"if": '$TO == "testpypi"'}]
    assert tree("usual")["variables"]["TO"]["value"] == NOWHERE
    assert "TO" not in tree("private")["variables"]


def test_machines_are_gitlabs_own_where_nothing_else_is_said() -> None:
    tags = {name: job.get("tags", []) for name, job in jobs("usual").items() if "parallel" in job}
    assert tags == {
        "build-linux": [],
        "build-saas-linux-small-arm64": ["saas-linux-small-arm64"],
        "build-saas-macos-medium-m1": ["saas-macos-medium-m1"],
        "build-saas-windows-medium-amd64": ["saas-windows-medium-amd64"],
    }
    own = {build.target: machine_of(build) for build in pipeline_of("own-machines").builds}
    assert own[LINUX].tags == ("our-builder",)
    assert own[LINUX].system == "linux"


def test_a_machine_of_another_kind_is_known_not_to_run_what_it_makes() -> None:
    unrun = {build.target for build in pipeline_of("usual").builds if not runs(build)}
    assert unrun == {"x86_64-apple-darwin", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"}
    assert not [key for key in chosen("usual", tag="v1.2.0") if key == "x86_64-apple-darwin.pythons"]


def test_what_is_made_in_a_container_is_made_in_a_job_of_that_image() -> None:
    rows = jobs("own-machines")["build-linux"]["parallel"]["matrix"]
    assert rows[0] == {
        "BUILD": "s390x-unknown-linux-gnu",
        "IMAGE": "example/s390x-rust:2026.11",
        "CARTWHEEL_IN_IMAGE": "manylinux2014_s390x",
    }
    assert rows[1] == {"BUILD": "x86_64-pc-windows-gnu", "IMAGE": "python:3.13"}
    assert jobs("own-machines")["build-linux"]["image"] == "$IMAGE"


def test_an_image_of_a_dockerfile_is_built_once_for_each_architecture_and_kept_in_the_registry() -> None:
    rows = jobs("dockerfile")
    arm = rows["image-ci-Dockerfile-aarch64"]
    assert arm["tags"] == ["saas-linux-small-arm64"]
    address = "$CI_REGISTRY_IMAGE/cartwheel-ci-dockerfile:aarch64-$CI_COMMIT_SHA"
    assert f'docker push "{address}"' in arm["script"]
    builder = rows["build-saas-linux-small-arm64"]
    assert builder["parallel"]["matrix"][0]["IMAGE"] == address
    assert "image-ci-Dockerfile-aarch64" in builder["needs"]
    assert [name for name in rows if name.startswith("image-")] == [
        f"image-ci-Dockerfile-{a}" for a in ("x86_64", "aarch64")
    ]


def test_an_action_of_github_is_refused_and_so_is_a_group_without_labels() -> None:
    step = {"uses": f"owner/setup@{'a' * 40}"}
    with pytest.raises(ConfigError, match=r"'owner/setup' is an action of GitHub; on GitLab give 'run'"):
        render(pipeline(alone({"ci": {"steps": {"before": {"build": [step]}}}}), version="1.0"))
    with pytest.raises(ConfigError, match=r"'!docs/\*\*' excludes files, which GitLab's rules cannot"):
        render(pipeline(alone({"ci": {"paths": ["**", "!docs/**"]}}), version="1.0"))
    with pytest.raises(ConfigError, match=r"group big has no labels, and GitLab knows runners by tags alone"):
        render(pipeline(alone({"targets": [LINUX], "runner": {"group": "big"}}), version="1.0"))


def test_a_file_to_include_leaves_the_stages_and_events_of_other_jobs_alone() -> None:
    rows = tree("elsewhere")
    assert not {"stages", "workflow", "default"} & set(rows)
    own = {key: job for key, job in rows.items() if isinstance(job, dict) and "script" in job}
    assert {job["stage"] for job in own.values()} <= {"build", "test", "deploy"}
    assert all(job["rules"] and job["image"] for job in own.values())
    assert rows[".cartwheel-prepared"]["before_script"][0] == "cd python/demo"
    assert rows["plan"]["cache"]["paths"][0] == "python/demo/dist/"
    assert rows["variables"]["GIT_SUBMODULE_STRATEGY"] == "recursive"


def test_a_job_that_may_publish_works_in_a_checkout_of_its_own() -> None:
    for name in PROJECTS:
        for job in pipeline_of(name).jobs:
            if job.locked:
                row = tree(name)[job.name]
                assert row["extends"] in (".released", ".cartwheel-released")
                script = tree(name)[row["extends"]]["before_script"]
                place = script.index('doit ci place "$MADE"')
                assert script[place + 1] == "git diff --exit-code HEAD"
                assert any('checkout --quiet --detach "$CI_COMMIT_SHA"' in line for line in script[:place])
                assert any("--require-hashes" in line for line in script[:place])


def test_a_release_reads_no_compiled_crate_of_another_run() -> None:
    lines = tree("own-machines")[".linux"]["before_script"]
    assert (
        lines[-1] == 'if [ -n "$CI_COMMIT_TAG" ] || [ "${TO:-nowhere}" != nowhere ]; then rm -rf .cartwheel/sccache; fi'
    )


def chosen(name: str, *, stale: tuple[str, ...] = (), tag: str = "", to: str = "") -> dict[str, str]:
    """What the plan of a run tells its other jobs."""
    return plan_outputs(selection(replace(PROJECTS[name](), started_by=tag), pipeline_of(name), stale=stale, to=to))


def test_the_plan_says_what_each_job_has_to_do_and_what_that_needs() -> None:
    assert chosen("usual") == {"packages": ",,"}
    assert chosen("own-machines", stale=("build:x86_64-pc-windows-gnu:demo:abi3",)) == {
        "packages": ",,",
        "x86_64-pc-windows-gnu": "check:x86_64-pc-windows-gnu",
        "x86_64-pc-windows-gnu.rust": "x86_64-pc-windows-gnu",
        "x86_64-pc-windows-gnu.system": "gcc-mingw-w64-x86-64",
    }
    released = chosen("several", tag="demo-api-v1.2.0")
    pythons = released.pop("any.pythons").split()
    assert "3.14" in pythons
    assert "3.13" not in pythons, "it is what cartwheel runs with"
    assert released == {"packages": ",demo-api,", "any": "check:any:demo-api:py3", "sdist": "check:sdist:demo-api"}


def test_ci_writes_the_file_and_holds_it_against_the_configuration(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    assert f"{PATH}: written" in project.doit("ci", "gitlab")
    assert f"{PATH} is what the configuration says" in project.doit("ci", "--check")
    project.edit(PATH, "interruptible: true", "interruptible: false")
    output = project.refused("ci", "--check")
    assert f"{PATH} is not what the configuration says; write it again and commit it: doit ci gitlab" in output
    project.write(PATH, "job: {script: [make]}\n")
    assert f"{PATH} is there and was not written by doit ci" in project.refused("ci", "gitlab")
    assert project.doit("ci", "matrix", "--for=gitlab").startswith("packages=,,\nany=check:any\n")


# A run ----------------------------------------------------------------------------------------------------------------


@pytest.mark.lab
@pytest.mark.skipif(not LOCAL, reason="needs gitlab-ci-local")
@pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync")
@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
@pytest.mark.skipif(not shutil.which("x86_64-w64-mingw32-gcc"), reason="needs x86_64-w64-mingw32-gcc")
def test_a_push_builds_what_it_changed_and_a_tag_releases_everything(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "shelf", name="shelf") as shelf:
        project = boulder(tmp_path / "project", shelf, "gitlab")
        on_this_machine(project)
        forge = Forge(tmp_path / "forge", tmp_path / "remote.git")

        first = forge.run()
        assert first.code == 0, first.output
        assert first.results == results("plan", *TARGETS, "sdist", "gather")
        assert set(re.findall(r"section_start:\d+:ok_build_(.+?)_pebble", first.output)) == set(TARGETS)

        project.edit("src/windows.rs", "from Windows", "from the other system")
        commit(project, "what Windows says")
        second = forge.run()
        assert second.code == 0, second.output
        assert second.results == results("plan", WINDOWS, "sdist", "gather", idle=(LINUX, MUSL, MAC))

        git(project.root, "tag", "--annotate", "--message", "first", TAG)
        git(project.root, "push", "--quiet", "origin", TAG)
        for stage, ran in (("plan", ("plan",)), ("build", (*TARGETS, "sdist"))):
            part = forge.run("--stage", stage, tag=TAG)
            assert part.results == results(*ran), part.output

        with forge.without(MAC):
            refused = forge.run("publish-shelf", tag=TAG)
        assert refused.code > 0
        assert refused.results == results(failed=("publish-shelf",)), refused.output
        assert f"build:{MAC}:pebble:py3 is stale" in refused.output
        assert "CARTWHEEL_FROZEN says that nothing may be built here" in refused.output
        assert on(shelf) == []

        released = forge.run("--stage", "release", tag=TAG)
        assert released.code == 0, released.output
        assert released.results == results("publish-shelf", "verify-shelf")
        assert on(shelf) == sorted(FILES)
        assert "installed from shelf" in released.output
        assert TOKEN not in released.output

        strange = forge.run("--list", tag="vintage")
        assert "publish-shelf" not in strange.output


def on_this_machine(project: Project) -> None:
    """Have every target built by jobs for Linux, which are all that run here, and tested with a Python that is here."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    project.edit("pyproject.toml", 'command = ["pebble"]', f'command = ["pebble"], python = ["{python}"]')
    override = '[[tool.cartwheel.overrides]]\nselect = "*-darwin *-windows-*"\nrunner = "ubuntu-24.04"\n\n'
    project.edit("pyproject.toml", "[tool.cartwheel.ci]", f"{override}[tool.cartwheel.ci]")
    project.doit("ci", "gitlab")
    commit(project, "one kind of machine")


def commit(project: Project, message: str) -> None:
    """Commit everything and push it."""
    git(project.root, "commit", "--quiet", "--all", "--message", message)
    git(project.root, "push", "--quiet", "origin", "main")
