"""The next version, in every place at once or in none."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.model.versions.release_notes import notes_of
from cartwheel.new_version import bump_plan, refuse_taken
from cartwheel.pipeline import read_project
from cartwheel.repository.undo_note import NOTE, replace_with_note, undo
from cartwheel.stand_ins.crates import LoopbackRegistry
from cartwheel.stand_ins.pypi import LoopbackIndex
from cartwheel.versions.version_places import places, version_disagreements
from support.crates import workspace
from support.projects import Project, committed, pure
from support.repositories import commit, git, hook
from support.version_workspace import TODAY, WORKSPACE, bump, contents, new_project, project, written_version

# In files and commits -------------------------------------------------------------------------------------------------

CHANGES = "# Changes\n\n## [Unreleased]\n\n- fast\n\n## [1.2.0] - 2026-01-02\n\n- slow\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_place_moves_with_the_changelog_in_one_commit_and_no_other_byte(tmp_path: Path, newline: str) -> None:
    root = new_project(tmp_path / "r", {**WORKSPACE, "CHANGELOG.md": CHANGES, "other.txt": "1.2.0\n"}, newline)
    before = contents(root)
    output = bump(root, "minor", "alpha")
    assert version_disagreements(places(root, ".")) == ()
    assert written_version(root, ".") == "1.3.0-alpha.1"
    changed = {path for path, data in contents(root).items() if before.get(path) != data and ".git/" not in path}
    others = {f"crates/{name}/Cargo.toml" for name in ("demo-core", "other", "old")}
    assert changed == {*WORKSPACE, "CHANGELOG.md"} - others
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%s") == "Version 1.3.0-alpha.1"
    assert len(output) == 14
    heading = f"## [Unreleased]{newline}{newline}## [1.3.0-alpha.1] - {TODAY}{newline}{newline}- fast".encode()
    assert heading in (root / "CHANGELOG.md").read_bytes()
    for path in changed:
        back = (root / path).read_bytes().replace(b"1.3.0-alpha.1", b"1.2.0").replace(b"1.3.0a1", b"1.2.0")
        assert back == before[path] or path == "CHANGELOG.md"


def test_no_commit_only_writes(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    head = git(root, "rev-parse", "HEAD")
    bump(root, "1.4.0", commit=False)
    assert git(root, "rev-parse", "HEAD") == head
    assert written_version(root, ".") == "1.4.0"


def test_the_commit_has_the_message_of_the_template_and_nothing_that_was_staged_for_another(tmp_path: Path) -> None:
    message = '\n[tool.cartwheel]\nbump-message = "chore: {name} {version} ({tag})\\n\\n# kept"\n'
    root = new_project(
        tmp_path / "r", {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"] + message, "note.txt": "1"}
    )
    (root / "note.txt").write_text("2")
    git(root, "add", "note.txt")
    bump(root, "patch")
    assert git(root, "log", "-1", "--format=%B") == "chore: demo 1.2.1 (v1.2.1)\n\n# kept"
    assert git(root, "diff", "--cached", "--name-only") == "note.txt"


def test_a_file_that_holds_other_changes_is_not_committed_with_them(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    manifest = root / "Cargo.toml"
    manifest.write_text(manifest.read_text() + "\n# mine\n")
    before = contents(root)
    with pytest.raises(StepFailed, match=r"Cargo\.toml: holds changes that are not committed"):
        bump(root, "patch")
    assert contents(root) == before
    bump(root, "patch", commit=False)
    assert manifest.read_text().endswith("# mine\n")


def test_an_ignored_lock_file_moves_and_is_left_out_of_the_commit(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", {**WORKSPACE, ".gitignore": "uv.lock\n"})
    bump(root, "patch")
    assert 'version = "1.2.1"' in (root / "uv.lock").read_text()
    assert "uv.lock" not in git(root, "show", "--name-only", "HEAD")


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_hook_that_refuses_the_commit_leaves_every_file_as_it_was_and_is_quoted(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", {**WORKSPACE, "CHANGELOG.md": CHANGES})
    hook(root, "pre-commit", "echo 'not formatted' >&2\nexit 1\n")
    before, head = contents_but_git(root), git(root, "rev-parse", "HEAD")
    with pytest.raises(StepFailed, match="nothing was committed: not formatted\nevery file is as it was"):
        bump(root, "patch")
    assert (contents_but_git(root), git(root, "rev-parse", "HEAD")) == (before, head)
    assert git(root, "status", "--porcelain") == ""


def contents_but_git(root: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(root).items() if not path.startswith(".git/")}


CODE = """import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from support.version_workspace import bump, written_version
{}
"""


def script(root: Path, text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", CODE.format(text), str(Path(__file__).parent), str(root))


@pytest.mark.skipif(os.name == "nt", reason="the limit is POSIX's")
def test_a_file_that_cannot_be_written_puts_the_others_back(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", {**WORKSPACE, "Cargo.lock": WORKSPACE["Cargo.lock"] + "\n# long" * 500})
    before = contents_but_git(root)
    text = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\nbump(Path(sys.argv[2]), 'patch')"
    done = subprocess.run(script(root, text), capture_output=True, text=True)
    assert "cannot be written (File too large); every file is as it was" in done.stderr
    assert contents_but_git(root) == before
    assert not list(root.rglob(".new-*"))


def in_its_hook(project: Project, name: str, folder: Path) -> subprocess.Popen[str]:
    """A bump whose hook has begun, and waits for `folder / "go"`."""
    asked, go = folder / "asked", folder / "go"
    hook(project.root, name, f"touch {asked}\nfor i in $(seq 1200); do test -e {go} && break; sleep 0.05; done\n")
    process = project.start("bump", "patch", "--offline")
    while not asked.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bump_leaves_every_file_as_it_was_and_commits_nothing_later(
    tmp_path: Path, number: signal.Signals
) -> None:
    one = committed(pure(tmp_path / "r"))
    before, head = contents_but_git(one.root), git(one.root, "rev-parse", "HEAD")
    process = in_its_hook(one, "pre-commit", tmp_path)
    process.send_signal(number)
    _, output = process.communicate(timeout=60)
    (tmp_path / "go").touch()
    time.sleep(0.3)
    assert "interrupted\nevery file is as it was" in output
    assert process.returncode == 128 + number
    assert "Traceback" not in output
    contents = {path: data for path, data in contents_but_git(one.root).items() if not path.startswith(".cartwheel/")}
    assert (contents, git(one.root, "rev-parse", "HEAD")) == (before, head)
    (one.root / ".git" / "hooks" / "pre-commit").unlink()
    one.doit("bump", "patch", "--offline")


KILLED = """
import os
from cartwheel.filesystem import files
replace, done = os.replace, []
def killed(a, b):
    replace(a, b)
    done.append(b)
    if len(done) == 3:
        os._exit(9)
files.os.replace = killed
bump(Path(sys.argv[2]), 'minor', commit=False)"""


def test_what_a_killed_bump_left_is_put_back_by_whatever_comes_next(tmp_path: Path) -> None:
    one = pure(tmp_path / "r")
    one.write("CHANGELOG.md", CHANGES)
    one.write("gravel/__init__.py", '__version__ = "1.0"\n')
    one.write(".new-mine", "not the beginning of anything")
    before = {path: data for path, data in contents(committed(one).root).items() if not path.startswith(".git/")}
    for words in (("bump", "minor", "--no-commit", "--offline"), ("version-sync",)):
        assert subprocess.run(script(one.root, KILLED), check=False).returncode == 9
        assert len(list(one.root.rglob(".new-*"))) == 2
        assert len(git(one.root, "diff", "--name-only").split()) == 2
        output = one.doit(*words) if words[0] == "bump" else one.refused(*words)
        assert "a bump to 1.1 was killed before its end; put back: " in output
        if words[0] == "bump":
            assert written_version(one.root, ".") == "1.1"
            assert notes_of((one.root / "CHANGELOG.md").read_text(), "1.1") == "- fast"
            git(one.root, "checkout", "--quiet", ".")
        after = {path: data for path, data in contents(one.root).items() if not path.startswith((".git/", ".cartwh"))}
        assert after == before
        assert undo(one.root) == ()


def test_what_was_committed_before_the_kill_stays(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    with replace_with_note(root, {"uv.lock": b"new"}, what="bump to 1.3.0", commit=git(root, "rev-parse", "HEAD")):
        note = (root / NOTE).read_bytes()
        commit(root)
    (root / NOTE).write_bytes(note)
    assert undo(root) == ()
    assert (root / "uv.lock").read_bytes() == b"new"
    (root / NOTE).write_bytes(note[:9])
    with pytest.raises(StepFailed, match="cannot be read"):
        undo(root)


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_an_interrupt_that_comes_too_late_undoes_nothing_that_is_committed(tmp_path: Path) -> None:
    one = committed(pure(tmp_path / "r"))
    process = in_its_hook(one, "post-commit", tmp_path)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    (tmp_path / "go").touch()
    assert "gravel 1.0 → 1.0.1" in output
    assert git(one.root, "status", "--porcelain") == ""
    assert git(one.root, "log", "-1", "--format=%s") == "Version 1.0.1"


def test_an_entry_that_stands_ready_for_the_version_is_dated(tmp_path: Path) -> None:
    text = CHANGES.replace("## [Unreleased]", "## v1.3.0 (unreleased)")
    root = new_project(tmp_path / "r", {**WORKSPACE, "CHANGELOG.md": text})
    assert f"CHANGELOG.md: what was unreleased is 1.3.0 of {TODAY}" in bump(root, "minor")
    assert (root / "CHANGELOG.md").read_text() == text.replace("(unreleased)", f"({TODAY})")
    assert "CHANGELOG.md" in git(root, "show", "--name-only", "HEAD")


LINK = pytest.param("link.md", marks=pytest.mark.skipif(os.name == "nt", reason="Windows reserves links"))


@pytest.mark.parametrize("place", ["../x.md", "docs/../../x.md", "ABSOLUTE", LINK])
def test_a_changelog_outside_the_project_is_refused_and_not_touched(tmp_path: Path, place: str) -> None:
    (tmp_path / "x.md").write_text(CHANGES)
    file = str(tmp_path / "x.md") if place == "ABSOLUTE" else place
    table = f"\n[tool.cartwheel]\nchangelog = {{ file = '{file}' }}\n"
    root = new_project(tmp_path / "r", {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"] + table})
    if place == "link.md":
        (root / place).symlink_to(tmp_path / "x.md")
    with pytest.raises(ConfigError, match=r"changelog\.file: '.*' lies outside the project"):
        bump(root, "minor", commit=False)
    assert (tmp_path / "x.md").read_text() == CHANGES
    if place != "link.md":
        key = f"changelog = {{ file = '{file}' }}"
        for line in (key, f"versions = [{{ file = '{file}', pattern = 'v{{version}}' }}]"):
            manifest = WORKSPACE["pyproject.toml"] + f"\n[tool.cartwheel]\n{line}\n"
            (root / "pyproject.toml").write_text(manifest)
            with pytest.raises(ConfigError, match=f"'{re.escape(file)}' lies outside the project"):
                read_project(root, {})


def test_versions_that_disagree_are_mended_first(tmp_path: Path) -> None:
    files = {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"].replace("1.2.0", "1.1.0")}
    with pytest.raises(StepFailed, match="first make them one: doit version-sync"):
        bump(new_project(tmp_path / "r", files), "minor")


def test_a_changelog_with_nothing_unreleased_refuses_and_offers_the_commits_unless_it_need_not_have_it(
    tmp_path: Path,
) -> None:
    empty = CHANGES.replace("- fast\n", "")
    root = new_project(tmp_path / "r", {**WORKSPACE, "CHANGELOG.md": empty})
    git(root, "tag", "v1.2.0")
    (root / "new.txt").write_text("1")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Faster by half")
    with pytest.raises(StepFailed, match="nothing is under 'Unreleased'") as failed:
        bump(root, "minor")
    assert "the commits since the last tag:\n- Faster by half" in str(failed.value)
    settings = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(settings + '\n[tool.cartwheel.changelog]\nrequired = "final"\n')
    git(root, "commit", "--quiet", "--all", "--message", "finals only")
    with pytest.raises(StepFailed, match="nothing is under"):
        bump(root, "minor")
    bump(root, "minor", "rc")
    assert (root / "CHANGELOG.md").read_text() == empty


@pytest.mark.parametrize("where", ["here", "on origin"])
def test_a_version_that_was_tagged_is_refused_here_and_on_the_remote(tmp_path: Path, where: str) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(root, "remote", "add", "origin", str(remote))
    git(root, "tag", "v1.3.0")
    git(root, "push", "--quiet", "origin", "main", "v1.3.0")
    if where == "on origin":
        git(root, "tag", "--delete", "v1.3.0")
    read = read_project(root, {})
    with LoopbackIndex(tmp_path / "shelf", name="pypi") as index:
        read = on_shelf(read, index)
        plan = bump_plan(root, read, (), ("minor",), date=TODAY)
        with pytest.raises(StepFailed, match=rf"the tag v1\.3\.0 is {where} already; name another version"):
            refuse_taken(root, read, plan, offline=False)
        refuse_taken(root, read, bump_plan(root, read, (), ("1.3.1",), date=TODAY), offline=False)
        shutil.copy(root / "pyproject.toml", index.folder / "demo-1.3.1.tar.gz")
        with pytest.raises(StepFailed, match=r"pypi holds demo 1\.3\.1 already \(demo-1\.3\.1\.tar\.gz\)"):
            refuse_taken(root, read, bump_plan(root, read, (), ("1.3.1",), date=TODAY), offline=False)


def on_shelf(project: object, index: LoopbackIndex) -> object:
    """The project with its index on this machine."""
    from msgspec.structs import replace

    from cartwheel.model.config.release_settings import IndexSettings

    return replace(project, indexes={"pypi": IndexSettings(url=index.url, simple=index.simple)})  # type: ignore[type-var]


def test_a_version_of_which_a_crate_was_published_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    one = workspace(tmp_path / "p", registry="house")
    with LoopbackRegistry().open() as shelf:
        text = (one.root / "pebble/pyproject.toml").read_text()
        one.write("pebble/pyproject.toml", re.sub(r"publish = \[.*\]", 'publish = ["house"]', text))
        house = f'[tool.cartwheel.index.house]\nkind = "crates"\nurl = "{shelf.index}"\n'
        one.write("pyproject.toml", (one.root / "pyproject.toml").read_text() + house)
        committed(one)
        put(shelf, "sand", "1.0.0")
        bump(one.root, "minor", names=("pebble",), commit=False, offline=False)
        git(one.root, "checkout", "--quiet", ".")
        put(shelf, "sand", "1.1.0")
        with pytest.raises(StepFailed, match=r"house holds pebble 1\.1\.0 already \(sand-1\.1\.0\.crate\)"):
            bump(one.root, "minor", names=("pebble",), offline=False)


def put(shelf: LoopbackRegistry, name: str, version: str) -> None:
    """A crate with nothing in it on the shelf."""
    manifest = f'[package]\nname = "{name}"\nversion = "{version}"\n'.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, data in (("Cargo.toml", manifest), ("src/lib.rs", b"")):
            member = tarfile.TarInfo(f"{name}-{version}/{file}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    crate = packed.getvalue()
    row = {"name": name, "vers": version, "deps": [], "features": {}, "yanked": False}
    shelf.add({**row, "cksum": hashlib.sha256(crate).hexdigest()}, crate)


def test_a_remote_or_an_index_out_of_reach_refuses_unless_nobody_is_asked(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    git(root, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    with pytest.raises(StepFailed, match=r"remote 'origin'.*cannot be used"):
        bump(root, "minor", offline=False)
    bump(root, "minor")


def test_a_version_below_the_last_tag_is_refused(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    git(root, "tag", "v1.5.0")
    with pytest.raises(StepFailed, match=r"1\.3\.0 is lower than the last tag v1\.5\.0"):
        bump(root, "minor")


MEMBER = '[build-system]\nbuild-backend = "maturin"\n[project]\nname = "NAME"\nversion = "1.0.0"\n'
ENTRY = '\n[[package]]\nname = "{}"\nversion = "1.0.0"\n'
SEVERAL = {
    "pyproject.toml": '[tool.cartwheel]\npackages = ["one", "two", "three"]\n',
    "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\n[workspace.package]\nversion = "1.0.0"\n',
    "Cargo.lock": "version = 4\n" + ENTRY.format("one") + ENTRY.format("two"),
    **{
        f"{name}/{file}": text.replace("NAME", name)
        for name in ("one", "two")
        for file, text in {
            "pyproject.toml": MEMBER,
            "Cargo.toml": '[package]\nname = "NAME"\nversion.workspace = true\n',
        }.items()
    },
    "three/pyproject.toml": '[project]\nname = "three"\nversion = "7.0"\n',
}


def test_in_a_project_of_several_packages_those_move_that_share_the_version(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", SEVERAL)
    with pytest.raises(ConfigError, match=r"versions of their own; name one of them: --package one \| three \| two"):
        bump(root, "minor")
    with pytest.raises(ConfigError, match="--package: there is no package 'tow'; did you mean 'two'"):
        bump(root, "minor", names=("tow",))
    bump(root, "minor", names=("two",))
    assert [written_version(root, name) for name in ("one", "two", "three")] == ["1.1.0", "1.1.0", "7.0"]
    assert git(root, "log", "-1", "--format=%s") == "one, two 1.1.0"
    bump(root, "rc", names=("three",))
    assert [written_version(root, name) for name in ("one", "two", "three")] == ["1.1.0", "1.1.0", "7.0.1rc1"]
    assert git(root, "log", "-1", "--format=%s") == "three 7.0.1rc1"


# The commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def one(tmp_path: Path) -> Project:
    """A committed package with a changelog."""
    project = pure(tmp_path / "project")
    project.write("CHANGELOG.md", "# Changes\n\n## Unreleased\n\n- fast\n\n## 1.0\n\n- slow\n")
    return committed(project)


def test_the_command_takes_its_options_before_and_behind_the_words(one: Project) -> None:
    assert "gravel 1.0 → 1.1" in one.doit("bump", "minor", "--no-commit", "--offline")
    git(one.root, "checkout", "--quiet", ".")
    output = one.doit("bump", "--offline", "minor", "rc", "--package", "gravel")
    assert "pyproject.toml: [project] version 1.0 → 1.1rc1" in output
    assert git(one.root, "log", "-1", "--format=%s") == "Version 1.1rc1"
    assert one.doit("changelog").strip() == "- fast"
    assert one.doit("changelog", "1.0").strip() == "- slow"
    assert one.doit("changelog", "--draft").strip() == "- Version 1.1rc1\n- first"


def test_a_dry_run_shows_every_line_that_the_commit_then_changes_and_writes_nothing(one: Project) -> None:
    before = contents(one.root)
    shown = one.doit("bump", "minor", "--dry-run", "--offline")
    assert contents(one.root) == before
    assert shown.splitlines()[-2:] == ["commit: Version 1.1", "gravel 1.0 → 1.1: dry run, nothing was written"]
    one.doit("bump", "minor", "--offline")
    lines = git(one.root, "show", "--format=", "--unified=0").splitlines()
    patch = [line for line in lines if not line.startswith(("diff ", "index ", "@@"))]
    assert sorted(line for line in shown.splitlines() if line[:1] in "+-") == sorted(patch)
    assert {'+version = "1.1"', "+## 1.1", "--- a/CHANGELOG.md"} <= set(patch)


def test_a_dry_run_refuses_what_the_bump_would_refuse(one: Project) -> None:
    one.write("pyproject.toml", (one.root / "pyproject.toml").read_text() + "\n# more\n")
    assert "pyproject.toml: holds changes that are not committed" in one.refused(
        "bump", "minor", "--dry-run", "--offline"
    )


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ((), "which version?"),
        (("minr",), "did you mean 'minor'"),
        (("v1.3.0",), "a version is written without the v: 1.3.0"),
        (("minor", "--nope"), "ERROR: bump: option --nope not recognized; see: doit help bump"),
        (("-",), "'-' is neither a version"),
        (("1.0", "--offline"), "the version is 1.0 already"),
        (("minor", "profile=dev"), "takes no setting for one run"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(one: Project, words: tuple[str, ...], output: str) -> None:
    assert output in one.refused("bump", *words)
    assert git(one.root, "status", "--porcelain") == ""


GATHER = """
import pathlib, subprocess, sys
version, date = sys.argv[1:]
news = [path for path in sorted(pathlib.Path("newsfragments").glob("*.md"))]
log = pathlib.Path("NEWS.md")
entry = "".join(f"- {path.read_text().strip()}\\n" for path in news)
head = f"<!-- start -->\\n\\n# gravel {version} ({date})\\n\\n"
log.write_text(log.read_text().replace("<!-- start -->", head + entry))
subprocess.run(["git", "rm", "-q", *news], check=True)
"""


def test_the_configured_tool_writes_the_entry_and_its_fragments_leave_with_the_commit(one: Project) -> None:
    git(one.root, "rm", "--quiet", "CHANGELOG.md")
    one.write("gather.py", GATHER)
    one.write("NEWS.md", "<!-- start -->\n")
    one.write("newsfragments/1.feature.md", "Faster.\n")
    committed(one)
    output = one.doit("bump", "minor", "--offline", "--dry-run")
    assert (
        "newsfragments: 1 fragment, and no tool that gathers them; name it: [tool.cartwheel] changelog.comm" in output
    )
    text = (one.root / "pyproject.toml").read_text()
    command = f"['{Path(sys.executable).as_posix()}', 'gather.py', '{{version}}', '{{date}}']"
    one.write("pyproject.toml", f"{text}\n[tool.cartwheel.changelog]\ncommand = {command}\n")
    committed(one)
    before = contents(one.root)
    shown = one.doit("bump", "minor", "--offline", "--dry-run")
    assert contents(one.root) == before
    assert {"-Faster.", "--- a/newsfragments/1.feature.md", "+++ /dev/null", "+- Faster."} <= set(shown.splitlines())
    one.doit("bump", "minor", "--offline")
    assert git(one.root, "status", "--porcelain") == ""
    assert sorted(git(one.root, "show", "--name-status", "--format=").split()) == sorted(
        ["M", "NEWS.md", "D", "newsfragments/1.feature.md", "M", "pyproject.toml"]
    )
    assert one.doit("changelog").strip() == "- Faster."


def test_a_tool_that_fails_or_writes_nothing_refuses_the_bump_and_nothing_changes(one: Project) -> None:
    text = (one.root / "pyproject.toml").read_text()
    for code, output in (
        ("raise SystemExit('no news')", "no news"),
        ("pass", "after it CHANGELOG.md has no entry for 1.1"),
    ):
        command = f"""['{Path(sys.executable).as_posix()}', '-c', "{code}"]"""
        one.write("pyproject.toml", f"{text}\n[tool.cartwheel.changelog]\ncommand = {command}\n")
        committed(one)
        assert output in one.refused("bump", "minor", "--offline")
        assert git(one.root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HISTORY.md", "# History\n\n## Unreleased\n\n- fast\n\n## 1.0\n\n- slow\n"),
        ("CHANGES.rst", "Changes\n=======\n\nUnreleased\n----------\n\n- fast\n\n1.0\n---\n\n- slow\n"),
        ("NEWS", "gravel unreleased\n=================\n\n- fast\n\ngravel 1.0\n==========\n\n- slow\n"),
    ],
)
def test_a_changelog_of_another_name_is_found_and_one_without_versions_is_none(
    one: Project, name: str, text: str
) -> None:
    git(one.root, "rm", "--quiet", "CHANGELOG.md")
    one.write("CHANGES.md", "# What we want to change\n")
    one.write(name, text)
    committed(one)
    assert f"{name}: what was unreleased is 1.1 of " in one.doit("bump", "minor", "--offline")
    assert one.doit("changelog").strip() == "- fast"
    assert one.doit("changelog", "1.0").strip() == "- slow"


def test_notes_come_from_the_commits_where_the_configuration_says_so(one: Project) -> None:
    git(one.root, "rm", "--quiet", "CHANGELOG.md")
    text = (one.root / "pyproject.toml").read_text()
    one.write("pyproject.toml", f'{text}\n[tool.cartwheel.changelog]\nfrom = "commits"\n')
    committed(one)
    git(one.root, "tag", "v1.0")
    for message in ("feat: speed", "fix(io): a crash", "Merge branch 'x'", "Words"):
        git(one.root, "commit", "--quiet", "--allow-empty", "--message", message)
        one.write("gravel/__init__.py", f"# {message}\n")
        git(one.root, "commit", "--quiet", "--all", "--message", message)
    one.doit("bump", "minor", "--offline")
    expected = (
        "### Features\n\n- speed\n\n### Fixes\n\n- **io:** a crash\n\n### Other changes\n\n- Words\n- Merge branch 'x'"
    )
    assert one.doit("changelog").strip() == expected
    git(one.root, "tag", "--annotate", "--message", "x", "v1.1")
    assert one.doit("changelog").strip() == expected


def test_notes_that_are_not_there_are_said(one: Project) -> None:
    assert "CHANGELOG.md: no notes for 3.0" in one.refused("changelog", "3.0")
    assert "changelog: found '1.0 3.0'; expected one version" in one.refused("changelog", "1.0", "3.0")
    assert "expected no version beside --draft" in one.refused("changelog", "--draft", "1.0")


def test_a_project_outside_of_git_is_refused_in_words(tmp_path: Path) -> None:
    project(tmp_path, WORKSPACE)
    with pytest.raises(CartwheelError, match="not a git repository"):
        bump(tmp_path, "minor")


def test_a_crate_that_lies_in_a_submodule_is_another_repository_s_and_nothing_is_changed(tmp_path: Path) -> None:
    core = new_project(tmp_path / "core", {"Cargo.toml": '[package]\nname = "core"\nversion = "1.0.0"\n'})
    files = {
        "pyproject.toml": MEMBER.replace('version = "1.0.0"', 'dynamic = ["version"]'),
        "Cargo.toml": '[package]\nname = "demo"\nversion = "1.0.0"\n[dependencies]\n'
        'core = { path = "core", version = "=1.0.0" }\n',
    }
    root = new_project(tmp_path / "r", files)
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(core), "core")
    git(root, "commit", "--quiet", "--message", "with core")
    before = contents_but_git(root)
    with pytest.raises(StepFailed, match=r"core/Cargo\.toml: lies in a submodule"):
        bump(root, "minor")
    assert contents_but_git(root) == before
    assert git(root, "status", "--porcelain") == ""


def test_a_worktree_is_bumped_by_itself(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", WORKSPACE)
    side = tmp_path / "side"
    git(root, "worktree", "add", "--quiet", "-b", "side", str(side))
    bump(side, "minor")
    assert git(root, "log", "-1", "--format=%s", "side") == "Version 1.3.0"
    assert written_version(root, ".") == "1.2.0"


# The programs themselves ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def changelog_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of towncrier and git-cliff, installed from the package index."""
    folder = tmp_path_factory.mktemp("tools")
    uv = (sys.executable, "-m", "uv")
    subprocess.run((*uv, "venv", "--quiet", str(folder)), check=True)
    python = str(next(folder.glob("[bS]*/python*")))
    subprocess.run((*uv, "pip", "install", "--quiet", "--python", python, "towncrier", "git-cliff"), check=True)
    return Path(python).parent


def with_command(one: Project, *command: str, more: str = "") -> None:
    text = (one.root / "pyproject.toml").read_text()
    one.write("pyproject.toml", f"{text}\n{more}\n[tool.cartwheel.changelog]\ncommand = {json.dumps(command)}\n")


@pytest.mark.lab
def test_towncrier_gathers_its_fragments_into_the_entry_of_the_version(one: Project, changelog_tools: Path) -> None:
    towncrier = '[tool.towncrier]\nname = "gravel"\ndirectory = "changelog.d"\nfilename = "CHANGELOG.md"\n'
    program = str(changelog_tools / "towncrier")
    with_command(one, program, "build", "--yes", "--version", "{version}", "--date", "{date}", more=towncrier)
    start = "<!-- towncrier release notes start -->"
    one.write("CHANGELOG.md", f"# Changes\n\n{start}\n\n# gravel 1.0 (2026-01-01)\n\n- old\n")
    one.write("changelog.d/7.feature.md", "Faster by half\n")
    committed(one)
    output = one.doit("bump", "minor", "--offline", "--dry-run")
    assert "changelog.d/7.feature.md: removed by" in output
    assert (one.root / "changelog.d" / "7.feature.md").exists()
    one.doit("bump", "minor", "--offline")
    assert not (one.root / "changelog.d" / "7.feature.md").exists()
    assert "- Faster by half (#7)" in one.doit("changelog")
    assert "- old" not in one.doit("changelog")
    assert git(one.root, "status", "--porcelain") == ""


@pytest.mark.lab
def test_git_cliff_writes_the_entry_of_the_version_from_the_commits(one: Project, changelog_tools: Path) -> None:
    program = str(changelog_tools / "git-cliff")
    with_command(one, program, "--unreleased", "--tag", "{tag}", "--prepend", "CHANGELOG.md")
    one.write("CHANGELOG.md", "# Changes\n\n## [1.0] - 2026-01-01\n\n- old\n")
    committed(one)
    git(one.root, "tag", "v1.0")
    for message in ("feat: speed", "fix: a crash"):
        one.write("gravel/__init__.py", f"# {message}\n")
        git(one.root, "commit", "--quiet", "--all", "--message", message)
    one.doit("bump", "minor", "--offline")
    notes = one.doit("changelog")
    assert "Speed" in notes
    assert "A crash" in notes
    assert "old" not in notes
    assert git(one.root, "status", "--porcelain") == ""
