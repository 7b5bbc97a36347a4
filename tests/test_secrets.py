"""Secrets of `environment`: in no file or log, reported before anything is done, kept where a forge keeps them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from cartwheel.ci.pipeline_files import FORGES
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.commands.ci_advice import advice
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import StepFailed
from cartwheel.process import environment
from cartwheel.process.redact import redact
from cartwheel.process.step_log import StepLog
from support.ci_projects import LINUX
from support.models import crate, manifests, understood
from support.projects import Project, pure

KEY = '-----BEGIN KEY-----\nAbCd+/01\nq"uo\\te\n}\n-----END KEY-----\n'
PLAIN = "import os; print(os.environ['KEY'])"
ESCAPED = "import json, os; key = os.environ['KEY']; print(repr(key), json.dumps({'key': key}), [key.encode()])"
LINES = "import os; print(*map(repr, os.environ['KEY'].splitlines()))"


@pytest.mark.parametrize("program", [PLAIN, ESCAPED, LINES], ids=["plain", "escaped", "lines"])
def test_no_line_of_a_secret_of_several_is_in_the_log_or_the_failure(program: str, tmp_path: Path) -> None:
    log = StepLog(tmp_path / "log", shown_as="log")
    log.hide((KEY,))
    with pytest.raises(StepFailed) as failure:
        log.run((sys.executable, "-c", f"import os, sys; {program}; sys.stdout.flush(); os._exit(3)"),
                cwd=tmp_path, env={**os.environ, "KEY": KEY})  # fmt: skip
    for text in (str(failure.value), (tmp_path / "log").read_text()):
        printed = text.partition("# in")[2]
        assert "***" in text
        assert not [part for part in ("BEGIN", "AbCd", "uo", "END KEY") if part in (printed or text)]


def test_what_a_command_is_asked_for_is_masked_in_the_log_and_answered_as_it_is(tmp_path: Path) -> None:
    log = StepLog(tmp_path / "log", shown_as="log")
    log.hide(("obsidian",))
    output = log.read((sys.executable, "-c", "print('obsi' + 'dian')"), cwd=tmp_path, env=os.environ)
    assert output.strip() == "obsidian"
    assert "obsidian" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("a is 1, and banana", ("a", "1", "nan"), "a is 1, and banana"),
        ("key=abcd!", ("abcd",), "key=***!"),
        ("{ abcd }", ("{\nabcd\n}\n",), "{ *** }"),
        ("abcdef abcd", ("abcd", "abcdef"), "*** ***"),
        ("gr\\u00fcn grün", ("grün",), "*** ***"),
        ("nothing", ("",), "nothing"),
    ],
)
def test_a_value_is_masked_with_its_lines_unless_it_is_too_short(
    text: str, secrets: tuple[str, ...], shown: str
) -> None:
    assert redact(text, secrets) == shown


@pytest.mark.parametrize("environ", [{}, {"OURS": ""}], ids=["not defined", "empty"])
def test_a_secret_without_a_value_is_not_set(environ: dict[str, str]) -> None:
    values = {"KEY": Secret(secret="OURS"), "PLAIN": ""}
    assert "KEY is to be what $OURS holds, and that is not set" in environment.missing_secrets(values, environ)
    with pytest.raises(StepFailed, match="not set"):
        environment.configured_environment(values, environ)
    assert environment.configured_environment(values, {"OURS": "x"}) == {"KEY": "x", "PLAIN": ""}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One pure wheel that is built with a secret."""
    project = pure(tmp_path / "project")
    text = (project.root / "pyproject.toml").read_text()
    table = '[tool.cartwheel]\nenvironment = { KEY = { secret = "OUR_KEY" } }'
    project.write("pyproject.toml", text.replace("[tool.cartwheel]", table))
    return project


@pytest.mark.parametrize("env", [{}, {"OUR_KEY": ""}], ids=["not defined", "empty"])
def test_the_plan_and_the_doctor_say_which_secret_is_not_set(project: Project, env: dict[str, str]) -> None:
    tasks = {row["name"]: row for row in json.loads(project.doit("plan", "--json", env=env))["tasks"]}
    build = next(row for name, row in tasks.items() if name.startswith("build:any"))
    assert build["state"] == "blocked"
    assert "KEY is to be what $OUR_KEY holds, and that is not set" in build["why"][0]
    output = project.doit("doctor", env=env, code=1)
    assert "needs $OUR_KEY" in output
    assert "set OUR_KEY: the configuration's 'environment' takes a secret from it" in output
    assert "$OUR_KEY holds, and that is not set" in project.doit("build", env=env, code=1)


def test_with_the_secret_set_both_are_content_and_what_is_built_needs_it_no_more(project: Project) -> None:
    word = {"OUR_KEY": "obsidian"}
    assert "any                             -         ready" in project.doit("doctor", env=word)
    assert "blocked" not in project.doit("plan", env=word)
    project.doit("build", env=word)
    assert "blocked" not in project.doit("plan", "build")


def test_a_pipelines_plan_does_not_miss_a_secret_that_only_its_builds_have(project: Project) -> None:
    page = project.root / "page.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}
    assert "check:any" in project.doit("ci", "matrix", env=env)
    assert "not set" not in page.read_text()


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        ("github", "the secret VENDOR_KEY in the environment build"),
        ("gitlab", "the masked variable VENDOR_KEY, without an environment scope (Settings > CI/CD > Variables)"),
    ],
)
def test_where_a_secret_is_kept_is_said_in_the_words_of_the_forge(forge: str, words: str) -> None:
    table = {"targets": [LINUX], "environment": {"LICENSE_KEY": {"secret": "VENDOR_KEY"}}}
    model = understood(manifests(table, cargo=crate("abi3-py311")))
    lines = list(advice(pipeline(model, version="1.0"), FORGES[forge], model))
    assert f"build: keep what its wheels are built with as {words}" in lines
