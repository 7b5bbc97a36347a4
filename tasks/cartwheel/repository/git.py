"""The repository and its remotes, through GitPython, which is imported on first use and only here.

No function here forces, moves or deletes anything; credentials in a remote's URL never reach a message.

Some queries call git through GitPython's `Repo.git`, because GitPython's objects cannot answer them (3.2.1, 2026-11):
- references and commits: GitPython reads reference files, so it does not support reftable; it expects 40 digits, so it
  does not support SHA-256; and it needs 5.8 s for 1,500 packed tags (`git for-each-ref`: 0.02 s);
- status and tracked files: GitPython does not support index version 4 and runs git once for each kind of change;
- settings: GitPython ignores those in the environment (`GIT_CONFIG_COUNT`);
- a commit: `IndexFile.commit` does not sign and does not run every hook;
- a remote's references: `Remote` knows those of the last fetch; a push of a commit: `Remote.push` loses the remote's
  message about a source that is no reference, and logs warnings.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.environment import released_tree
from cartwheel.process.redact import redact
from cartwheel.process.run import STOP, Interrupted, TooLate
from cartwheel.repository import git_process
from cartwheel.repository.git_environment import git_environment
from cartwheel.repository.git_messages import git_words, remote_secrets, without_credentials
from cartwheel.repository.remote_failures import about_remote

if TYPE_CHECKING:
    from git import Repo


class NoAtomicPush(StepFailed):
    """The remote does not support atomic pushes of several references; nothing was pushed."""


class Repository:
    """The repository that contains `path`; a context manager, because an open one holds processes and descriptors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repo = _open(path)
        self.root = Path(str(self._repo.working_dir))
        self.git = self._repo.git
        """GitPython's interface to git commands, bound to this repository."""
        work_tree = "" if self._repo.bare else str(self._repo.working_dir)
        self.git.update_environment(**git_environment(Path(self._repo.git_dir), work_tree))

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *error: object) -> None:
        self._repo.close()

    def head(self) -> str:
        """The checked-out commit, 40 hexadecimal digits (64 in a SHA-256 repository).

        Raises `CartwheelError` if the repository has no commit.
        """
        commit = self._commit("HEAD")
        if not commit:
            raise CartwheelError(f"{self.root}: a git repository without a commit; commit the project first")
        return commit

    @property
    def branch(self) -> str:
        """The checked-out branch; empty on a detached HEAD."""
        return self._lookup("symbolic_ref", "HEAD", quiet=True, short=True)

    def default_branch(self, remote: str) -> str:
        """The branch of the remote's HEAD, as of the last clone or fetch; empty if unknown."""
        name = self._lookup("symbolic_ref", f"refs/remotes/{remote}/HEAD", quiet=True, short=True) if remote else ""
        return name.removeprefix(f"{remote}/")

    @property
    def shallow(self) -> bool:
        """Whether the clone is shallow, so that ancestors may be missing."""
        return Path(self._repo.common_dir, "shallow").exists()

    @property
    def common_folder(self) -> Path:
        """The `.git` folder that all worktrees of the repository share."""
        return Path(os.path.abspath(self.root / self._repo.common_dir))

    def settings(self, pattern: str) -> dict[str, str]:
        """git's settings in effect whose names match a regular expression, names in lower case but for subsections."""
        rows = self._lookup("config", "--null", "--get-regexp", pattern).split("\0")
        return dict(row.split("\n", 1) for row in rows if "\n" in row)

    def dirty(self) -> tuple[str, ...]:
        """Files that differ from the commit, and untracked files that are not ignored, as git names them."""
        with in_words("git status"):
            status = self.git.status(
                "--no-renames", porcelain="v1", z=True, untracked_files="all", ignore_submodules="none"
            )
        return tuple(entry[3:] for entry in status.split("\0") if entry)

    def tags(self, *, merged: bool = False) -> dict[str, str]:
        """The local tags, each with the commit it points to; with `merged`, only tags on HEAD or its ancestors."""
        form = "%(refname:strip=2)%00%(objectname)%00%(*objectname)"
        with in_words("git for-each-ref"):
            rows = self.git.for_each_ref("refs/tags", format=form, **({"merged": self.head()} if merged else {}))
        fields = (line.split("\0") for line in rows.splitlines() if line)
        return {name: peeled or plain for name, plain, peeled in fields}

    def remotes(self) -> tuple[str, ...]:
        """The names of the remotes."""
        return tuple(remote.name for remote in self._repo.remotes)

    def url(self, remote: str, *, push: bool = False) -> str:
        """The address of a remote, without credentials; for a `push` all addresses, joined by "and"."""
        return " and ".join(self.addresses(remote, push=push))

    def addresses(self, remote: str, *, push: bool) -> tuple[str, ...]:
        """The address of a remote, or all that a push goes to (`pushurl`, `pushInsteadOf`), without credentials."""
        with in_words("git remote"):
            lines = self.git.remote("get-url", *(("--push", "--all") if push else ()), "--", remote).splitlines()
        return tuple(map(without_credentials, lines))

    def remote_refs(self, remote: str) -> dict[str, str]:
        """The remote's current branches and tags (`refs/heads/main`, `refs/tags/v1`), each with its commit."""
        rows = self._ask(remote, "ls_remote", remote, seconds=git_process.ASK_SECONDS, heads=True, tags=True)
        refs: dict[str, str] = {}
        for line in rows.splitlines():
            commit, _, name = line.partition("\t")
            if name.endswith("^{}"):
                refs[name[:-3]] = commit
            elif name:
                refs.setdefault(name, commit)
        return refs

    def has(self, commit: str) -> bool:
        """Whether this repository has a commit, by its digits or a reference."""
        return bool(self._commit(commit))

    def count_between(self, older: str, newer: str) -> int:
        """The number of commits that are reachable from `newer` and not from `older`."""
        with in_words("git rev-list"):
            return int(self.git.rev_list(f"{older}..{newer}", count=True))

    def subjects(self, since: str, folder: Path) -> tuple[str, ...]:
        """The subject lines of commits that touch a folder, newest first; after the tag `since`, if it is given."""
        commits = f"refs/tags/{since}..HEAD" if since else "HEAD"
        with in_words("git log"):
            return tuple(self.git.log(commits, "--", str(folder), no_merges=True, format="%s").splitlines())

    def messages(self, since: str, folder: Path) -> tuple[str, ...]:
        """The messages of commits that touch a folder, newest first; after the tag `since`, if it is given."""
        commits = f"refs/tags/{since}..HEAD" if since else "HEAD"
        with in_words("git log"):
            texts = self.git.log(commits, "--", str(folder), no_merges=True, format="%B%x00")
        return tuple(text.strip() for text in texts.split("\0") if text.strip())

    def submodules(self) -> tuple[Any, ...]:
        """GitPython's submodule objects."""
        return tuple(self._repo.submodules)

    def tracked_files(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """The files among `paths` that git tracks."""
        with in_words("git ls-files"):
            names = self.git.ls_files("--", *map(str, paths), z=True, full_name=True)
        return tuple(self.root / name for name in names.split("\0") if name)

    def foreign(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """The files among `paths` that belong to another repository, such as a submodule."""
        here = self.root.resolve()
        homes = {path: next((p for p in path.parents if (p / ".git").exists()), here) for path in paths}
        return tuple(path for path, home in homes.items() if home != here)

    def commit(self, paths: Iterable[Path], message: str) -> str:
        """Commit these files only, with the user's settings and hooks; returns the new commit.

        Raises `StepFailed` with the output of the hook that refuses, and `Interrupted` if a stop signal comes before
        the commit; then nothing is committed, now or later.
        """
        before = self.head()
        process = self.git.commit(
            "--", *map(str, paths), quiet=True, cleanup="whitespace", message=message, only=True, as_process=True
        )
        output: list[bytes] = []
        listener = threading.Thread(target=lambda: output.extend(process.communicate()), daemon=True)
        listener.start()
        while listener.is_alive() and not (STOP.is_set() and process.proc.poll() is not None):
            listener.join(0.05)
            if STOP.is_set():
                process.proc.terminate()  # else git commits when its hook ends; the hook may run on
        if self.head() == before:
            if STOP.is_set():
                raise Interrupted
            words = without_credentials(b"\n".join(reversed(output)).decode(errors="replace").strip())
            raise StepFailed(f"nothing was committed: {words or 'a hook refused without a word'}")
        return self.head()

    def create_tag(self, name: str, message: str, *, commit: str) -> None:
        """Create an annotated tag on a commit, signed if git is configured to sign; fails if the tag exists."""
        with in_words("git tag"):
            self._repo.create_tag(name, ref=commit, message=message, cleanup="whitespace")

    def is_annotated(self, tag: str) -> bool:
        """Whether the local tag is annotated."""
        return self._lookup("for_each_ref", f"refs/tags/{tag}", format="%(objecttype)") == "tag"

    def lacks_signature(self, tag: str) -> bool:
        """Whether git is configured to sign tags but the tag is unsigned.

        git 2.39 creates an unsigned tag and exits with 0 if it cannot read an SSH key.
        """
        signs_tags = self._lookup("config", "--get", "tag.gpgSign", type="bool") == "true"
        return signs_tags and "-----BEGIN " not in self._lookup("cat_file", f"refs/tags/{tag}", p=True)

    def push(self, remote: str, refs: tuple[str, ...]) -> None:
        """Push all of `refs` (`refs/heads/main`, or `COMMIT:refs/heads/main`) or none of them.

        Raises `StepFailed` with the message of the remote or hook that refuses, `NoAtomicPush` if the remote cannot
        push several atomically (Azure DevOps, CodeCommit), and `Interrupted`.
        """
        options = {"atomic": len(refs) > 1, "porcelain": True, "no_follow_tags": True}
        self._ask(remote, "push", remote, *refs, seconds=git_process.PUSH_SECONDS, **options)

    def _ask(self, remote: str, command: str, *arguments: str, seconds: float, **options: Any) -> str:
        """The output of a git command that talks to the remote.  Raises `StepFailed` that names it, `Interrupted`."""
        git = self.git(C=tree) if (tree := released_tree(os.environ)) else self.git  # paths are relative to the user's
        process = getattr(git, command)(*arguments, as_process=True, **options)
        try:
            status, output, errors = git_process.outcome(process, seconds=seconds)
        except TooLate as error:
            name, address = command.replace("_", "-"), self.url(remote, push=command == "push")
            raise TooLate(
                f"remote '{remote}' ({address}): git {name}: {error}, so it was ended; "
                "check the address, your access and the hooks, and start again"
            ) from None
        if status:
            headers = self.settings(r"^http\..*extraheader$").values()
            secrets = remote_secrets(self._repo.remote(remote).urls, headers)
            words = redact(without_credentials(f"{errors}\n{output}".strip()), secrets)
            kind = NoAtomicPush if "does not support --atomic push" in words else StepFailed
            raise kind(about_remote(remote, self.url(remote, push=command == "push"), words))
        return output

    def _commit(self, name: str) -> str:
        return self._lookup("rev_parse", f"{name}^{{commit}}", verify=True, quiet=True)

    def _lookup(self, command: str, *arguments: str, **options: Any) -> str:
        """The output of a git command; empty if it fails without a message, as for an unknown name."""
        status, answer, complaint = getattr(self.git, command)(
            *arguments, with_exceptions=False, with_extended_output=True, **options
        )
        if status and complaint.strip():
            raise StepFailed(without_credentials(f"git {command.replace('_', '-')}: {complaint.strip()}"))
        return "" if status else str(answer)


def _open(path: Path) -> Repo:
    try:
        import git
    except ImportError as error:  # GitPython looks for the git program on import
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CartwheelError(f"git: cannot be used ({words}); install git and put it on PATH") from None
    try:
        return git.Repo(path, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise CartwheelError(
            f"{path}: not a git repository; a release is a commit and a tag: run `git init`, and commit"
        ) from None


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Translate a git failure in the block to a `StepFailed` with git's output."""
    from git import GitCommandError

    try:
        yield
    except GitCommandError as error:
        raise StepFailed(without_credentials(f"{what}: {git_words(error)}")) from None
