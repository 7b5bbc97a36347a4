"""Before a tag, through doit: the early refusal, the checklist, the changelog, and who builds the wheels."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cartwheel import checklist, gate, publish, tag
from cartwheel.checks.index_rules import name_findings
from cartwheel.ci.pipeline_files import unlocked_cartwheel
from cartwheel.destinations import offline_refusals
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import rehearsal_project
from cartwheel.model.step import Work
from cartwheel.pipeline import read_project
from cartwheel.process.step_log import StepLog
from support.indexes import faulty
from support.projects import Project, environment, pure
from support.repositories import git

LOG = "# Changes\n\n## Unreleased\n\n## 1.0\n\n- Everything.\n"
CHECKLIST = """
[[tool.cartwheel.checklist]]
name = "count"
run = ["{python}", "-c", "open('.cartwheel/ran', 'a').write('x')"]

[[tool.cartwheel.checklist]]
manual = "Smoke test on a real device"

[[tool.cartwheel.checklist]]
manual = "Announcement written"
name = "words"

[tool.cartwheel.release]
from = "ci"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A committed project whose files are all checked, and whose pipeline makes the wheels."""
    project = pure(tmp_path_factory.mktemp("built") / "project")
    project.write("CHANGELOG.md", LOG)
    project.edit(
        "pyproject.toml",
        'url = "http://127.0.0.1:9/"',
        'url = "http://127.0.0.1:9/"\nsimple = "http://127.0.0.1:9/simple/"',
    )
    text = (project.root / "pyproject.toml").read_text()
    project.write("pyproject.toml", text + CHECKLIST.replace("{python}", Path(sys.executable).as_posix()))
    project.doit("ci", "github")
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "first")
    project.doit("check:any", "check:sdist:gravel")
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """A copy of the project with a new remote."""
    project = built.copy(tmp_path / "project")
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def committed(project: Project, message: str = "change") -> None:
    git(project.root, "commit", "--quiet", "--all", "--message", message)
    git(project.root, "push", "--quiet")


def without_checklist(project: Project) -> Project:
    text = (project.root / "pyproject.toml").read_text()
    project.write(
        "pyproject.toml",
        text[: text.index("\n[[tool.cartwheel.checklist]]")] + '\n[tool.cartwheel.release]\nfrom = "ci"\n',
    )
    committed(project, "no checklist")
    return project


def ran(project: Project) -> int:
    """How often the checklist's command was run."""
    log = project.root / ".cartwheel" / "ran"
    return len(log.read_text()) if log.exists() else 0


def on_a_terminal(project: Project, *arguments: str, answers: tuple[str, ...]) -> tuple[int, str]:
    """doit with a person at a terminal: its exit code and what it printed."""
    import pty

    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", *arguments], cwd=project.root, env=environment({}), start_new_session=True,
        stdin=far, stdout=far, stderr=far,
    )  # fmt: skip
    os.close(far)
    output, waiting = b"", list(answers)
    while True:
        try:
            part = os.read(near, 4096)
        except OSError:  # its end, on Linux
            break
        output += part
        if not part:
            break
        if output.rstrip().endswith(b"[y/N]"):
            assert waiting, output.decode()
            os.write(near, f"{waiting.pop(0)}\n".encode())
            output += b"\n"
    os.close(near)
    assert not waiting, output.decode()
    return process.wait(), output.decode().replace("\r", "")


# The early refusal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["tag", "release", "publish"])
def test_what_git_knows_refuses_before_anything_is_built(tmp_path: Path, word: str) -> None:
    one = pure(tmp_path / "p")
    git(one.root, "add", "--all")
    git(one.root, "commit", "--quiet", "--message", "first")
    one.write("forgotten.txt", "")
    output = one.refused(word)
    assert "v1.0: not tagged:\n        not committed: forgotten.txt; commit, ignore or stash them" in output
    assert "ok " not in output
    assert not (one.root / "dist").exists()


@pytest.mark.parametrize(
    ("publish", "table", "output"),
    [
        ("nosuch", "", "unknown index 'nosuch'; expected one of"),
        ("github", "", 'add [tool.cartwheel.index.github] repository = "owner/name"'),
        ("github", 'url = "nonsense"\nrepository = "o/r"', "its url is 'nonsense'; expected the API's address"),
        ("github", 'url = "ftp://x"\nrepository = "o/r"', "its url is 'ftp://x'; expected the API's address"),
        (
            "pypi",
            'rules = { sise = "x" }',
            "[tool.cartwheel.index.pypi] rules: 'sise' is no rule; did you mean 'size'?",
        ),
    ],
)
def test_what_the_configuration_says_of_an_index_refuses_before_anything_is_built(
    publish: str, table: str, output: str, tmp_path: Path
) -> None:
    one = pure(tmp_path / "p")
    one.edit("pyproject.toml", 'publish = ["shelf"]', f'publish = ["{publish}"]')
    text = (one.root / "pyproject.toml").read_text(encoding="utf-8")
    one.write("pyproject.toml", f"{text}\n[tool.cartwheel.index.{publish}]\n{table}\n" if table else text)
    git(one.root, "add", "--all")
    git(one.root, "commit", "--quiet", "--message", "first")
    refusal = one.refused("release")
    assert output in refusal
    assert "ok " not in refusal
    assert not (one.root / "dist").exists()


def test_a_version_without_an_entry_in_the_changelog_is_refused_early_with_the_commits(project: Project) -> None:
    git(project.root, "tag", "v0.9")
    project.write("CHANGELOG.md", LOG.replace("## 1.0\n\n- Everything.\n", ""))
    committed(project, "Entry lost")
    output = project.refused("tag")
    assert "CHANGELOG.md: there is no entry for 1.0, expected a heading like '## 1.0'; write what changed" in output
    assert "- Entry lost" in output
    assert "ok " not in output
    assert "- Entry lost" in project.doit("changelog", "--draft")
    project.write("CHANGELOG.md", LOG.replace("## 1.0\n\n", ""))
    assert "expected a heading like '## 1.0'; put it above what is under 'Unreleased'" in project.refused("tag")


def test_what_comes_before_a_tag_cannot_be_left_out(project: Project) -> None:
    assert "--single leaves out what must have passed" in project.doit("run", "--single", "tag:gravel", code=1)
    assert git(project.root, "tag") == ""


# The checklist --------------------------------------------------------------------------------------------------------


def test_a_command_passes_once_for_a_commit_and_never_for_one_with_changes(project: Project) -> None:
    for _ in range(2):
        project.doit("checklist:gravel:count")
        assert ran(project) == 1
    project.write("README.md", "# changed\n")
    for times in (2, 3):
        project.doit("checklist:gravel:count")
        assert ran(project) == times
    committed(project)
    assert project.states("checklist:gravel:count") == {"checklist:gravel:count": "run"}
    project.doit("checklist:gravel:count")
    assert ran(project) == 4
    git(project.root, "checkout", "--quiet", "HEAD~1")
    assert project.states("checklist:gravel:count") == {"checklist:gravel:count": "run"}


def test_a_command_that_fails_stops_the_tag(project: Project) -> None:
    project.edit("pyproject.toml", "open('.cartwheel/ran', 'a').write('x')", "raise SystemExit('12 % slower')")
    committed(project)
    output = project.doit("tag", code=1)
    assert "FAIL  checklist:gravel:count" in output
    assert "12 % slower" in output
    assert git(project.root, "tag") == ""


def test_without_a_terminal_the_questions_are_listed_and_nothing_is_tagged(project: Project) -> None:
    output = project.doit("tag", code=1)
    assert "a person answers this for gravel 1.0, and there is no terminal here" in output
    assert "run: doit checklist:gravel" in output
    assert "- Smoke test on a real device\n      - Announcement written" in output
    assert git(project.root, "tag") == ""


def test_questions_come_before_anything_is_built(project: Project) -> None:
    read = read_project(project.root, {})
    asked = {step.name for step in checklist.steps(read)}
    assert all(not word.startswith("check:") for step in checklist.steps(read) for word in step.after)
    for step in (*tag.steps(read), *publish.steps(read)):
        checks = [place for place, name in enumerate(step.after) if name.startswith("check:")]
        questions = [place for place, name in enumerate(step.after) if name in asked]
        assert not checks or max(questions) < min(checks), step.name


@pytest.mark.skipif(os.name == "nt", reason="a terminal in a test is POSIX's")
def test_a_person_answers_once_for_each_version(project: Project) -> None:
    code, output = on_a_terminal(project, "tag", answers=("yes", "perhaps", "no"))
    assert code == 1
    assert "gravel 1.0: Smoke test on a real device [y/N]" in output
    assert "'Announcement written' was not confirmed; do it, and answer with yes: doit checklist:gravel" in output
    assert git(project.root, "tag") == ""
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", "another commit, the same version")
    git(project.root, "push", "--quiet")
    code, output = on_a_terminal(project, "release", answers=("y",))
    assert (code, "Smoke test" in output) == (0, False), output
    assert "v1.0 is on the remote; the pipeline that it starts does the rest:" in output
    assert "it builds and checks 2 files (any, source distribution)" in output
    assert "it publishes them to shelf and installs from there" in output
    tag = git(project.root.parent / "remote.git", "cat-file", "-p", "v1.0")
    assert tag.endswith("gravel 1.0\n\n- Everything.")
    project.doit("bump", "minor", "--offline", "--no-commit", code=3)
    project.edit("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- More.\n")
    committed(project)
    project.doit("bump", "minor", "--offline")
    git(project.root, "push", "--quiet")
    asked = "checklist:gravel:smoke-test-on-a-real-device"
    assert project.states(asked)[asked] == "run", "another version"


def test_a_checklist_whose_stage_is_missing_in_dodo_py_is_said_in_a_line(project: Project) -> None:
    project.edit("dodo.py", "task_checklist = wheels.checklist\n", "")
    output = project.refused("tag")
    assert output == "ERROR: publish:shelf:gravel. Task dependency 'checklist:gravel:count' does not exist."


def test_a_rehearsal_runs_the_commands_and_asks_nobody(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = '{"url": "http://127.0.0.1:9/", "simple": "http://127.0.0.1:9/simple/", "rehearsal": true}'
    monkeypatch.setenv("CARTWHEEL_REHEARSAL", f'{{"pypi": {shelf}}}')
    rehearsed = read_project(project.root, {})
    assert checklist.tasks_before_tag(rehearsed, rehearsed.packages[0]) == ("checklist:gravel:count",)
    assert "check:set:gravel" in gate.checks_before_tag(rehearsed, rehearsed.packages[0])


# In a pipeline --------------------------------------------------------------------------------------------------------

RUNS = [
    {"CI": "true", "GITHUB_REF": "refs/tags/v1.0", "GITHUB_REF_NAME": "v1.0"},
    {"CI": "true", "CI_COMMIT_TAG": "v1.0"},
]


@pytest.mark.parametrize("run", RUNS)
def test_the_run_that_a_tag_started_verifies_the_tag_and_needs_nothing_else_for_it(
    project: Project, tmp_path: Path, run: dict[str, str]
) -> None:
    git(project.root, "tag", "--annotate", "--message", "gravel 1.0", "v1.0")
    git(project.root, "push", "--quiet", "origin", "v1.0")
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=v1.0", (tmp_path / "remote.git").as_uri(), "job")
    job = Project(tmp_path / "job")
    git(job.root, "remote", "set-url", "origin", str(tmp_path / "nowhere.git"))
    output = job.doit("tag", env=run)
    assert "v1.0: already on" in output
    assert "3 done" in output
    assert "publish:shelf:gravel" in job.doit("plan", "release", env=run), "the pipeline itself does everything"
    job.edit("pyproject.toml", 'version = "1.0"', 'version = "1.1"')
    output = job.doit("build", env=run, code=1)
    assert "this run was started by the tag v1.0, but pyproject.toml says 1.1, tagged v1.1" in output


def test_a_run_of_another_tag_or_of_a_branch_is_no_release(project: Project) -> None:
    for run in ({"CI": "true", "GITHUB_REF": "refs/tags/nightly"}, {"CI": "true", "GITHUB_REF": "refs/heads/v1.0"}):
        project.doit("version-sync", env=run)


def test_a_pipeline_on_a_detached_head_without_the_tag_makes_none(project: Project) -> None:
    without_checklist(project)
    git(project.root, "checkout", "--quiet", "--detach")
    output = project.refused("tag", env={"CI": "true"})
    assert "does not carry v1.0; the pipeline verifies a tag and makes none" in output
    assert "HEAD is detached; check out main" in project.refused("tag", env={"CI": "false"})
    assert git(project.root, "tag") == ""


def test_where_a_pipeline_makes_the_wheels_the_names_of_all_files_are_judged_though_few_are_here() -> None:
    names = ("gravel-1.0.tar.gz", "gravel-1.0-py3-none-any.whl", "gravel-1.0-cp311-abi3-linux_x86_64.whl")
    (finding,) = name_findings(names)
    assert str(finding) == f"{names[2]}: platform tag linux_x86_64 is not accepted (platform-tag)"


@pytest.mark.lab
def test_where_a_pipeline_makes_the_wheels_this_machine_s_files_and_all_names_are_judged(project: Project) -> None:
    read = read_project(project.root, {})
    package = read.packages[0]
    assert gate.checks_before_tag(read, package) == ("check:any:gravel:py3", "check:sdist:gravel")
    without_checklist(project)
    project.edit("pyproject.toml", 'description = "a pure package"', f'description = "{"long " * 110}"')
    committed(project)
    output = project.doit("tag", code=1)
    assert "v1.0: not tagged:" in output
    assert "(summary)" in output
    assert git(project.root, "tag") == ""


def test_a_stage_that_has_nothing_to_do_says_why(tmp_path: Path) -> None:
    one = pure(tmp_path / "p")
    one.edit("pyproject.toml", 'publish = ["shelf"]', "publish = []")
    output = one.doit("tag", "publish", "checklist")
    for stage in ("tag", "publish"):
        assert f"{stage}: nothing to do: no package is published" in output
    assert "checklist: nothing to do: nothing is on the checklist" in output


# What the doctor says of a release ---------------------------------------------------------------------------------


def released_by_hand(tmp_path: Path) -> Project:
    """A committed project on its remote that publishes from this machine."""
    project = pure(tmp_path / "p")
    project.edit("pyproject.toml", "127.0.0.1:9/", '127.0.0.1:9/"\nsimple = "http://127.0.0.1:9/simple/')
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "first")
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


SET = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}


def old_tag(project: Project) -> None:
    git(project.root, "tag", "v2026.01.01")


def fork(project: Project) -> None:
    git(project.root, "remote", "add", "upstream", "https://example.invalid/p.git")


def unpushed(project: Project) -> None:
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", "more")


def no_test(project: Project) -> None:
    project.edit("pyproject.toml", 'test = { skip = "nothing to test" }\n', "")
    committed(project)


def private_classifier(project: Project) -> None:
    project.edit("pyproject.toml", "[project]\n", '[project]\nclassifiers = ["Private :: Do Not Upload"]\n')
    committed(project)


def no_readme(project: Project) -> None:
    text = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("readme"))
    head, _, tail = text.partition("[tool.cartwheel.index.shelf]\n")
    project.write("pyproject.toml", f'{head}[tool.cartwheel.index.shelf]\nrules = {{ "refuse readme" = "x" }}\n{tail}')
    committed(project)


def no_entry(project: Project) -> None:
    project.write("CHANGELOG.md", "# Changes\n\n## Unreleased\n\n## 0.9\n\n- Old.\n")
    git(project.root, "add", "CHANGELOG.md")
    committed(project)


def no_remote(project: Project) -> None:
    (project.root.parent / "remote.git").rename(project.root.parent / "away.git")


REFUSED = [
    (old_tag, "version 1.0 is lower than the last tag v2026.01.01"),
    (fork, "to which one are releases pushed?"),
    (unpushed, "origin/main lacks 1 commit; `git push origin main` first"),
    (no_test, "gravel: no test command is known for gravel-1.0-py3-none-any.whl"),
    (private_classifier, "classifier 'Private :: Do Not Upload' asks not to be published (private)"),
    (no_readme, "shelf: gravel: it has no description; name a readme in [project] (readme)"),
    (no_entry, "CHANGELOG.md: there is no entry for 1.0"),
    (no_remote, "remote 'origin'"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_the_doctor_and_ready_name_what_would_refuse_a_release_in_the_same_words(
    change: Callable[[Project], None], words: str, tmp_path: Path
) -> None:
    one = released_by_hand(tmp_path)
    change(one)
    doctor = one.doit("doctor", env=SET)
    assert "release of gravel 1.0: would be refused:" in doctor
    assert words in doctor
    ready = one.refused("ready:gravel", env=SET)
    assert words in ready
    assert not (one.root / "dist").exists()


def test_the_doctor_says_that_nothing_refuses_and_that_credentials_are_missing(tmp_path: Path) -> None:
    one = released_by_hand(tmp_path)
    assert "release of gravel 1.0: nothing known refuses it" in one.doit("doctor", env=SET)
    lone = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "TWINE_PASSWORD": ""}
    document = json.loads(one.doit("doctor", "--json", env=lone))["releases"]
    (line,) = document[0]["refusals"]
    assert line.startswith("index shelf: no credentials; set CARTWHEEL_INDEX_SHELF_TOKEN")
    assert "release of" not in one.doit("doctor", "--offline", env=lone)
    assert git(one.root, "status", "--porcelain") == ""


def test_all_that_refuses_a_release_is_said_at_once(tmp_path: Path) -> None:
    one = released_by_hand(tmp_path)
    for change in (old_tag, no_test, unpushed):
        change(one)
    output = one.refused("release", env=SET)
    for words in ("is lower than the last tag", "no test command is known", "origin/main lacks 1 commit"):
        assert words in output


def test_missing_credentials_refuse_a_release_before_anything_is_built(tmp_path: Path) -> None:
    one = released_by_hand(tmp_path)
    output = one.refused("ready:gravel", env={"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"})
    assert "index shelf: no credentials; set CARTWHEEL_INDEX_SHELF_TOKEN" in output
    assert not (one.root / "dist").exists()


@pytest.mark.parametrize(
    ("tasks", "by_ci", "expected"),
    [
        (("release",), False, ("shelf", "github")),
        (("release:gravel",), False, ("shelf", "github")),
        (("release",), True, ()),
        (("publish",), True, ("shelf", "github")),
        (("publish:github",), False, ("github",)),
        (("publish:shelf:gravel", "build"), False, ("shelf",)),
        (("tag",), False, ()),
        (("verify",), False, ()),
        (("ready",), False, ("shelf", "github")),
        (("ready:gravel", "verify"), False, ("shelf", "github")),
        (("ready",), True, ()),
    ],
    ids=str,
)
def test_credentials_are_asked_for_the_indexes_that_the_run_sends_to(
    tasks: tuple[str, ...], by_ci: bool, expected: tuple[str, ...], tmp_path: Path
) -> None:
    one = pure(tmp_path / "p")
    origin = '[tool.cartwheel.release]\nfrom = "ci"\n' if by_ci else ""
    one.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf", "github"]')
    one.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", f"{origin}[tool.cartwheel.index.shelf]")
    project = read_project(one.root, {})
    (package,) = project.packages
    assert offline_refusals.receivers(project, package, work_of(one.root, *tasks)) == expected
    rehearsed = rehearsal_project(
        project, {kind: IndexSettings(url="http://127.0.0.1:9/") for kind in ("pypi", "github")}
    )
    assert offline_refusals.receivers(rehearsed, package, work_of(one.root, *tasks)) == ()


def work_of(root: Path, *tasks: str) -> Work:
    """The work of a step whose command line names these tasks."""
    log = StepLog(root / ".cartwheel" / "log", shown_as="the log")
    snapshot = DiskSnapshot(root, {}, lambda tool: "")
    return Work(root=root, scratch=root, log=log, snapshot=snapshot, before=None, named=tasks, announce=print)


def test_a_job_of_a_pipeline_is_told_at_its_start_that_it_lacks_the_token_of_a_page(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    page = '[tool.cartwheel.index.github]\nrepository = "me/releases"\n'
    project.write("pyproject.toml", text.replace('publish = ["shelf"]', 'publish = ["shelf", "github"]') + page)
    committed(project)
    git(project.root, "tag", "--annotate", "--message", "gravel 1.0", "v1.0")
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    job = {"GITHUB_REF": "refs/tags/v1.0", "CI": "true", "CARTWHEEL_FROZEN": "1"}
    output = project.refused("publish:github", env=job)
    assert "FAIL  ready:gravel" in output
    assert "github: no token; set CARTWHEEL_INDEX_GITHUB_TOKEN" in output
    assert "shelf: no credentials" not in output


def test_a_rehearsal_of_a_package_without_tests_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    one = pure(tmp_path / "p")
    one.edit("pyproject.toml", 'test = { skip = "nothing to test" }\n', "")
    rehearsed = rehearsal_project(read_project(one.root, {}), {"pypi": IndexSettings(url="http://127.0.0.1:9/")})
    with pytest.raises(StepFailed, match="no test command is known for gravel-1"):
        gate.refuse_untested(rehearsed, rehearsed.packages[0], work_of(one.root, "release"))


def test_an_index_for_practice_refuses_before_anything_is_built_and_asks_for_no_tag(tmp_path: Path) -> None:
    one = pure(tmp_path / "p")
    there = 'url = "https://index.invalid/"\nsimple = "https://index.invalid/simple/"\nrehearsal = true'
    one.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', there)
    output = one.refused("publish", env={"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"})
    assert "FAIL  ready:gravel" in output
    assert "index shelf: no credentials" in output
    assert "again: doit publish" in output
    assert not (one.root / "dist").exists()


def test_a_version_that_was_never_published_is_not_built_to_verify_it(tmp_path: Path) -> None:
    one = released_by_hand(tmp_path)
    with faulty() as index:
        text = (one.root / "pyproject.toml").read_text(encoding="utf-8")
        one.write("pyproject.toml", text.replace("http://127.0.0.1:9/simple/", f"{index.base}/simple/"))
        output = one.refused("verify")
        assert "shelf has no file of gravel 1.0; publish it first: doit publish:shelf" in output
        assert not (one.root / "dist").exists()
        assert "ok  ready:gravel" in one.doit("verify", env={"CARTWHEEL_FROZEN": "1"}, code=1)


# What jobs that publish install -----------------------------------------------------------------------------------


def test_a_lock_without_a_hash_of_cartwheel_itself_is_named(project: Project) -> None:
    lock = project.root / ".github" / "cartwheel-publish.txt"
    text = lock.read_text(encoding="utf-8")
    lock.write_text("".join(re.split(r"(?m)^cartwheel==(?:.*\\\n)*.*\n", text)), encoding="utf-8")
    read = read_project(project.root, {})
    (line,) = unlocked_cartwheel(project.root, read, version="0.1.0")
    assert line.startswith(".github/cartwheel-publish.txt has no hash of cartwheel 0.1.0 itself")
    lock.write_text(f"{text}cartwheel==0.1.0 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    assert unlocked_cartwheel(project.root, read, version="0.1.0") == ()


@pytest.mark.parametrize(
    ("word", "locked"),
    [
        ("./wheels/cartwheel-0.1.0-py3-none-any.whl", True),
        ("cartwheel==0.1.0", True),
        ("cartwheel @ git+https://forge.example/cartwheel@v1", False),
        (f"cartwheel @ git+https://forge.example/cartwheel@{'a1' * 20}", True),
        ("cartwheel @ https://forge.example/cartwheel-0.1.0-py3-none-any.whl", False),
        (f"cartwheel @ https://forge.example/cartwheel-0.1.0-py3-none-any.whl#sha256={'0' * 64}", True),
    ],
)
def test_a_cartwheel_from_an_address_without_a_digest_is_named(word: str, locked: bool, tmp_path: Path) -> None:
    one = pure(tmp_path / "p")
    install = f'[tool.cartwheel.ci]\ninstall = ["{word}"]\n[tool.cartwheel.index.shelf]'
    one.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", install)
    lines = unlocked_cartwheel(one.root, read_project(one.root, {}), version="0.1.0")
    assert len(lines) == (not locked), lines
