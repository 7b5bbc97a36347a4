"""`doit reproduce`: builds a released version again from its tag and compares the files with those on the index."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct

from cartwheel.commands.options import AS_JSON, WordsAndOptions, packages_as_json, valued
from cartwheel.commands.plan import workshop_of
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.model.project import Package, Project
from cartwheel.process import run
from cartwheel.process.environment import tool_environment

SAME, DIFFERENT, NOT_BUILT = "same", "different", "not built here"


class FileResult(Struct, frozen=True, kw_only=True):
    """A published file compared with the one built here."""

    file: str
    state: str
    """`same`, `different`, `not built here`."""
    differences: tuple[str, ...] = ()


class Reproduction(Struct, frozen=True, kw_only=True):
    """A released version, built again."""

    package: str
    version: str
    tag: str
    index: str
    files: tuple[FileResult, ...]


class Reproduce(WordsAndOptions):
    """The command, as doit's plugin `reproduce`."""

    name = "reproduce"
    doc_purpose = "build a released version again from its tag, and compare the files with the index's"
    doc_usage = "[VERSION|TAG] [--index NAME]"
    doc_description = (
        "Builds in a clean clone what this machine can run, with the tools that are installed here.  Exits with 1 "
        "where a file differs or nothing could be compared."
    )
    cmd_options = (valued("index", "the index to compare with; default: the first that is no rehearsal"), AS_JSON)

    def _execute(self, index: str, as_json: bool, pos_args: list[str]) -> int:
        shop = workshop_of(self.task_list)
        shop.world.readonly = True
        run.stop_on_signals()
        if len(pos_args) > 1:
            raise InvalidCommand(f"reproduce: found {len(pos_args)} words; expected one version or tag")
        try:
            word = "".join(pos_args)
            results = tuple(
                reproduction(shop.project, package, shop.root, shop.world.environ, word=word, index=index)
                for package in shop.project.packages
                if package.publish
            )
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        self.outstream.write(packages_as_json(results) if as_json else as_text(results))
        states = [row.state for package in results for row in package.files]
        return 0 if SAME in states and DIFFERENT not in states else 1


def tag_and_version(package: Package, word: str) -> tuple[str, str]:
    """The tag and the version that a word names; the package's own if it is empty."""
    if not word:
        return package.tag_name, package.version
    before, _, after = package.tag.partition("{version}")
    if word.startswith(before) and word.endswith(after) and before + after:
        return word, word.removeprefix(before).removesuffix(after)
    return f"{before}{word}{after}", word


def reproduction(
    project: Project, package: Package, root: Path, environ: Mapping[str, str], *, word: str, index: str
) -> Reproduction:
    """Builds the version in a clean clone and compares it. Raises `CartwheelError` if there is nothing to compare."""
    from cartwheel.destinations.pypi_index import resolve
    from cartwheel.destinations.pypi_reader import listing, read_bytes
    from cartwheel.last_release import comparison_index
    from cartwheel.model.destination import is_version
    from cartwheel.provenance.comparison import differences
    from cartwheel.repository.clones import local_clone
    from cartwheel.repository.git import Repository
    from cartwheel.repository.git_process import run_git

    name = index or comparison_index(project, package)
    if not name:
        raise ConfigError(f"{package.name} is published on no index; name one with --index")
    tag, version = tag_and_version(package, word)
    if word and not is_version(version):
        raise ConfigError(
            f"reproduce: '{word}' is neither a version nor a tag; expected one such as {package.tag_name}"
        )
    where = resolve(name, project.indexes)
    rows = listing(where, package.name, version, environ=environ)
    if not rows and not word and sum(row.publish != () for row in project.packages) > 1:
        return Reproduction(package=package.name, version=version, tag=tag, index=name, files=())
    if not rows:
        raise ConfigError(f"{name} holds no file of {package.name} {version}")
    with TemporaryDirectory(prefix="cartwheel-reproduce-") as folder:
        clone = Path(folder, "clone")
        local_clone(root, clone)
        with Repository(clone) as repository:
            if tag not in repository.tags():
                raise ConfigError(f"there is no tag '{tag}' here; fetch it: git fetch --tags")
            run_git(repository.git, "checkout", "--force", "--detach", f"refs/tags/{tag}")
        rebuilt = _built(clone, package, environ)
        files = []
        for row in rows:
            ours = rebuilt.get(row.file)
            if ours is None:
                files.append(FileResult(file=row.file, state=NOT_BUILT))
                continue
            theirs = Path(folder, "published", row.file)
            theirs.parent.mkdir(exist_ok=True)
            theirs.write_bytes(read_bytes(row.url, shown_as=row.file, index=where, environ=environ))
            unlike = differences(ours, theirs)
            files.append(FileResult(file=row.file, state=DIFFERENT if unlike else SAME, differences=unlike))
    return Reproduction(package=package.name, version=version, tag=tag, index=name, files=tuple(files))


def _built(clone: Path, package: Package, environ: Mapping[str, str]) -> Mapping[str, Path]:
    """The files of the package that this machine builds in the clone, by name."""
    from cartwheel.machine.host import this_machine
    from cartwheel.model.wheels.target import ANY
    from cartwheel.pipeline import read_project

    host = this_machine()
    there = next((row for row in read_project(clone, {}).packages if row.key == package.key), None)
    if there is None:
        raise ConfigError(f"the tag has no package '{package.key}'")
    own = [wheel for wheel in there.wheels if wheel.target.triple == ANY or host.runs(wheel.target)]
    tasks = (*(f"repair:{wheel.segments}" for wheel in own), f"sdist:{there.key}")
    run.capture((sys.executable, "-m", "doit", *tasks), cwd=clone, env=tool_environment(environ))
    names = (*(wheel.file for wheel in own), there.sdist)
    return {name: clone / there.dist / name for name in names}


def as_text(results: Iterable[Reproduction]) -> str:
    """A line for each file, with the differences below it."""
    lines = []
    for row in results:
        lines.append(f"{row.package} {row.version}  (tag {row.tag}, compared with {row.index})")
        for file in row.files:
            lines.append(f"  {file.state:16}{file.file}")
            lines += [f"  {'':16}{line}" for line in file.differences]
        lines += [] if row.files else ["  no file there"]
    return "\n".join(lines) + "\n"
