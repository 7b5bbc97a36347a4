"""What `doit adopt` reads of scripts and task runners that a workflow calls: their uploads and their builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from doit.exceptions import InvalidCommand

from cartwheel.adoption.built_wheels import BuildCall, build_calls
from cartwheel.adoption.called_scripts import expand_calls
from cartwheel.adoption.publishers import publishers, rivals
from cartwheel.adoption.release_keys import GitFacts, release_table
from cartwheel.adoption.tags_and_changelog import changelog_of, foreign_tag, tag_form
from cartwheel.adoption.task_files import make_commands
from cartwheel.adoption.uploads import UNNAMED, index_addresses
from cartwheel.adoption.workflows import workflows
from cartwheel.commands.adopt import Adopt
from cartwheel.filesystem.repository_files import read_repository, read_workflows
from support.adoptions import adopted

CORP = "https://pkgs.example/up"
MAKE = f"""\
# how it is released
INDEX ?= {CORP}
.PHONY: all release
all: wheel
wheel:
\tmaturin build --release --out dist

release: wheel | check
\t@twine upload \\
\t  --repository-url $(INDEX) dist/*
check:
\ttwine check dist/*
publish-test: INDEX := testpypi
publish-test:
\ttwine upload -r $(INDEX) dist/*
again:
\t$(MAKE) release INDEX=https://other.example/up
"""
JUST = f"""\
set shell := ["bash", "-c"]
index := env_var_or_default("INDEX", "{CORP}")
alias r := release
default: release

wheel:
    maturin build
# sends the files
release where=index: wheel
    uv publish --publish-url {{{{ where }}}}
[group('x')]
send name *more: (release "https://other.example/up")
    echo {{{{name}}}}
"""
NOX = f"""\
import nox, os
URL = "{CORP}"
@nox.session(name="release", python="3.12")
def _release(session: nox.Session) -> None:
    session.install("twine")
    session.run("twine", "upload", "--repository-url", URL, "dist/*")
@nox.session
def from_env(session):
    session.run("twine", "upload", "dist/*", env={{"TWINE_REPOSITORY_URL": f"{{URL}}"}})
@nox.session
def with_arguments(session):
    session.run("twine", "upload", *session.posargs, "dist/*")
@nox.session
def grown(session):
    command = ["twine", "upload", "dist/*"]
    if os.environ.get("X"):
        command += ["--repository-url", URL]
    session.run(*command)
@nox.session
def asked(session):
    session.run("twine", "upload", "--repository-url", os.environ["WHERE"], "dist/*")
@nox.session
def tests(session):
    session.run("pytest")
"""
TOX = f"""\
[tox]
envlist = py
[testenv]
commands = pytest
[testenv:release]
setenv =
    TWINE_REPOSITORY_URL = {{env:WHERE:{CORP}}}
deps = twine
commands =
    python -m build
    release: twine upload {{posargs:dist/*}}
"""
FILES = {
    "Makefile": MAKE,
    "justfile": JUST,
    "noxfile.py": NOX,
    "tox.ini": TOX,
    "tools/send.sh": f'#!/bin/sh\nset -e\ntwine upload --repository-url "${{1:-{CORP}}}" dist/*\n',
    "tools/send.py": "import subprocess, sys\ndef main():\n    subprocess.run([sys.executable, '-m', 'twine', 'upload',"
    f" '--repository-url', '{CORP}', 'dist/*'], check=True)\nmain()\n",
    "tools/all.sh": '"$(dirname "$0")/send.sh"\n',
    "sub/Makefile": f"up:\n\tuv publish --publish-url {CORP}\n",
    "tasks.py": f"from invoke import task\n@task\ndef send(c):\n"
    f"    c.run('twine upload --repository-url {CORP} dist/*')\n",
    "dodo.py": "def task_send():\n    return {'actions': ['twine upload --repository-url " + CORP + " dist/*']}\n",
    "Taskfile.yml": f"tasks:\n  send:\n    cmds: [{{ task: up }}]\n  up:\n"
    f"    cmds: [twine upload --repository-url {CORP} d/*]\n",
    "pyproject.toml": f"""
[tool.poe.tasks]
send = {{ sequence = ["wheel", {{ cmd = "twine upload --repository-url {CORP} dist/*" }}] }}
wheel = "maturin build"
[tool.pdm.scripts]
send = {{ composite = ["up"] }}
up = {{ cmd = ["uv", "publish", "--publish-url", "{CORP}"] }}
[tool.hatch.envs.rel.scripts]
send = ["uv publish --publish-url {CORP}"]
[tool.pixi.tasks]
send = {{ cmd = "uv publish --publish-url {CORP}", depends-on = ["wheel"] }}
wheel = "maturin build"
""",
}


def flow(run: str, env: str = "") -> str:
    lines = "".join(f"          {line}\n" for line in run.splitlines())
    return (
        "on: { push: { tags: ['v*'] } }\njobs:\n  send:\n    runs-on: ubuntu-latest\n    steps:\n"
        f"      - env: {{ {env} }}\n        run: |\n{lines}"
    )


def indexes(run: str, files: dict[str, str] | None = None, env: str = "") -> list[str]:
    texts = {**(FILES if files is None else files), ".github/workflows/x.yml": flow(run, env)}
    rows = publishers(workflows(texts), index_addresses(texts))
    return [row.index for row in rows if row.workflow.startswith(".github/")]


@pytest.mark.parametrize(
    "run",
    [
        "make release",
        "make -j 2 -C . release",
        "cd sub && make up",
        "make -C sub up",
        "just release",
        "just",
        "just r",
        "nox -s release",
        "uvx nox --session release",
        "python -m nox -e from-env",
        f"nox -s with_arguments -- --repository-url {CORP}",
        "nox -s grown",
        "tox -e release",
        "uv run --with tox tox run -e release -- dist/a.whl",
        "./tools/send.sh",
        "bash -euo pipefail tools/send.sh",
        f"sh tools/send.sh {CORP}",
        "bash tools/all.sh",
        "python tools/send.py",
        "uv run python tools/send.py",
        "inv send",
        "doit send",
        "python -m doit send",
        "task send",
        "poe send",
        "uv run poe send",
        "pdm run send",
        "hatch run rel:send",
        "pixi run send",
    ],
)
def test_an_upload_inside_of_a_script_or_a_task_goes_to_the_index_that_it_names(run: str) -> None:
    assert set(indexes(run)) == {CORP}


@pytest.mark.parametrize(
    ("run", "env", "index"),
    [
        ("make release INDEX=https://other.example/up", "", "https://other.example/up"),
        ("make release", "INDEX: https://other.example/up", "https://other.example/up"),
        ("INDEX=https://other.example/up make release", "", "https://other.example/up"),
        ("make again", "", "https://other.example/up"),
        ("make publish-test", "", "testpypi"),
        ("just release https://other.example/up", "", "https://other.example/up"),
        ("just release", "INDEX: https://other.example/up", "https://other.example/up"),
        ("just send x", "", "https://other.example/up"),
        ("tox -e release", "WHERE: https://other.example/up", "https://other.example/up"),
        ("./tools/send.sh https://other.example/up", "", "https://other.example/up"),
        ("nox -s asked", "WHERE: https://other.example/up", "https://other.example/up"),
        ("nox -s asked", "", "${WHERE}"),
        ("nox -s with_arguments", "", "pypi"),
        ("WHERE=https://other.example/up\ntwine upload -r $WHERE dist/*", "", "https://other.example/up"),
        ("TWINE_REPOSITORY=testpypi twine upload dist/*\nTWINE_REPOSITORY=pypi twine check x", "", "testpypi"),
    ],
)  # fmt: skip
def test_arguments_and_variables_of_a_call_choose_the_index(run: str, env: str, index: str) -> None:
    assert indexes(run, env=env) == [index]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("make publish", [UNNAMED]),
        ("make release", [UNNAMED]),
        ("nox -s release", [UNNAMED]),
        ("just publish-pypi", [UNNAMED]),
        ("./ci/upload.sh", [UNNAMED]),
        ("python ci/publish_wheels.py", [UNNAMED]),
        ("bash ci/upload_coverage.sh", []),
        ("cargo build --release", []),
        ("python build.py --release", []),
        ("make test", []),
        ("echo make publish", []),
        ("cargo publish", ["crates-io"]),
    ],
)
def test_a_call_that_seems_to_publish_and_cannot_be_read_is_no_upload_to_pypi(run: str, expected: list[str]) -> None:
    assert indexes(run, {}) == expected


@pytest.mark.parametrize("run", ["nox -s tests", "make check", "tox -e py"])
def test_a_task_that_publishes_nothing_is_no_publisher(run: str) -> None:
    assert indexes(run) == []


def calls(run: str, **files: str) -> tuple[BuildCall, ...]:
    texts = {**files, ".github/workflows/x.yml": flow(run)}
    return build_calls(workflows(texts), texts)


@pytest.mark.parametrize("run", ["make wheel", "just wheel", "./build.sh", "bash build.sh && ls dist", "poe wheel"])
def test_a_build_inside_of_a_script_is_the_build_and_nothing_before_it(run: str) -> None:
    (call,) = calls(run, **FILES, **{"build.sh": "#!/usr/bin/env bash\nset -eux\nmaturin build --release\n"})
    assert (call.tool, call.triples, call.left_out) == ("maturin", ("x86_64-unknown-linux-gnu",), ())


def test_a_script_in_a_container_is_its_commands() -> None:
    script = (
        "#!/bin/bash\nset -e\nfor v in cp311-cp311 cp312-cp312; do\n  /opt/python/$v/bin/pip wheel /io -w out\ndone\n"
    )
    run = "docker run --rm -v $(pwd):/io quay.io/pypa/manylinux2014_x86_64 /io/ci/build-wheels.sh"
    (call,) = calls(run, **{"ci/build-wheels.sh": script})
    assert (call.pythons, call.floor) == (("3.11", "3.12"), "manylinux2014")


def test_scripts_that_call_each_other_end() -> None:
    texts = {"a.sh": "sh b.sh\n", "b.sh": "sh a.sh\nmaturin build\n", "Makefile": "x: y\ny: x\n\tmake x\n"}
    assert "maturin build" in expand_calls("sh a.sh", ".", texts, {})
    assert expand_calls("make x", ".", texts, {}) is not None


@pytest.mark.parametrize("text", ["", "\t", "x", "x:", "def f(:", "[a", "{{", "$(", "a := (", "[testenv:x\ncommands"])
@pytest.mark.parametrize(
    "run", ["make x", "just x", "nox -s x", "tox -e x", "poe x", "task x", "sh x.sh", "python x.py", "("]
)
def test_a_file_that_no_runner_could_read_is_no_fault(text: str, run: str) -> None:
    names = ("Makefile", "justfile", "noxfile.py", "tox.ini", "pyproject.toml", "Taskfile.yml", "x.sh", "x.py")
    assert isinstance(expand_calls(run, ".", dict.fromkeys(names, text), {}), str)


def test_scripts_of_a_pipeline_are_read_wherever_they_are(tmp_path: Path) -> None:
    files = {
        ".github/workflows/x.yml": flow("./.ci/a.sh\nbash -e ${{ github.workspace }}/tools/deep/c"),
        ".ci/a.sh": "sh tools/b.sh\n",
        "tools/b.sh": "true\n",
        "tools/deep/c": "true\n",
        "other/d.sh": "true\n",
        "Makefile": "x:\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for texts in (read_repository(tmp_path), read_workflows(tmp_path)):
        assert {path for path in files if texts.get(path)} == set(files) - {"other/d.sh"}


def test_a_release_by_make_is_adopted_with_its_index(tmp_path: Path) -> None:
    adoption, table = adopted(tmp_path / "x", workflow=flow("make release"), Makefile=MAKE)
    assert (table["publish"], table["index"]) == (["pkgs-example"], {"pkgs-example": {"url": CORP}})
    assert not [note for note in adoption.notes if "publishes" in note or "before the build" in note]


BY_HAND = "release:\n\tmaturin build --target aarch64-apple-darwin\n\ttwine upload -r testpypi dist/*\n"


@pytest.mark.parametrize(
    ("path", "text", "index", "triples"),
    [
        ("Makefile", BY_HAND, "testpypi", ["aarch64-apple-darwin"]),
        ("Makefile", "release:\n\tmaturin build\n\ttwine upload dist/*\n", "pypi", []),
        ("justfile", f"wheel t:\n  maturin build --target {{{{t}}}}\n"
         f"up: (wheel 'aarch64-apple-darwin')\n  uv publish --publish-url {CORP}\n", CORP, ["aarch64-apple-darwin"]),
        ("noxfile.py", f"@nox.session\ndef up(session):\n  session.run('twine', 'upload', '-r', '{CORP}')\n",
         CORP, []),
        ("tox.ini", "[testenv:release]\ncommands=\n  twine upload -r testpypi dist/*\n", "testpypi", []),
        ("tasks.py", f"def release(c):\n    c.run('twine upload --repository-url {CORP} dist/*')\n", CORP, []),
        ("scripts/release.sh", "for t in aarch64-apple-darwin; do maturin build --target $t; done\ntwine upload x\n",
         "pypi", ["aarch64-apple-darwin"]),
        ("bin/publish", f"#!/bin/sh\nmaturin build --target $1\nuv publish --publish-url {CORP}\n", CORP, []),
        ("tools/upload.py", "import subprocess\nsubprocess.run(['twine', 'upload', '-r', 'testpypi', 'dist/*'])\n",
         "testpypi", []),
        ("Makefile", "docs:\n\tmkdocs build\ntest:\n\tpytest\n", "", []),
        ("src/publish.py", "import subprocess\nsubprocess.run(['twine', 'upload', 'dist/*'])\n", "", []),
    ],
)  # fmt: skip
def test_a_release_that_a_person_starts_is_read_where_no_pipeline_uploads(
    tmp_path: Path, path: str, text: str, index: str, triples: list[str]
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(text)
    texts = read_repository(tmp_path)
    pipelines = workflows(texts)
    senders = publishers(pipelines, index_addresses(texts))
    assert {row.index for row in senders} == ({index} if index else set())
    assert [call.triples for call in build_calls(pipelines, texts)] == [(triple,) for triple in triples]
    table, _ = release_table(senders, GitFacts(), crates=False)
    assert table.get("publish", ["pypi"])[-1:] == [{CORP: "pkgs-example", "": "pypi"}.get(index, index)]
    assert rivals(pipelines, texts, tags=["v{version}"], indexes=["pypi", CORP]) == ()
    workflow = {".github/workflows/r.yml": flow("twine upload dist/*")}
    assert len(workflows({**texts, **workflow})) == 1, "a pipeline that uploads is the only evidence"


def test_an_address_of_hatch_or_of_uv_s_own_file_is_known() -> None:
    uv = f'[[index]]\nname = "one"\nurl = "https://x.example"\npublish-url = "{CORP}"\n'
    hatch = f'[tool.hatch.publish.index.repos.two]\nurl = "{CORP}"\n'
    assert index_addresses({"uv.toml": uv, "pyproject.toml": hatch}) == {"one": CORP, "two": CORP}


def test_a_release_by_an_unknown_target_is_not_published_to_pypi(tmp_path: Path) -> None:
    adoption, table = adopted(tmp_path / "x", workflow=flow("make publish"), Makefile="include rules.mk\n")
    assert table["publish"] == []
    assert [note for note in adoption.notes if "publishes to an index known only at run time (make publish)" in note]


UV = {
    folder: f'[project]\nname = "{name}"\nversion = "1"\n[build-system]\nrequires = ["maturin"]\n'
    for folder, name in (("a/pyproject.toml", "agate-one"), ("b/c/pyproject.toml", "agate.two"))
}


@pytest.mark.parametrize(
    ("run", "folders"),
    [
        ("uv build --package agate-two", ["b/c"]),
        ("uv build --package=Agate.One --wheel", ["a"]),
        ("uv build --all-packages", ["a", "b/c"]),
        ("uv build a -o dist", ["a"]),
        ("uv build --out-dir a", ["."]),
        ("uv build --directory b c", ["b/c"]),
        ("python -m build -w -o dist ./a", ["a"]),
        ("cd b && python -m build c", ["b/c"]),
        ("pushd b/c; maturin build --release; popd", ["b/c"]),
        ("pip wheel a --no-deps -w wheels", ["a"]),
        ("pip wheel --no-deps 'b/c[extra]'", ["b/c"]),
        ("python b/c/setup.py bdist_wheel", ["b/c"]),
        ("python -m build", ["."]),
        ("python -m pip wheel dist/*.tar.gz", ["."]),
        ("hatch build", ["."]),
        ("uv build --package unknown", ["unknown"]),
        ("uv build elsewhere/x", ["elsewhere/x"]),
    ],
)
def test_the_folder_of_a_plain_build_is_the_one_of_the_package_that_it_names(run: str, folders: list[str]) -> None:
    assert [call.folder for call in calls(run, **UV)] == folders


@pytest.mark.parametrize(
    ("run", "wheel", "sdist"),
    [
        ("python -m build", True, True),
        ("python -m build -s", False, True),
        ("python -m build -w", True, False),
        ("python -m build --sdist --wheel", True, True),
        ("pip wheel . -w out", True, False),
        ("hatch build -t sdist", False, True),
        ("poetry build --format wheel", True, False),
        ("pdm build --no-sdist", True, False),
        ("uv build --sdist", False, True),
        ("python setup.py sdist", False, True),
        ("python setup.py sdist bdist_wheel", True, True),
    ],
)
def test_a_plain_build_makes_what_its_options_name(run: str, wheel: bool, sdist: bool) -> None:
    (call,) = calls(run)
    assert (bool(call.triples), call.sdist) == (wheel, sdist)


def test_builds_in_a_folder_without_a_package_are_told(tmp_path: Path) -> None:
    adoption, _ = adopted(tmp_path / "x", workflow=flow("maturin build\nmaturin build -m tools/cli/Cargo.toml"))
    assert [note for note in adoption.notes if "no package's folder" in note] == [
        ".github/workflows/wheels.yml, job send: builds in 'tools/cli', which is no package's folder, so its files are "
        "in no plan; a package has a pyproject.toml with [build-system] there"
    ]


@pytest.mark.parametrize(
    ("tags", "form", "foreign"),
    [
        (("rel_0_3_0",), "", "rel_0_3_0"),
        (("release-0.3.0", "x1.0"), "release-{version}", ""),
        (("agate_0.3.0",), "agate_{version}", ""),
        (("agate@0.2.0", "agate-core@0.3.0"), "agate-core@{version}", ""),
        (("agate-v0.2.0", "agate-core-v0.2.0"), "agate-v{version}", ""),
        (("Release_0.3.0",), "Release_{version}", ""),
        (("py-v0.3.0", "rust-v0.3.0"), "py-v{version}", ""),
        (("V0.1",), "V{version}", ""),
        (("js-v9.0",), "", ""),
        (("rel_0_3_0", "v0.4.0"), "v{version}", ""),
    ],
)
def test_the_form_of_tags_is_that_of_the_package(tags: tuple[str, ...], form: str, foreign: str) -> None:
    proposal = tag_form(tags, "agate", ["0.3.0"], single=True)
    assert (proposal, foreign_tag(tags, proposal)) == (form, foreign)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["docs/changelog.md"], "docs/changelog.md"),
        (["docs/changes.rst", "README.md"], "docs/changes.rst"),
        (["doc/HISTORY", "doc/index.rst"], "doc/HISTORY"),
        (["docs/source/whatsnew.rst"], "docs/source/whatsnew.rst"),
        (["docs/changelog.md", "CHANGES.txt"], "CHANGES.txt"),
        (["docs/news/1.rst"], ""),
        (["release-notes.md"], "release-notes.md"),
    ],
)
def test_a_changelog_may_be_among_the_documentation(paths: list[str], expected: str) -> None:
    assert changelog_of(".", dict.fromkeys(paths, "")) == expected


def test_the_changelog_of_a_package_below_is_its_own_or_the_repositorys() -> None:
    texts = {"py/docs/changelog.md": "", "docs/history.rst": "", "py/x/pyproject.toml": ""}
    assert changelog_of("py", texts) == "docs/changelog.md"
    assert changelog_of("py/x", texts) == "../../docs/history.rst"
    towncrier = {"pyproject.toml": '[tool.towncrier]\nfilename = "notes/log.rst"\n', "notes/log.rst": "", "NEWS": ""}
    assert changelog_of(".", towncrier) == "notes/log.rst"


@pytest.mark.parametrize(
    ("run", "env", "rival"),
    [
        (
            "twine upload dist/*",
            'TWINE_REPOSITORY_URL: "${{ secrets.URL }}"',
            "may publish to an index of this project",
        ),
        ("make publish", "", "may publish to an index of this project"),
        ("uv publish --publish-url $WHERE", "", "may publish to an index of this project ($WHERE)"),
        ("twine upload dist/*", "", "publishes to pypi"),
        ("twine upload -r testpypi dist/*", "", ""),
        (f"twine upload --repository-url {CORP} dist/*", "", ""),
        ("cargo publish", "", ""),
    ],
)
def test_an_older_workflow_that_may_publish_to_the_same_index_is_a_rival(run: str, env: str, rival: str) -> None:
    texts = {".github/workflows/x.yml": flow(run, env)}
    lines = [row.advice() for row in rivals(workflows(texts), texts, tags=["v{version}"], indexes=["pypi"])]
    assert len(lines) == bool(rival)
    assert not rival or rival in lines[0]


@pytest.mark.parametrize("word", ["--jsn", "--wirte", "--ofline"])
def test_an_unknown_option_is_one_line_with_the_near_one(word: str) -> None:
    with pytest.raises(InvalidCommand, match=rf"^adopt: option {word} not recognized; did you mean '--\w+'\?; see: "):
        Adopt().parse_execute([word])


def test_targets_that_need_each_other_in_a_circle_run_once_each() -> None:
    text = "all: one\n\techo all\none: two\n\techo one\ntwo: three\n\techo two\nthree: one\n\techo three\n"
    assert make_commands(text, ["all"], {}, {}) == ["echo three", "echo two", "echo one", "echo all"]
