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
from cartwheel.repository.hidden_changes import PLAIN, UNREPLACED

if TYPE_CHECKING:
    from git import Repo


_OF_A_CLONE = {"core.hooksPath": os.devnull, "core.longpaths": "true"}
"""Settings of every clone: no hooks, and files with paths over 260 characters on Windows, where a clone may lie deeper
than its source (git-config, November 2026)."""


def local_clone(source: Path, clone: Path) -> None:
    """Clone the checked-out commit of `source`.  The clone shares the objects of `source`, which is only read."""
    from git import Repo

    with (
        Repository(source) as here,
        in_words(f"git clone {source}"),
        Repo.clone_from(str(source), clone, shared=True, no_checkout=True, quiet=True) as repo,
    ):
        _configure(repo, _OF_A_CLONE | _lfs_settings(here))
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
        unsigned = {"tag.gpgSign": "false", "commit.gpgSign": "false"}
        with Repo.clone_from(str(remote), clone, branch=branch, no_checkout=True, quiet=True) as scratch:
            _configure(scratch, _OF_A_CLONE | unsigned | _lfs_settings(here))
            run_git(scratch.git, "checkout", "--force")
        with Repository(clone) as tree:
            _fill_submodules(here, tree)


def clean_checkout(source: Path, place: Path) -> None:
    """Check out the HEAD commit of `source` at `place`, with submodules; remove files that git ignores.

    `place` is a git worktree of the same repository, so remotes, tags, settings and LFS files are shared.  Its folders
    `.cartwheel` and `dist` are kept.  GitPython has no API for worktrees.
    """
    plain = [_NO_HOOKS, *PLAIN]  # a new worktree takes over a sparse checkout
    with Repository(source) as here, in_words(f"git worktree add {place}"):
        commit = here.head()
        if not (place / ".git").is_file() or not _is_open(place):
            remove_tree(place, ignore_errors=True)
            here.git.worktree("prune")
            here.git(c=plain).worktree("add", "--force", "--detach", "--no-checkout", str(place), commit)
        with Repository(place) as tree:
            tree.git.update_environment(**UNREPLACED)
            run_git(tree.git(c=plain), "checkout", "--force", "--detach", commit)
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
    paths: dict[str, str] = {}
    options = [_NO_HOOKS, "protocol.file.allow=always"]
    for module in tree.submodules():
        paths[module.name] = module.path
        present = (source.root / module.path / ".git").exists()
        address = source.root / module.path if present else _submodule_address(source, module.name, module.url)
        options.append(f"submodule.{module.name}.url={address}")
    if paths:
        run_git(tree.git(c=options), "submodule", "update", "--init", "--force")
    for path in paths.values():
        if (tree.root / path / ".git").exists():
            original = source if (source.root / path / ".git").exists() else tree
            with Repository(original.root / path) as inner, Repository(tree.root / path) as copy:
                _fill_submodules(inner, copy)


def _submodule_address(source: Repository, name: str, url: str) -> str:
    """The address of a submodule as git resolves it in `source`: a relative URL starts at that of the default remote.

    It is absolute, because a path may be relative to the working tree (git 2.39, `git help submodule`).
    """
    rows = source.settings(r"^(submodule|remote|branch)\..*\.(url|remote)$")
    if configured := rows.get(f"submodule.{name}.url"):
        return _absolute(configured, source.root)
    remote = rows.get(f"branch.{source.branch}.remote", "origin")
    base, separator = _absolute(rows.get(f"remote.{remote}.url", "."), source.root).rstrip("/"), "/"
    if not url.startswith(("./", "../")):
        return url
    while url.startswith(("./", "../")):
        dots, _, url = url.partition("/")
        if dots == "..":
            cut = max(base.rfind("/"), base.rfind(":"))  # of `host:repository`, the host stays
            base, separator = base[:cut], base[cut]
    return f"{base}{separator}{url}"


def _absolute(address: str, root: Path) -> str:
    """The address, absolute if it is a path."""
    is_path = ":" not in address.partition("/")[0] and not os.path.isabs(address)
    return Path(os.path.normpath(root / address)).as_posix() if is_path else address


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
