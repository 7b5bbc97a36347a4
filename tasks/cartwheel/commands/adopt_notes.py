"""Notes that `doit adopt` adds to its proposal, and edits that start from the files as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from cartwheel.adoption.adopted_files import DODO, IGNORED, FileEdit
from cartwheel.adoption.build_folders import builds_without_package
from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.adoption.evidence import PackageEvidence
from cartwheel.commands.adopt import Adoption
from cartwheel.commands.adopt_git import ignored_paths


def with_offline_note(adoption: Adoption) -> Adoption:
    """The adoption, with `--offline` as the reason that no index is compared."""
    packages = tuple(replace(package, unread="--offline") for package in adoption.packages)
    return replace(adoption, packages=packages)


def without_unreadable(adoption: Adoption) -> Adoption:
    """The adoption with a note in place of an edit of a .gitignore that is not UTF-8."""
    path = adoption.root / ".gitignore"
    try:
        if path.is_file():
            path.read_bytes().decode()
    except UnicodeDecodeError:
        lines = " and ".join(IGNORED)
        note = f".gitignore is not UTF-8 and stays as it is; it has to name {lines}"
        edits = tuple(edit for edit in adoption.edits if edit.path != ".gitignore")
        return replace(adoption, edits=edits, notes=(*adoption.notes, note))
    return adoption


def with_dodo_note(adoption: Adoption, texts: Mapping[str, str]) -> Adoption:
    """The adoption, with the lines that a dodo.py of other tasks lacks; it is never edited."""
    if "cartwheel" in texts.get("dodo.py", "cartwheel"):
        return adoption
    lines = "".join(f"  {line}\n" if line else "\n" for line in DODO.splitlines()[2:]).rstrip()
    return replace(adoption, notes=(*adoption.notes, f"dodo.py stays as it is; add these lines to it:\n{lines}"))


def from_present(adoption: Adoption, present: Mapping[str, str], texts: Mapping[str, str]) -> Adoption:
    """The adoption with edits that start from the files as they are, without the tables that were added to them."""
    added = {path: text for path, text in texts.items() if present.get(path) != text}
    edits = [replace(edit, old=present.get(edit.path, "")) if edit.path in added else edit for edit in adoption.edits]
    edited = {edit.path for edit in edits}
    folders = {package.folder for package in adoption.packages}
    for path, text in added.items():
        if path not in edited and (path.rpartition("/")[0] or ".") in folders:
            edits.append(FileEdit(path=path, old=present.get(path, ""), new=text))
    return replace(adoption, edits=tuple(edits))


def with_strayed_builds(
    adoption: Adoption, calls: Iterable[BuildCall], evidence: Iterable[PackageEvidence]
) -> Adoption:
    """The adoption, with a note about each job that builds in a folder without a package."""
    folders = {*(row.folder for row in adoption.packages), *(row.folder for row in adoption.skipped)}
    notes = builds_without_package(calls, folders, [call for row in evidence for call in row.calls])
    return replace(adoption, notes=(*adoption.notes, *dict.fromkeys(notes)))


def with_ignored(adoption: Adoption) -> Adoption:
    """The adoption with the files that git ignores and that have to be committed."""
    hidden = ignored_paths(adoption.root, [edit.path for edit in adoption.edits])
    if not hidden:
        return adoption
    note = f"git ignores {', '.join(hidden)}; a release is a commit, so it has to be added: git add --force"
    return replace(adoption, ignored=hidden, notes=(*adoption.notes, note))
