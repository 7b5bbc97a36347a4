"""Other working trees of a repository: clones for rehearsals, and a clean checkout of the commit to release.

Checkouts and submodule updates are git commands: GitPython's calls for them have no deadline, and filters such as Git
LFS may wait for a server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.repository.git import Repository, in_words
from cartwheel.repository.git_process import run_git

if TYPE_CHECKING:
    from git import Repo


def local_clone(source: Path, clone: Path) -> None:
    """Clone the checked-out commit of `source`.  The clone shares the objects of `source`, which is only read."""
    from git import Repo

    with (
        Repository(source) as here,
        in_words(f"git clone {source}"),
        Repo.clone_from(str(source), clone, shared=True, no_checkout=True, quiet=True) as repo,
    ):
        _configure(repo, {"core.hooksPath": os.devnull, **_lfs_settings(here)})
        run_git(repo.git, "checkout", "--force")


def scratch_clone(source: Path, *, remote: Path, clone: Path, branch: str, without: tuple[str, ...] = ()) -> None:
    """Make a bare repository at `remote` with the checked-out commit of `source` as `branch`, and a clone of it.

    All tags except those in `without` are copied; `source` is only read.  The clone signs neither tags nor commits,
    because it is for rehearsals.
    """
    from git import Repo

    with Repository(source) as here, in_words(f"git clone {source}"):
        commit = here.head()
        tags = tuple(f"refs/tags/{name}" for name in here.tags() if name not in without)
        with Repo.init(remote, bare=True, quiet=True, initial_branch=branch) as bare:
            _configure(bare, {"receive.shallowUpdate": "true"})
        # Direct `git push`: `Remote.push` knows only remotes in the user's configuration.
        here.git(c=_NO_HOOKS).push(str(remote), f"{commit}:refs/heads/{branch}", *tags, quiet=True)
        unsigned = {"tag.gpgSign": "false", "commit.gpgSign": "false", "core.hooksPath": os.devnull}
        with Repo.clone_from(str(remote), clone, branch=branch, no_checkout=True, quiet=True) as scratch:
            _configure(scratch, unsigned | _lfs_settings(here))
            run_git(scratch.git, "checkout", "--force")
        with Repository(clone) as tree:
            _fill_submodules(here, tree)


def clean_checkout(source: Path, place: Path) -> None:
    """Check out the HEAD commit of `source` at `place`, with submodules; remove files that git ignores.

    `place` is a git worktree of the same repository, so remotes, tags, settings and LFS files are shared.  Its folders
    `.cartwheel` and `dist` are kept.  GitPython has no API for worktrees.
    """
    with Repository(source) as here, in_words(f"git worktree add {place}"):
        commit = here.head()
        if not (place / ".git").is_file() or not _is_open(place):
            remove_tree(place, ignore_errors=True)
            here.git.worktree("prune")
            here.git(c=_NO_HOOKS).worktree("add", "--force", "--detach", "--no-checkout", str(place), commit)
        with Repository(place) as tree:
            run_git(tree.git(c=_NO_HOOKS), "checkout", "--force", "--detach", commit)
            tree.git.clean("-ffdx", "-e", ".cartwheel", "-e", "dist")
            _fill_submodules(here, tree)


def _lfs_settings(source: Repository) -> dict[str, str]:
    """The settings with which a clone finds the Git LFS files that `source` has; missing ones stay pointers.

    Git copies no settings into a clone, and the scratch remote holds no LFS files (git-lfs 3, `git lfs help config`).
    """
    rows = source.settings(r"^(filter\.lfs|lfs)\.")
    if not any(name.startswith("filter.lfs.") for name in rows):
        return {}
    storage = source.common_folder / rows.get("lfs.storage", "lfs")
    return {**rows, "lfs.storage": str(storage), "lfs.skipdownloaderrors": "true"}


def _fill_submodules(source: Repository, tree: Repository) -> None:
    """Check out the submodules of a tree, from the submodules of `source` if they are present, else from their URLs."""
    submodules = {str(module.name): source.root / str(module.path) for module in tree.submodules()}
    local = [f"submodule.{name}.url={path}" for name, path in submodules.items() if (path / ".git").exists()]
    if submodules:
        options = [_NO_HOOKS, "protocol.file.allow=always", *local]
        run_git(tree.git(c=options), "submodule", "update", "--init", "--recursive", "--force")


_NO_HOOKS = f"core.hooksPath={os.devnull}"


def _is_open(place: Path) -> bool:
    """Whether a worktree still belongs to its repository."""
    try:
        with Repository(place) as tree:
            return tree.root.resolve() == place.resolve() and bool(tree.head())
    except Exception:
        return False


def _configure(repo: Repo, settings: Mapping[str, str]) -> None:
    with repo.config_writer() as config:
        for key, value in settings.items():
            section, _, name = key.rpartition(".")
            head, _, tail = section.partition(".")
            config.set_value(f'{head} "{tail}"' if tail else head, name, value)
