"""`doit licenses`: lists the licences of everything inside each built wheel, and what has none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from doit.exceptions import InvalidCommand
from msgspec import Struct, to_builtins

from cartwheel.commands.options import AS_JSON, WordsAndOptions
from cartwheel.commands.plan import context_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Project, packages_named
from cartwheel.model.wheels.artifacts import wheel_path
from cartwheel.process import run
from cartwheel.provenance.licences import Part


class WheelLicences(Struct, frozen=True, kw_only=True):
    """A built wheel, and the licence of each part of it."""

    file: str
    parts: tuple[Part, ...]


class Licenses(WordsAndOptions):
    """The command, as doit's plugin `licenses`."""

    name = "licenses"
    doc_purpose = "list the licences of everything inside each built wheel, and what has none"
    doc_usage = "[PACKAGE ...]"
    doc_description = (
        "Reads the wheels in the folder of the finished files and changes nothing: the package, crates, grafted "
        "libraries, vendored Python code.  Exits with 1 where something has no licence, or no wheel is built."
    )
    cmd_options = (AS_JSON,)

    def _execute(self, as_json: bool, pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        run.stop_on_signals()
        try:
            packages = packages_named(context.project, pos_args, "licenses") or context.project.packages
            rows = licences(context.project, packages, context.root, context.snapshot.environ)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        if not rows:
            raise InvalidCommand("licenses: no wheel is built here; build first: doit repair")
        document = {"schema": 1, "wheels": to_builtins(rows)}
        self.outstream.write(json.dumps(document, indent=2) + "\n" if as_json else as_text(rows))
        return 1 if any(not part.licence for row in rows for part in row.parts) else 0


def licences(
    project: Project, packages: Iterable[Package], root: Path, environ: Mapping[str, str]
) -> tuple[WheelLicences, ...]:
    """The licences in each built wheel of these packages. Raises `CartwheelError` if a wheel is damaged."""
    chosen = {package.key for package in packages}
    wheels = (wheel_path(package, wheel) for package, wheel in project.wheels if package.key in chosen)
    return tuple(_of_wheel(root / path, root, environ) for path in wheels if (root / path).is_file())


def _of_wheel(path: Path, root: Path, environ: Mapping[str, str]) -> WheelLicences:
    import zipfile

    from cartwheel.cargo.crate_sources import crate_licences
    from cartwheel.filesystem.distribution import wheel_contents
    from cartwheel.process.environment import cargo_home
    from cartwheel.provenance.licences import parts

    try:
        contents = dict(wheel_contents(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise CartwheelError(f"{path.name}: cannot be read ({error}); build it again: doit repair") from None
    rows = parts(contents)
    crates = {str(part): part.version for part in rows if part.kind == "crate" and not part.licence and part.version}
    if crates:
        rows = parts(contents, crate_licences(crates, cargo_home(environ), root))
    return WheelLicences(file=path.name, parts=rows)


def as_text(rows: Iterable[WheelLicences]) -> str:
    """For each wheel a line per licence with its parts; what has none comes last."""
    lines = []
    for row in rows:
        lines.append(row.file)
        by_licence: dict[str, list[str]] = {}
        for part in row.parts:
            label = str(part) if part.kind in ("package", "crate") else f"{part} ({part.kind})"
            by_licence.setdefault(part.licence, []).append(label)
        for licence, names in sorted(by_licence.items(), key=lambda item: (not item[0], item[0])):
            lines.append(f"  {licence or 'no licence'}: {', '.join(names)}")
    return "\n".join(lines) + "\n"
