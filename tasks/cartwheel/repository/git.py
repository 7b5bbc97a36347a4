"""The repository and its remotes, through GitPython, which is imported on first use and only here.

Nothing here forces, moves or deletes anything; credentials in a remote's URL never reach a text.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.run import STOP, Interrupted, capture

if TYPE_CHECKING:
    from git import Repo

_DIVERTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Set by git for its hooks; left alone they would lead our questions to another repository."""


class Repository:
    """The repository that `path` lies in; a context, since each open one holds processes and descriptors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repo = _open(path)
        self.root = Path(str(self._repo.working_dir))
        self._git = self._repo.git
        self._git.update_environment(**_environment(self._repo))

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *error: object) -> None:
        self._repo.close()

    def head(self) -> str:
        """The commit that is checked out, 40 hexadecimal digits (64 in a SHA-256 repository)."""
        found = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}", ok=(0, 1))
        if not found:
            raise CartwheelError(f"{self.root}: a git repository without a commit; commit the project first")
        return found

    @property
    def branch(self) -> str:
        """The branch that is checked out, or empty on a detached HEAD."""
        return self._ask("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1))

    @property
    def shallow(self) -> bool:
        """Whether history is cut off, so that ancestors may be missing."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true"

    def dirty(self) -> tuple[str, ...]:
        """Files that differ from the commit, and untracked ones that are not ignored, as git names them."""
        said = self._ask(
            "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=none"
        )
        return tuple(entry[3:] for entry in said.split("\0") if entry)

    def tags(self, *, merged: bool = False) -> dict[str, str]:
        """The tags here, each with the commit it leads to; `merged`: only those on HEAD or before it."""
        form = "%(refname:strip=2)%00%(objectname)%00%(*objectname)"
        said = self._ask("for-each-ref", f"--format={form}", *(("--merged=HEAD",) if merged else ()), "refs/tags")
        rows = (line.split("\0") for line in said.splitlines() if line)
        return {name: peeled or plain for name, plain, peeled in rows}

    def remotes(self) -> tuple[str, ...]:
        """The names of the remotes."""
        return tuple(self._ask("remote").split())

    def url(self, remote: str) -> str:
        """Where a remote lies, without credentials."""
        return without_credentials(self._ask("remote", "get-url", remote))

    def remote_refs(self, remote: str) -> dict[str, str]:
        """The remote's branches and tags as they are now (`refs/heads/main`, `refs/tags/v1`), tags as commits."""
        said = self._with_remote(remote, "ls-remote", "--heads", "--tags", remote)
        found: dict[str, str] = {}
        for line in said.splitlines():
            commit, _, name = line.partition("\t")
            if name.endswith("^{}"):
                found[name[:-3]] = commit
            elif name:
                found.setdefault(name, commit)
        return found

    def has(self, commit: str) -> bool:
        """Whether this repository knows the commit."""
        return bool(self._ask("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", ok=(0, 1, 128)))

    def between(self, older: str, newer: str) -> int:
        """How many commits `newer` has that `older` does not."""
        return int(self._ask("rev-list", "--count", f"{older}..{newer}"))

    def subjects(self, since: str, folder: Path) -> tuple[str, ...]:
        """The first lines of the commits after a tag (all, where it is empty) that touched a folder, newest first."""
        commits = f"refs/tags/{since}..HEAD" if since else "HEAD"
        return tuple(self._ask("log", "--no-merges", "--format=%s", commits, "--", str(folder)).splitlines())

    def tracked(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Those of the files that belong to the repository: neither ignored nor new."""
        said = self._ask("ls-files", "-z", "--full-name", "--", *map(str, paths))
        return tuple(self.root / name for name in said.split("\0") if name)

    def foreign(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Those of the files that lie in another repository, such as a submodule."""
        here = self.root.resolve()
        homes = {path: next((p for p in path.parents if (p / ".git").exists()), here) for path in paths}
        return tuple(path for path, home in homes.items() if home != here)

    def commit(self, paths: Iterable[Path], message: str) -> str:
        """Commit these files and nothing else, by the user's own settings and hooks; the commit.

        Raises `StepFailed` in the words of the hook that refuses, and `Interrupted` where the run was told to stop in
        time: then nothing is committed, now or later.
        """
        arguments = ("--quiet", "--cleanup=whitespace", "--message", message, "--only", "--", *map(str, paths))
        before = self.head()
        process: Any = self._git.execute(["git", "commit", *arguments], as_process=True)
        said: list[bytes] = []
        listener = threading.Thread(target=lambda: said.extend(process.communicate()), daemon=True)
        listener.start()
        while listener.is_alive() and not (STOP.is_set() and process.proc.poll() is not None):
            listener.join(0.05)
            if STOP.is_set():
                process.proc.terminate()  # else it would commit when its hook has ended; that may go on writing
        if self.head() == before:
            if STOP.is_set():
                raise Interrupted
            words = without_credentials(b"\n".join(reversed(said)).decode(errors="replace").strip())
            raise StepFailed(f"nothing was committed: {words or 'a hook refused without a word'}")
        return self.head()

    def create_tag(self, name: str, message: str, *, commit: str) -> None:
        """An annotated tag on a commit, signed where git is set up to; an existing one is an error."""
        self._do("tag", "--annotate", "--cleanup=whitespace", "--message", message, "--", name, commit)

    def annotated(self, tag: str) -> bool:
        """Whether a tag here is an object of its own, with a message."""
        return self._ask("cat-file", "-t", f"refs/tags/{tag}") == "tag"

    def lacks_signature(self, tag: str) -> bool:
        """Whether git is set up to sign tags and this one is not signed: git (2.39) makes it all the same, and exits
        with 0, where an SSH key cannot be read."""
        wanted = self._ask("config", "--type=bool", "--get", "tag.gpgSign", ok=(0, 1)) == "true"
        return wanted and "-----BEGIN " not in self._ask("cat-file", "-p", f"refs/tags/{tag}")

    def push_atomic(self, remote: str, refs: tuple[str, ...]) -> None:
        """Push all of `refs` (`refs/heads/main`, or `COMMIT:refs/heads/main`) or none of them.

        Raises `StepFailed` with the remote's own words where it, or a hook, refuses.
        """
        self._with_remote(remote, "push", "--atomic", "--porcelain", remote, *refs)

    def _with_remote(self, remote: str, *arguments: str) -> str:
        try:
            return self._do(*arguments)
        except StepFailed as error:
            raise StepFailed(_about_remote(remote, self.url(remote), str(error))) from None

    def _ask(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        """What git says; empty where it exits otherwise than 0 and that is `ok`."""
        status, out, err = self._git.execute(
            ["git", *arguments], with_extended_output=True, with_exceptions=False, strip_newline_in_stdout=True
        )
        if status not in ok:
            raise StepFailed(without_credentials(f"git {arguments[0]}: {str(err or out).strip()}"))
        return str(out) if status == 0 else ""

    def _do(self, *arguments: str) -> str:
        """What git says while it acts; its complaints, credentials taken out, as `StepFailed`."""
        status, out, err = self._git.execute(
            ["git", *arguments], with_extended_output=True, with_exceptions=False, strip_newline_in_stdout=True
        )
        if status:
            raise StepFailed(without_credentials(f"{str(err).strip()}\n{str(out).strip()}".strip()))
        return str(out)


def scratch_clone(source: Path, *, remote: Path, clone: Path, branch: str, without: tuple[str, ...] = ()) -> None:
    """A bare repository at `remote` with the commit that `source` has checked out as `branch`, and a clone of that.

    Tags go along, but for those named in `without`; `source` itself is only read.  Tags made in the clone are never
    signed: it is for practice.
    """
    from git import Git

    with Repository(source) as here:
        commit = here.head()
        with _complaining(f"git init {remote}"):
            Git().execute(["git", "init", "--quiet", "--bare", f"--initial-branch={branch}", str(remote)])
        with _made(remote) as bare:
            bare._do("config", "receive.shallowUpdate", "true")
        tags = tuple(f"refs/tags/{name}" for name in here.tags() if name not in without)
        here._do("push", "--quiet", "--no-verify", str(remote), f"{commit}:refs/heads/{branch}", *tags)
    with _complaining(f"git clone {remote}"):
        Git().execute(["git", "clone", "--quiet", "--branch", branch, "--", str(remote), str(clone)])
    with _made(clone) as scratch:
        for key, value in (("tag.gpgSign", "false"), ("commit.gpgSign", "false"), ("core.hooksPath", os.devnull)):
            scratch._do("config", key, value)


def state_of(root: Path, env: Mapping[str, str]) -> str:
    """The commit that is checked out; with changes in it, something that never comes again.  Needs no GitPython."""
    commit = capture(("git", "rev-parse", "HEAD"), cwd=root, env=env).strip()
    status = (
        "git",
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--ignore-submodules=none",
    )
    return f"{commit} and changes at {time.time_ns()}" if capture(status, cwd=root, env=env) else commit


def without_credentials(text: str) -> str:
    """The text with user names and passwords in URLs replaced by `***`."""
    return re.sub(r"(?<=://)[^/@\s'\"]+@", "***@", text)


def _open(path: Path) -> Repo:
    try:
        import git
    except ImportError as error:  # GitPython looks for the program when it is imported
        raise CartwheelError(f"git: cannot be used ({_first_line(error)}); install git and put it on PATH") from None
    try:
        return git.Repo(path, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise CartwheelError(
            f"{path}: not a git repository; a release is a commit and a tag: run `git init`, and commit"
        ) from None


@contextmanager
def _made(path: Path) -> Iterator[Repository]:
    with Repository(path) as repository:
        yield repository


@contextmanager
def _complaining(what: str) -> Iterator[None]:
    from git import GitCommandError

    try:
        yield
    except GitCommandError as error:
        raise StepFailed(without_credentials(f"{what}: {str(error.stderr).strip()}")) from None


def _environment(repo: Repo) -> Mapping[str, str]:
    """What git is given besides our own environment: no questions on the terminal, no endless waiting, and no writing
    of the index where we only look (`git status` would refresh it, and get in the way of the user's own git)."""
    chosen = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    waiting = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    chosen |= {name: value for name, value in waiting.items() if name not in os.environ}
    if any(name in os.environ for name in _DIVERTING):
        chosen |= {"GIT_DIR": str(repo.git_dir), "GIT_INDEX_FILE": str(Path(repo.git_dir) / "index")}
        if not repo.bare:
            chosen["GIT_WORK_TREE"] = str(repo.working_dir)
    return chosen


def _about_remote(remote: str, url: str, said: str) -> str:
    """What a remote's failure means, in two lines: who refused, and the remote's own words."""
    words = [line.removeprefix("remote:").strip() for line in said.splitlines() if line.startswith("remote:")]
    refused = [line for line in said.splitlines() if line.startswith("!")]
    if "non-fast-forward" in said or "fetch first" in said or "stale info" in said:
        why = "it has commits that are not here; `git pull --rebase` and start again"
    elif "already exists" in said:
        why = "it has such a tag already, on another commit; `git fetch --tags` shows it"
    elif not refused and "failed to push some refs" in said:  # no word of the remote's: it was never asked
        return f"remote '{remote}' ({url}): nothing was pushed: this repository's own hook refused: {_hook_words(said)}"
    elif refused:
        why = "it was refused: " + "; ".join(words or [" ".join(line.split("\t")[1:]) for line in refused])
    else:
        why = _last_words(said)
        return f"remote '{remote}' ({url}): cannot be used: {why}\ncheck the address and your access, and try again"
    return f"remote '{remote}' ({url}): nothing was pushed: {why}"


def _hook_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines()]
    return "; ".join([line for line in lines if line and not line.startswith(("hint:", "error: failed to push"))][-3:])


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("hint:")]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
    return "; ".join((told or lines)[:2])


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
