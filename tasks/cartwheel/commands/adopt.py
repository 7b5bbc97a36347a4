"""`doit adopt`: configures an existing project so that every file it ships is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from doit.cmd_base import Command
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand
from msgspec import Struct

from cartwheel.adoption.adopted_files import FileEdit
from cartwheel.adoption.layout import SkippedFolder
from cartwheel.commands.adopt_git import git_facts
from cartwheel.commands.options import AS_JSON, flag, wrong_option
from cartwheel.commands.seek import asks_for_help, replace_unencodable
from cartwheel.model.errors import CartwheelError, ConfigError


class Adopt(Command):  # type: ignore[misc]
    """The command, as doit's plugin `adopt`. Needs no dodo.py."""

    name = "adopt"
    doc_purpose = "write dodo.py and [tool.cartwheel] for this project, with every file that it ships"
    doc_usage = ""
    doc_description = (
        "Looks at the packages, the workflows, the tags and the newest release on the index, shows what it would write "
        "as a diff, and asks; --write does not ask.  Nothing that is there is overwritten.  In an adopted project it "
        "proposes what has changed since."
    )
    cmd_options = (
        flag("write", "write without asking"),
        flag("offline", "do not ask the index what is shipped; follow the workflows"),
        {
            "name": "exclude",
            "long": "exclude",
            "type": list,
            "default": [],
            "help": "a folder, or a pattern of folders, whose packages are not released; it is remembered",
        },
        AS_JSON,
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes; `--help` prints the help."""
        replace_unencodable()
        if asks_for_help(in_args):
            from cartwheel.commands.help import print_help

            return print_help(self.name, in_args, {self.name: type(self)})
        try:
            return super().parse_execute(in_args)
        except CmdParseError as error:
            raise InvalidCommand(wrong_option(self, error)) from None

    def execute(self, opt_values: Mapping[str, Any], pos_args: list[str]) -> int:
        """Proposes, shows and writes; returns 1 if a published file would be lost without a reason."""
        from cartwheel.commands.adopt_report import as_document, as_text

        if pos_args:
            raise InvalidCommand(f"adopt: takes no word; found '{pos_args[0]}'")
        try:
            excluded = tuple(opt_values["exclude"])
            adoption = adopt(project_root(Path.cwd()), offline=opt_values["offline"], excluded=excluded)
            if opt_values["as_json"]:
                if opt_values["write"]:
                    write(adoption)
                _print(as_document(adoption, written=opt_values["write"]))
            else:
                written = self._offer(adoption, opt_values["write"])
                _print(as_text(adoption, written=written))
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        return 1 if adoption.unexplained else 0

    def _offer(self, adoption: Adoption, meant: bool) -> bool:
        from cartwheel.process import prompt

        if not adoption.edits:
            return False
        _print("".join(f"{edit.diff()}\n" for edit in adoption.edits))
        if not meant and prompt.has_terminal():
            meant = adoption.new or prompt.confirm(f"write {', '.join(edit.path for edit in adoption.edits)}?")
        if meant:
            write(adoption)
        return meant


def _print(text: str) -> None:
    import sys

    sys.stdout.write(text)
    sys.stdout.flush()


class PackageAdoption(Struct, frozen=True, kw_only=True):
    """One package: what is published, what is planned, and every difference."""

    name: str
    folder: str
    version: str
    source: str
    published: tuple[str, ...]
    planned: tuple[str, ...]
    rows: tuple[Any, ...]
    """Each is an `AdoptionRow`."""
    unread: str


class Adoption(Struct, frozen=True, kw_only=True):
    """Everything that a run finds and proposes."""

    root: Path
    packages: tuple[PackageAdoption, ...]
    skipped: tuple[SkippedFolder, ...]
    edits: tuple[FileEdit, ...]
    rivals: tuple[str, ...]
    notes: tuple[str, ...]
    again: bool
    """Whether the project is already adopted."""
    forge: str = "github"
    """The forge for which `doit ci` should write the pipeline."""
    new: bool = False
    """Whether the repository has no commit yet; then files are written without a question."""
    ignored: tuple[str, ...] = ()
    """Paths of `edits` that git ignores, and that have to be committed."""
    workflows_compared: bool = True
    """Whether a second run knows the workflows of the adoption: a commit has it."""

    @property
    def unexplained(self) -> bool:
        """Whether a published file would be lost without a reason."""
        return any(row.state == "lost" and not row.why for package in self.packages for row in package.rows)


def project_root(start: Path) -> Path:
    """The nearest folder with a dodo.py, else the repository's root, else `start`."""
    for folder in (start, *start.parents):
        if (folder / "dodo.py").is_file() or (folder / ".git").exists():
            return folder
    return start


def write(adoption: Adoption) -> None:
    """Writes every file; raises `ConfigError` for a file that changed since it was read.

    The root's table comes last: a project whose adoption was killed counts as not adopted, and the next run proposes
    the same again. That run deletes the temporary files of the killed one. Modes and symbolic links are kept.
    """
    from cartwheel.filesystem.files import create_state_folder, sweep_beside, write_atomically
    from cartwheel.schema import write_editor_schema

    for edit in adoption.edits:
        path = adoption.root / edit.path
        try:
            present = path.read_bytes().decode() if path.is_file() else ""
        except UnicodeDecodeError:
            raise ConfigError(f"{edit.path} is not UTF-8; convert it, and run it again: doit adopt") from None
        if present != edit.old:
            raise ConfigError(f"{edit.path} was changed meanwhile; run it again: doit adopt")
    edits = sorted(adoption.edits, key=lambda edit: _MARKS.get(edit.path, 0))
    contents = {(adoption.root / edit.path).resolve(): edit.new.encode() for edit in edits}
    sweep_beside(contents)
    create_state_folder(adoption.root)
    for path, data in contents.items():
        write_atomically(path, data, mode=path.stat().st_mode & 0o7777 if path.is_file() else 0o644)
    write_editor_schema(adoption.root)


_MARKS = {"dodo.py": 1, "pyproject.toml": 2}
"""The files that mark a project as adopted, in the order in which they are written after all others."""


Released = Callable[[Path, str, Any], tuple[str, tuple[str, ...], str]]
"""Returns version and files of a project's newest release on an index, and why these are unknown (else empty)."""


def adopt(root: Path, *, offline: bool, released: Released | None = None, excluded: tuple[str, ...] = ()) -> Adoption:
    """The proposal for a project; changes nothing. `excluded`: patterns of folders whose packages are left out from now
    on. Raises `ConfigError` if there is no package to adopt."""
    from cartwheel.adoption.built_wheels import build_calls
    from cartwheel.adoption.layout import packages_in
    from cartwheel.adoption.setup_files import with_project_tables
    from cartwheel.adoption.workflows import workflows
    from cartwheel.commands.adopt_changes import changes
    from cartwheel.commands.adopt_evidence import gather_evidence, latest_release
    from cartwheel.commands.adopt_new import first_adoption
    from cartwheel.commands.adopt_notes import (
        from_present,
        with_dodo_note,
        with_ignored,
        with_offline_note,
        with_strayed_builds,
        without_unreadable,
    )
    from cartwheel.filesystem.repository_files import read_repository
    from cartwheel.model.config.settings import Settings
    from cartwheel.model.config.table import decode

    present = read_repository(root)
    texts = with_project_tables(present)
    table = _tool(texts, "pyproject.toml").get("cartwheel", {})
    remembered = decode(Settings, table, where="[tool.cartwheel]").excluded_packages or ()
    layout, skipped = packages_in(texts, excluded=(*remembered, *excluded))
    _refuse_no_match(excluded, (*(row.folder for row in layout), *(row.folder for row in skipped)))
    if not layout:
        why = "; ".join(f"{row.folder}: {row.why}" for row in skipped)
        raise ConfigError(
            f"adopt: no package in {root}{f' ({why})' if why else ''}; expected a pyproject.toml with [build-system]. "
            "A new one: maturin new -b pyo3 NAME"
        )
    pipelines = workflows(texts)
    git = git_facts(root)
    look = None if offline else released or latest_release
    calls = build_calls(pipelines, texts)
    evidence = gather_evidence(root, texts, (layout, skipped), pipelines, calls, git, look)
    if "cartwheel" in _tool(texts, "pyproject.toml"):
        adoption = changes(root, texts, evidence, skipped, git, excluded)
    else:
        first = first_adoption(root, texts, evidence, skipped, pipelines, git, excluded)
        first = with_strayed_builds(first, calls, evidence)
        adoption = from_present(first, present, texts)
    adoption = without_unreadable(with_offline_note(adoption) if offline else adoption)
    return with_ignored(with_dodo_note(adoption, texts))


def _refuse_no_match(excluded: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """Raises `ConfigError` for a pattern that no folder matches."""
    from cartwheel.adoption.layout import matches_folder

    for pattern in excluded:
        if not any(matches_folder(folder, pattern) for folder in folders):
            raise ConfigError(
                f"adopt --exclude {pattern}: no folder with a pyproject.toml or setup.py matches; "
                f"expected one of: {', '.join(folders)}"
            )


def _tool(texts: Mapping[str, str], path: str) -> Mapping[str, Any]:
    from cartwheel.adoption.parsed_files import parsed_toml

    table: Mapping[str, Any] = parsed_toml(texts, path).get("tool", {})
    return table
