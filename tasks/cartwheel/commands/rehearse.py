"""`doit rehearse`: makes the whole release of the checked-out commit on this machine, with stand-ins for destinations.

A scratch clone gets a bare remote and an index on the loopback interface, and runs the real `doit release`. The user's
tree, tags and branches are only read.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidCommand

from cartwheel.commands.options import WordsAndOptions
from cartwheel.commands.plan import context_of
from cartwheel.commands.rehearsal_stand_ins import RehearsalFolders, StandIns
from cartwheel.filesystem.windows_files import remove_tree, replace_file
from cartwheel.machine.host import this_machine
from cartwheel.model.config.build_backend import UNVERSIONED
from cartwheel.model.errors import CartwheelError, did_you_mean
from cartwheel.model.wheels.target import ANY
from cartwheel.process import run
from cartwheel.run_context import RunContext
from cartwheel.screen import terminal_columns
from cartwheel.summary import size, summary_table, tests_in_words


class Rehearse(WordsAndOptions):
    """The command, as doit's plugin `rehearse`."""

    name = "rehearse"
    doc_purpose = "release the checked-out commit for practice: to a throw-away index and remote on this machine"
    doc_usage = ""
    doc_description = "Leaves the tree, the tags and the branches of this repository as they are."
    cmd_options = (
        {
            "name": "targets",
            "short": "",
            "long": "targets",
            "type": list,
            "default": [],
            "help": "all, host (the default) or triples; may be given several times",
        },
    )

    def _execute(self, targets: list[str], pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        write = self.outstream.write
        try:
            chosen = _triples(context, [*targets, *pos_args])
            return rehearse(context, chosen, write)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None


def _triples(context: RunContext, words: Iterable[str]) -> tuple[str, ...]:
    """The triples to rehearse, selected from those of the project."""
    known = dict.fromkeys(w.target.triple for _, w in context.project.wheels)
    named = [part for word in words for part in word.replace(",", " ").split()] or ["host"]
    host = this_machine()
    chosen: list[str] = []
    for word in named:
        if word == "all":
            chosen += known
        elif word == "host":
            chosen += (w.target.triple for _, w in context.project.wheels if host.runs(w.target))
        elif word in known:
            chosen.append(word)
        else:
            raise InvalidCommand(f"--targets: '{word}' is no target of this project{did_you_mean(word, known)}")
    return tuple(dict.fromkeys(t for t in chosen if t != ANY))


def rehearse(context: RunContext, targets: tuple[str, ...], write: Any) -> int:
    """Runs the rehearsal; returns the exit code of the release. Raises `CartwheelError` if it cannot start."""
    from cartwheel.repository.git import Repository

    began = time.monotonic()
    run.stop_on_signals()
    with Repository(context.root) as repository:
        commit, dirty = repository.head(), repository.dirty()
    settings = settings_for_this_run(context)
    chosen = f" with {', '.join(settings)}" if settings else ""
    write(f"rehearsing commit {commit[:12]} for {', '.join(targets) or 'any'}{chosen}\n")
    if dirty:
        write(f"note: {len(dirty)} changed or new files are not committed, so they are not part of it\n")
    with _stage(context.root) as stage:
        _set_up(context, stage)
        with StandIns(context.project, stage) as stand_ins:
            env = {
                **_without_tokens(context.snapshot.environ),
                "CARTWHEEL_REHEARSAL": json.dumps(stand_ins.settings),
                "CARTWHEEL_TARGETS": " ".join((*targets, ANY)),
                **_version(context),
                **stand_ins.environ,
            }
            argv = (sys.executable, "-m", "doit", "--file", "dodo.py", "release", *settings)
            code = run.show(argv, cwd=stage.clone, env=_without_git(env))
        _note_existing_tags(context, write)
        if code:
            write(f"the rehearsal failed; it lies in {stage.clone}, with the logs in .cartwheel/logs\n")
            return code
        write(_table(stage, terminal_columns(sys.stdout)))
        write(stand_ins.summary())
        write(_untested_note(context, stage))
        write(f"rehearsed in {time.monotonic() - began:.0f} s; nothing left this machine\n")
    return 0


def _version(context: RunContext) -> Mapping[str, str]:
    """The variable that sets the version of packages that get theirs from git, since the clone has no tag for it."""
    versions = {p.version for p in context.project.packages if p.from_git} - {UNVERSIONED}
    return {"CARTWHEEL_VERSION": versions.pop()} if len(versions) == 1 else {}


def settings_for_this_run(context: RunContext) -> tuple[str, ...]:
    """The overrides of this run, such as `python=3.12`, without targets and version, which are passed in variables."""
    settings = {name: value for name, value in context.project.overrides.items() if name not in ("targets", "version")}
    return tuple(f"{name}={value}" for name, value in settings.items())


def _without_tokens(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without credentials for publishing; no stand-in needs them."""
    return {name: value for name, value in env.items() if not _TOKEN.fullmatch(name)}


_TOKEN = re.compile(
    r"CARTWHEEL_INDEX_\w+_TOKEN|TWINE_(PASSWORD|USERNAME)|(GITHUB|GH)(_ENTERPRISE)?_TOKEN|CARGO_REGISTR(Y|IES_\w+)_TOKEN"
    r"|UV_PUBLISH_\w+|UV_INDEX_\w+_(PASSWORD|USERNAME)|ACTIONS_ID_TOKEN_\w+|\w+_ID_TOKEN|NETRC"
)


def _without_git(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that point git at the user's repository, and with a name and address for
    commits."""
    who = {"GIT_AUTHOR_NAME": "rehearsal", "GIT_AUTHOR_EMAIL": "rehearsal@localhost"}
    who |= {k.replace("AUTHOR", "COMMITTER"): v for k, v in who.items()}
    return {k: v for k, v in env.items() if not k.startswith("GIT_")} | who


@contextmanager
def _stage(root: Path) -> Iterator[RehearsalFolders]:
    """The project's rehearsal folder, locked for one rehearsal at a time."""
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    name = f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    home = user_cache_path("cartwheel") / "rehearsals" / name
    home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / "lock", timeout=0):
            yield RehearsalFolders(home=home)
    except Timeout:
        raise InvalidCommand(f"another rehearsal of this project is running (it holds {home / 'lock'})") from None


def _set_up(context: RunContext, stage: RehearsalFolders) -> None:
    """Makes a new clone, remote and index; moves cargo's directories into the clone."""
    from cartwheel.repository.clones import scratch_clone

    directories = stage.clone / ".cartwheel" / "cargo"
    if directories.is_dir():
        remove_tree(stage.cargo_folder, ignore_errors=True)
        replace_file(directories, stage.cargo_folder)
    for folder in (stage.clone, stage.remote, stage.index):
        remove_tree(folder, ignore_errors=True)
    without = tuple(package.tag_name for package in context.project.packages)
    scratch_clone(
        context.root, remote=stage.remote, clone=stage.clone, branch=context.project.release.branch, without=without
    )
    if stage.cargo_folder.is_dir():
        directories.parent.mkdir(parents=True)
        replace_file(stage.cargo_folder, directories)


def _note_existing_tags(context: RunContext, write: Any) -> None:
    from cartwheel.repository.git import Repository

    with Repository(context.root) as repository:
        head, tags = repository.head(), repository.tags()
    for package in context.project.packages:
        if tags.get(package.tag_name, head) != head and package.publish:
            write(
                f"note: {package.tag_name} is already on another commit; a real release of {package.name} needs a new "
                "version first\n"
            )


def _table(stage: RehearsalFolders, columns: int) -> str:
    """A table of the files on the index at the end: name, size, digest, seconds of work, tests."""
    from cartwheel.filesystem.digests import sha256_of

    rows = []
    for output in _records(stage):
        file = Path(output["path"]).name
        sent = next(stage.index.rglob(file), None)
        if sent is not None:
            seconds, tests = f"{output['seconds']:.1f} s", tests_in_words(output["report"])
            rows.append((file, size(sent.stat().st_size), "", sha256_of(sent)[:12], seconds, "", tests))
    return f"{summary_table(rows, columns)}\n" if rows else ""


def _untested_note(context: RunContext, stage: RehearsalFolders) -> str:
    """A note on untested wheels that a real release refuses; empty if every wheel is tested or excused."""
    excused = {wheel.file for _, wheel in context.project.wheels if wheel.untested or wheel.test.skip}
    files = ((Path(output["path"]).name, tests_in_words(output["report"])) for output in _records(stage))
    untested = [file for file, words in files if words.startswith("tests not run") and file.endswith(".whl")]
    missing = [file for file in untested if file not in excused]
    if not missing:
        return ""
    return (
        f"note: {len(missing)} wheels were not tested here, and a release needs them tested: by the pipeline of doit "
        "ci, here with their interpreters installed, or excused by 'untested' and why\n"
    )


def _records(stage: RehearsalFolders) -> Iterator[dict[str, Any]]:
    """The path, check report and total seconds of all steps for each file in the clone's records."""
    folder = stage.clone / ".cartwheel" / "records"
    for path in sorted((*folder.glob("repair/*/*/*.json"), *folder.glob("sdist/*.json"))):
        record = json.loads(path.read_bytes())["record"]
        place = path.relative_to(folder).as_posix().split("/", 1)[1]
        place = place if path.parts[-2] != "sdist" else f"sdist/{path.name}"
        seconds = sum(
            json.loads(other.read_bytes())["record"]["seconds"]
            for stage_name in ("build", "repair", "sdist", "check")
            if (other := folder / stage_name / place).is_file()
        )
        seconds += record["seconds"] if path.parent.name == "sdist" else 0.0
        report = stage.clone / ".cartwheel" / "checks" / place
        for output in record["makes"]:
            yield {"path": output, "seconds": seconds, "report": report}
