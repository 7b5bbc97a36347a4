"""What a configuration adds to its pipeline: files, steps and jobs of one's own, machines, events, indexes, a lock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cartwheel.ci import github_workflow
from cartwheel.ci.action_pins import PINS, renew_pins
from cartwheel.ci.build_matrix import builds
from cartwheel.ci.github_workflow import plan_outputs, render
from cartwheel.ci.pipeline_files import FORGES, write_files
from cartwheel.ci.placed_files import place, planned_files
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.publish_lock import Needs, is_current, locked_names, new_lock, shipped_lock
from cartwheel.ci.selection import selection
from cartwheel.commands.ci_advice import advice
from cartwheel.commands.ci_run import nightly_version
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Project
from support.ci_projects import EXCUSED, LINUX, PROJECTS, WINDOWS, alone, pipeline_of
from support.indexes import METADATA, wheel
from support.models import crate
from support.projects import committed, pure
from support.repositories import git


def workflow(name: str) -> dict[str, Any]:
    """The main workflow of a configuration, read back."""
    from ruamel.yaml import YAML

    document: dict[str, Any] = YAML(typ="safe").load(render(pipeline_of(name)))
    return document


def names(steps: list[dict[str, Any]]) -> list[str]:
    return [step.get("name", step.get("uses", "").partition("@")[0]) for step in steps]


# Files, events, machines ----------------------------------------------------------------------------------------------


def test_branches_paths_and_a_schedule_start_runs() -> None:
    on = workflow("extended")["on"]
    assert on["push"] == {
        "branches": ["main", "release/*"], "tags": ["v[0-9]*"], "paths": ["src/**", "pyproject.toml"],
    }  # fmt: skip
    assert on["pull_request"] == {"paths": ["src/**", "pyproject.toml"]}
    assert on["schedule"] == [{"cron": "17 3 * * *"}]


def test_a_runner_may_have_labels_and_a_group() -> None:
    rows = plan_outputs(selection(PROJECTS["extended"](), pipeline_of("extended"), stale=[f"check:{LINUX}:demo:abi3"]))
    assert json.loads(rows["matrix"])["include"][0]["runner"] == ["self-hosted", "Linux"]
    by_target = {build.target: build for build in pipeline_of("extended").builds}
    assert by_target["i686-pc-windows-msvc"].runner.group == "large"  # type: ignore[union-attr]
    assert workflow("extended")["jobs"]["plan"]["runs-on"] == ["self-hosted", "linux"]


@pytest.mark.parametrize(
    ("target", "toolchain", "emulated"),
    [
        ("powerpc64le-unknown-linux-gnu", "", True),
        ("powerpc64le-unknown-linux-gnu", "container", True),
        ("s390x-unknown-linux-gnu", "container", True),
        ("s390x-unknown-linux-gnu", "", False),
        ("i686-unknown-linux-gnu", "container", False),
        ("aarch64-unknown-linux-gnu", "container", False),
    ],
)
def test_a_container_of_a_foreign_architecture_gets_its_emulator(target: str, toolchain: str, emulated: bool) -> None:
    table = {"targets": [target], **({"toolchain": toolchain} if toolchain else {}), **EXCUSED}
    (build,) = builds(alone(table))
    assert ("qemu-user-static" in build.system) == emulated


def test_a_target_that_no_machine_builds_is_named_with_the_way_out() -> None:
    project = alone({"targets": [LINUX, "wasm32-unknown-emscripten"], "python": ["3.13"]}, cargo=crate())
    lines = list(advice(pipeline(project, version="1.0"), FORGES["github"], project))
    (line,) = (line for line in lines if "wasm32" in line)
    assert "there is no toolchain for it here; cibuildwheel's platform pyodide" in line
    assert line.endswith('override: select = "wasm32-unknown-emscripten", skip = "built elsewhere"')


def test_a_file_of_another_name_and_a_reusable_one_that_it_calls() -> None:
    files = github_workflow.files(pipeline_of("elsewhere"), {})
    assert list(files) == [".github/workflows/publish.yml", ".github/workflows/wheels.yml"]
    main, reusable = files.values()
    assert "workflow_call:" in reusable
    assert "uses: ./.github/workflows/wheels.yml" in main
    assert "id-token: write" in main, "PyPI takes trusted publishing from the file that was started alone"
    assert "id-token" not in reusable
    assert "needs.wheels.outputs.packages" in main
    assert "working-directory: python/demo" in reusable
    assert "lfs: true" in reusable
    assert "submodules: recursive" in reusable
    assert "path: python/demo/.cartwheel/sccache" in reusable


def test_the_plan_reads_a_private_index_with_a_token_of_its_own_environment() -> None:
    from ruamel.yaml import YAML

    pipeline = pipeline_of("own-feeds")
    plan = pipeline.job("plan")
    assert (plan.environment, list(plan.secrets)) == ("plan", ["CARTWHEEL_INDEX_FEED_TOKEN"])
    main, reusable = (YAML(typ="safe").load(text) for text in github_workflow.files(pipeline, {}).values())
    assert main["jobs"]["wheels"]["secrets"] == "inherit", "else a called job's environment gives it no secrets"
    assert reusable["on"]["workflow_call"]["secrets"] == {"CARTWHEEL_INDEX_FEED_TOKEN": {"required": False}}
    job = reusable["jobs"]["plan"]
    assert job["environment"] == {"name": "plan"}
    holding = [step["name"] for step in job["steps"] if "secrets." in str(step)]
    assert holding == ["Plan"]
    assert "secrets" not in github_workflow.files(pipeline_of("elsewhere"), {})[".github/workflows/publish.yml"]
    lines = list(advice(pipeline, FORGES["gitlab"], PROJECTS["own-feeds"]()))
    assert any("plan: keep a token that may read the last release as the masked variable" in line for line in lines)


def test_a_file_of_another_name_is_written_compared_and_asked_of_a_tag(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    text = (project.root / "pyproject.toml").read_text()
    project.write(".github/workflows/release.yml", "name: mine\n")
    lines = project.refused("ci", "github")
    assert 'choose another name: [tool.cartwheel.ci.github] file = ".github/workflows/wheels.yml"' in lines
    project.write("pyproject.toml", f'{text}\n[tool.cartwheel.ci.github]\nfile = ".github/workflows/wheels.yml"\n')
    assert ".github/workflows/wheels.yml: written" in project.doit("ci", "github")
    assert ".github/workflows/wheels.yml is what the configuration says" in project.doit("ci", "--check")
    assert (project.root / ".github/workflows/release.yml").read_text() == "name: mine\n"


def test_the_default_branch_is_asked_of_git_where_there_is_no_main(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    git(project.root, "branch", "--move", "master")
    assert '[tool.cartwheel.release] branch = "master"' in project.doit("ci", "github")
    assert "branches: [master]" in (project.root / ".github/workflows/release.yml").read_text()
    assert "is what the configuration says" in project.doit("ci", "--check")


# Steps and jobs of one's own ------------------------------------------------------------------------------------------


def test_steps_of_ones_own_stand_before_and_after_the_work_of_a_kind_of_job() -> None:
    jobs = workflow("extended")["jobs"]
    build, verify = names(jobs["build"]["steps"]), names(jobs["verify-pypi"]["steps"])
    assert build.index("Protocol buffers") < build.index("Build, repair, check")
    assert verify[-1] == "make smoke"
    assert jobs["verify-pypi"]["steps"][-1]["env"] == {"LEVEL": "2"}


def test_jobs_of_ones_own_have_the_files_and_wait_for_what_they_name() -> None:
    jobs = workflow("extended")["jobs"]
    assert jobs["docs"]["needs"] == ["plan", "build", "sdist"]
    assert jobs["announce"]["needs"] == ["plan", "build", "sdist", "verify-github"]
    assert "needs.verify-github.result == 'success'" in jobs["announce"]["if"]
    for name in ("docs", "announce"):
        steps = names(jobs[name]["steps"])
        assert "Move the planned files to their places; the sources are the commit's" in steps
    assert jobs["announce"]["steps"][-1]["env"] == {"NEWS_TOKEN": "${{ secrets.NEWS_TOKEN }}"}


def own_job(permissions: dict[str, str], **keys: str) -> dict[str, Any]:
    """`ci` with a job of one's own."""
    return {"jobs": {"docs": {"steps": [{"run": ["x"]}], "permissions": permissions, **keys}}}


def test_a_job_of_ones_own_has_an_identity_with_a_reason_and_an_environment_that_no_index_has() -> None:
    ci = own_job({"id-token": "write", "pages": "write"}, identity="deploys to Pages", environment="github-pages")
    assert alone({"ci": ci}).ci.jobs["docs"].permissions["id-token"] == "write"


@pytest.mark.parametrize(
    ("ci", "message"),
    [
        ({"steps": {"before": {"bild": []}}}, "unknown key 'bild'"),
        ({"steps": {"before": {"build": [{"run": ["x"], "uses": "a/b@c"}]}}}, "either 'run' or 'uses'"),
        ({"steps": {"before": {"build": [{"uses": "actions/checkout@v4"}]}}}, "OWNER/NAME@COMMIT"),
        ({"steps": {"before": {"build": [{"run": ["echo ${{ github.title }}"]}]}}}, "put it in 'environment'"),
        ({"jobs": {"build": {"steps": [{"run": ["x"]}]}}}, "cartwheel has a job of this name"),
        ({"jobs": {"docs": {"steps": []}}}, "has no steps"),
        (own_job({"id-token": "write"}), "put it into a workflow of its own, or say why here"),
        (own_job({"ID-TOKEN": "write"}), "put it into a workflow of its own, or say why here"),
        (own_job({"id-token": "write"}, identity=" ", environment="docs"), "or say why here"),
        (own_job({"id-token": "write"}, identity="pages"), "environment ''; expected one that no index has"),
        (own_job({"id-token": "write"}, identity="pages", environment="PyPI"), "environment 'PyPI'; expected one"),
        (
            own_job({"id-token": "write"}, identity="pages", environment="testpypi"),
            "environment 'testpypi'; expected one",
        ),
        (own_job({"pages": "write"}, identity="pages"), "identity gives a reason for nothing"),
        ({"schedule": "daily"}, "expected five fields"),
        ({"schedule": "61 3 * * *"}, "expected five fields"),
        ({"schedule": "0 3 * JAN"}, "expected five fields"),
        ({"paths": ["!docs/**"]}, "ci.paths: nothing but exclusions"),
        ({"jobs": {"default": {"steps": [{"run": ["make"]}]}}}, "ci.jobs.default: is a keyword of GitLab"),
        ({"jobs": {"reproduce": {"steps": [{"run": ["make"]}]}}}, "cartwheel has a job of this name"),
        ({"jobs": {"x": {"steps": [{"run": ["make"]}], "minutes": 0}}}, "ci.jobs.x: minutes 0; expected"),
        ({"jobs": {"x": {"steps": [{"run": ["make"]}], "permissions": {"page": "write"}}}}, "did you mean 'pages'"),
        ({"github": {"file": "release.yml"}}, "expected .github/workflows/NAME.yml"),
        ({"branches": ["a b"]}, "ci.branches: 'a b' is no branch"),
        ({"branches": ["main..next"]}, "ci.branches: 'main..next' is no branch"),
        ({"paths": ["../x"]}, "ci.paths: '../x' matches nothing"),
        ({"paths": ["/src/x"]}, "ci.paths: '/src/x' matches nothing"),
        ({"gitlab": {"file": "../x.yml"}}, "within the repository"),
        ({"runner": " x"}, "expected a plain name"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_read(ci: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        alone({"ci": ci})


# Indexes --------------------------------------------------------------------------------------------------------------


def test_an_index_on_request_is_published_to_where_a_person_chose_it() -> None:
    job = workflow("extended")["jobs"]["publish-pypi"]
    assert "inputs.to == 'pypi'" in job["if"]
    assert "github.ref_type" not in job["if"]
    assert "github.ref_type == 'tag'" in workflow("extended")["jobs"]["publish-github"]["if"]


def test_testpypi_by_token_holds_its_token_and_stays_with_any_table_of_pypi() -> None:
    job = pipeline_of("extended").job("publish-testpypi")
    assert job.secrets == {"CARTWHEEL_INDEX_TESTPYPI_TOKEN": "CARTWHEEL_INDEX_TESTPYPI_TOKEN"}
    assert not job.identity
    elsewhere = alone({"index": {"pypi": {"url": "https://wheels.example/"}}})
    assert "testpypi" not in pipeline(elsewhere, version="1").choices, "private files stay off public indexes"


def test_a_scheduled_run_publishes_a_development_version_to_its_index() -> None:
    jobs = workflow("extended")["jobs"]
    assert "github.event_name == 'schedule'" in jobs["publish-nightly"]["if"]
    assert "github.event_name == 'schedule'" not in jobs["publish-github"]["if"]
    plan = next(step for step in jobs["plan"]["steps"] if step.get("id") == "plan")
    assert plan["env"]["TO"] == "${{ github.event_name == 'schedule' && 'nightly' || inputs.to }}"
    restoring = next(step for step in jobs["plan"]["steps"] if step.get("id") == "kept")
    assert "github.event_name != 'schedule'" in restoring["if"]
    with pytest.raises(ConfigError, match="pypi is no index for practice"):
        pipeline(alone({"ci": {"schedule": "1 2 * * *", "nightly": "pypi"}}), version="1")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.2.3", "1.2.4.dev7"), ("1.2", "1.2.1.dev7"), ("1.3.0.dev0", "1.3.0.dev7"), ("1.3.0rc1", "1.3.1.dev7")],
)
def test_a_nightly_version_lies_behind_the_last_one(version: str, expected: str) -> None:
    assert nightly_version(version, "7") == expected


def test_a_nightly_version_is_committed_in_this_clone(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    assert "gravel 1.0 → 1.0.1.dev41" in project.doit("ci", "nightly", "41")
    assert git(project.root, "status", "--porcelain") == ""
    assert "expected the number of the run" in project.refused("ci", "nightly", "x")


def test_a_page_that_starts_a_release_and_is_written_by_it_is_refused() -> None:
    table = {"publish": ["pypi", "github"], "ci": {"trigger": "release"}}
    with pytest.raises(ConfigError, match=r'take github out of publish, or say trigger = "tag"'):
        pipeline(alone(table), version="1")


# What jobs that may publish install and take --------------------------------------------------------------------------


def test_the_lock_is_small_hashed_and_names_no_host() -> None:
    text = shipped_lock(Needs())
    assert len(locked_names(text)) <= 21
    assert all("--hash=sha256:" in block for block in text.split("\n\n")[0].split("==")[1:])
    assert "://" not in text
    assert "keyring" not in locked_names(text)
    assert {"twine", "doit", "msgspec"} <= locked_names(text)
    attesting = locked_names(shipped_lock(Needs(attests=True)))
    assert {"sigstore", "pypi-attestations"} <= attesting
    assert len(attesting) <= 40
    assert "hatchling" in locked_names(shipped_lock(Needs(sources=True)))


def test_a_lock_of_another_version_or_without_a_package_is_not_current() -> None:
    text = new_lock("1.0", {}, Needs(), own=False, renew=False)
    assert is_current(text, "1.0", Needs())
    assert not is_current(text, "1.1", Needs())
    assert not is_current(text, "1.0", Needs(sources=True))
    assert not is_current(text, "1.0", Needs(attests=True))
    assert not is_current(text.replace("twine==", "twain=="), "1.0", Needs())


def test_a_version_of_cartwheel_that_no_index_has_is_told_whenever_a_pipeline_is_written(tmp_path: Path) -> None:
    shelf, forge = tmp_path / "shelf", FORGES["github"]
    shelf.mkdir()
    env = {**os.environ, "UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(shelf)}

    def advice_lines(project: Project) -> list[str]:
        planned = pipeline(project, version="1.0")
        return [line[:49] for line in write_files(tmp_path, planned, forge, "1.0", env)[1]]

    missing = "cartwheel 1.0 is on no index that this machine re"
    assert advice_lines(alone({"targets": [LINUX]})) == [missing]
    assert advice_lines(alone({"targets": [LINUX]})) == [missing], "although the lock is written already"
    assert (
        advice_lines(alone({"targets": [LINUX], "ci": {"install": ["cartwheel @ git+https://forge.example/x@v1"]}}))
        == []
    )
    wheel(shelf, "cartwheel-1.0-py3-none-any.whl", metadata=METADATA.replace("demo", "cartwheel"))
    assert advice_lines(alone({"targets": [LINUX]})) == ["an index has cartwheel 1.0, and the lock has no h"]
    (tmp_path / forge.lock).unlink()
    assert advice_lines(alone({"targets": [LINUX]})) == []
    assert "cartwheel" in locked_names((tmp_path / forge.lock).read_text("utf-8"))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_job_that_may_publish_installs_by_hash_and_places_planned_files_before_its_work(name: str) -> None:
    for path, text in github_workflow.files(pipeline_of(name), {}).items():
        from ruamel.yaml import YAML

        for key, job in YAML(typ="safe").load(text)["jobs"].items():
            if "id-token" not in job["permissions"] and not key.startswith("publish-"):
                continue
            scripts = [step.get("run", "") for step in job["steps"]]
            place = next(i for i, run in enumerate(scripts) if "doit ci place" in run)
            assert "git diff --exit-code HEAD" in scripts[place], path
            assert any("--require-hashes" in run for run in scripts[:place])
            assert not any("doit" in run for run in scripts[:place] if "nightly" not in run)
            downloads = [s for s in job["steps"] if "download-artifact" in s.get("uses", "")]
            assert downloads
            assert all(download["with"]["path"].startswith("${{ runner.temp }}") for download in downloads)


def test_only_planned_files_of_their_own_job_are_moved(tmp_path: Path) -> None:
    project = PROJECTS["usual"]()
    planned = planned_files(project, pipeline_of("usual"))
    root, artifacts = tmp_path / "project", tmp_path / "made"
    root.mkdir()
    linux, windows = f"built-{LINUX}", f"built-{WINDOWS}"
    wheel = next(path for path in planned[linux] if path.startswith("dist/"))
    other = next(path for path in planned[windows] if path.startswith("dist/"))
    for path in (wheel, other, "dodo.py", "cartwheel/__init__.py", ".cartwheel/records/listings/0.json", ".git/config"):
        file = artifacts / linux / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("made by a job")
    (artifacts / "stranger").mkdir()
    moved, left = place(root, artifacts, planned)
    assert moved == (wheel,)
    assert {f"{linux}/dodo.py", f"{linux}/{other}", f"{linux}/.git/config", "stranger"} <= set(left)
    assert [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()] == [wheel]


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_links_lead_nowhere(tmp_path: Path) -> None:
    planned = planned_files(PROJECTS["usual"](), pipeline_of("usual"))
    root, artifacts, outside = tmp_path / "project", tmp_path / "made", tmp_path / "outside"
    wheel = next(path for path in planned[f"built-{LINUX}"] if path.startswith("dist/"))
    file = artifacts / f"built-{LINUX}" / wheel
    file.parent.mkdir(parents=True)
    file.symlink_to("/etc/hostname")
    root.mkdir()
    assert place(root, artifacts, planned) == ((), ())
    file.unlink()
    file.write_text("a wheel")
    outside.mkdir()
    (root / "dist").symlink_to(outside)
    with pytest.raises(StepFailed, match="dist is no folder"):
        place(root, artifacts, planned)
    assert not list(outside.iterdir())


# What is told ---------------------------------------------------------------------------------------------------------


def advice_for(name: str, forge: str) -> str:
    return "\n".join(advice(pipeline_of(name), FORGES[forge], PROJECTS[name]()))


def test_advice_names_what_a_person_must_do_on_the_forge() -> None:
    assert "self-hosted, Linux: a machine of yours runs what pull requests bring" in advice_for("extended", "github")
    assert "starts no pipeline: push it yourself or as an app" in advice_for("usual", "github")
    assert "wheels.yml can be called by your own workflows" in advice_for("elsewhere", "github")
    assert "include: [{ local: .gitlab/wheels.yml }]" in advice_for("elsewhere", "gitlab")
    assert "protect the tags v*" in advice_for("tokens", "gitlab")
    assert "set the schedule 17 3 * * * in Build" in advice_for("extended", "gitlab")


def test_a_wheel_that_may_be_untested_is_no_reason_for_advice() -> None:
    others = ["powerpc64-unknown-linux-gnu", "s390x-unknown-linux-gnu"]
    table = {"targets": [LINUX, *others]}
    one = {**table, "overrides": [{"select": "powerpc64-*", **EXCUSED}]}
    both = {**table, "overrides": [{"select": name, **EXCUSED} for name in ("powerpc64-*", "s390x-*")]}
    for settings, targets in ((table, [", ".join(others)]), (one, others[1:]), (both, [])):
        project = alone(settings, cargo=crate("abi3-py311"))
        lines = advice(pipeline(project, version="1"), FORGES["github"], project)
        start = "no machine of the pipeline runs the tests of "
        texts = [line.removeprefix(start) for line in lines if line.startswith(start)]
        assert [text.partition(", so they")[0] for text in texts] == targets


def test_sccache_is_not_installed_beside_requirements_that_all_have_hashes() -> None:
    project = alone({"sccache": True, "ci": {"install": ["--require-hashes", "--requirement", "ci.txt"]}})
    plan = pipeline(project, version="1")
    assert "sccache" not in plan.install_arguments(plan.job("build"))
    assert any("name sccache in the file" in line for line in advice(plan, FORGES["github"], project))


def test_older_pins_in_any_workflow_are_renewed() -> None:
    old = "uses: actions/cache/save@" + "b" * 40 + " # v5.0.5\nuses: other/x@" + "c" * 40 + " # v1.0.0\n"
    pin = PINS["actions/cache"]
    assert renew_pins(old).splitlines() == [
        f"uses: actions/cache/save@{pin.commit} # {pin.version}", old.splitlines()[1],
    ]  # fmt: skip
    assert renew_pins(renew_pins(old)) == renew_pins(old)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_a_reader_that_stops_early_ends_a_command_quietly(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    doit = f"'{sys.executable}' -m doit"
    for line in ("plan --json | head -1", "list | true", "version-sync | true", "ci key >&-", "version-sync >&-"):
        done = subprocess.run(["sh", "-c", f"{doit} {line}"], cwd=project.root, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), line
