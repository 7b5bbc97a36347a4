"""Other working trees of a repository: clones for practice, and a clean checkout of the commit that is released."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.repository.git import Repository, in_words

if TYPE_CHECKING:
    from git import Repo


def local_clone(source: Path, clone: Path) -> None:
    """A clone of the checked-out commit that shares its objects with `source`, which is only read."""
    from git import Repo

    with in_words(f"git clone {source}"), Repo.clone_from(str(source), clone, shared=True, quiet=True) as made:
        _configure(made, {"core.hooksPath": os.devnull})


def scratch_clone(source: Path, *, remote: Path, clone: Path, branch: str, without: tuple[str, ...] = ()) -> None:
    """A bare repository at `remote` with the commit that `source` has checked out as `branch`, and a clone of that.

    Tags go along, except those in `without`; `source` is only read.  Tags made in the clone are never signed: it is for
    practice.
    """
    from git import Repo

    with Repository(source) as here, in_words(f"git clone {source}"):
        commit = here.head()
        tags = tuple(f"refs/tags/{name}" for name in here.tags() if name not in without)
        with Repo.init(remote, bare=True, quiet=True, initial_branch=branch) as bare:
            _configure(bare, {"receive.shallowUpdate": "true"})
        # By git itself: `Remote.push` knows only remotes that stand in the user's configuration.
        here.git.push(str(remote), f"{commit}:refs/heads/{branch}", *tags, quiet=True, verify=False)
        with Repo.clone_from(str(remote), clone, branch=branch, quiet=True) as scratch:
            _configure(scratch, {"tag.gpgSign": "false", "commit.gpgSign": "false", "core.hooksPath": os.devnull})
        with Repository(clone) as tree:
            _fill_submodules(here, tree)


def clean_checkout(source: Path, place: Path) -> None:
    """The commit that `source` has checked out, at `place`, with its submodules; files that git ignores are removed.

    It is another working tree of the same repository, so remotes, tags, settings and the files of LFS are shared.  What
    lies in its `.cartwheel` and `dist` stays.  GitPython has no objects for working trees.
    """
    with Repository(source) as here, in_words(f"git worktree add {place}"):
        commit = here.head()
        if not (place / ".git").is_file() or not _is_open(place):
            shutil.rmtree(place, ignore_errors=True)
            here.git.worktree("prune")
            here.git(c=_NO_HOOKS).worktree("add", "--force", "--detach", "--no-checkout", str(place), commit)
        with Repository(place) as tree:
            tree.git(c=_NO_HOOKS).checkout("--force", "--detach", commit)
            tree.git.clean("-ffdx", "-e", ".cartwheel", "-e", "dist")
            _fill_submodules(here, tree)


def _fill_submodules(source: Repository, tree: Repository) -> None:
    """Check out the submodules of a tree: from those that `source` has, else from where they come from."""
    submodules = {str(module.name): source.root / str(module.path) for module in tree.submodules()}
    local = [f"submodule.{name}.url={path}" for name, path in submodules.items() if (path / ".git").exists()]
    if submodules:
        options = [_NO_HOOKS, "protocol.file.allow=always", *local]
        tree.git(c=options).submodule("update", "--init", "--recursive", "--force")


_NO_HOOKS = f"core.hooksPath={os.devnull}"


def _is_open(place: Path) -> bool:
    """Whether a working tree still belongs to its repository."""
    try:
        with Repository(place) as tree:
            return tree.root.resolve() == place.resolve() and bool(tree.head())
    except Exception:
        return False


def _configure(repo: Repo, settings: Mapping[str, str]) -> None:
    with repo.config_writer() as config:
        for key, value in settings.items():
            config.set_value(*key.split("."), value)
