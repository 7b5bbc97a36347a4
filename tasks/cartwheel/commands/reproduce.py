"""`doit reproduce`: builds a released version again from its tag and compares the files with those on the index."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from doit.exceptions import InvalidCommand
from msgspec import Struct
from msgspec.structs import replace

from cartwheel.commands.options import AS_JSON, WordsAndOptions, packages_as_json, text_option
from cartwheel.commands.plan import context_of
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.model.project import Package, Project
from cartwheel.model.versions.version import tag_name, version_in
from cartwheel.process import run
from cartwheel.process.environment import tool_environment

if TYPE_CHECKING:
    from cartwheel.destinations.pypi_index import Index
    from cartwheel.destinations.simple_api import ListedFile

SAME, DIFFERENT, NOT_BUILT = "same", "different", "not built here"
NOT_PLANNED, NOT_PUBLISHED = "not of the tag", "not published"


class FileResult(Struct, frozen=True, kw_only=True):
    """A file of a release, published and built here."""

    file: str
    state: str
    """`same`, `different`; `not built here`: other machines build it; `not of the tag`: the index has it, and the tag
    plans no such file; `not published`: the tag plans it, and the index has no such file."""
    differences: tuple[str, ...] = ()
    """How it differs, or why it was not built."""


class Reproduction(Struct, frozen=True, kw_only=True):
    """A released version, built again."""

    package: str
    version: str
    tag: str
    index: str
    files: tuple[FileResult, ...]
    compiler: str = ""
    """A compiler that the published files name and that is missing here, in words; empty if the compiler is the same,
    or no file names one."""


class Reproduce(WordsAndOptions):
    """The command, as doit's plugin `reproduce`."""

    name = "reproduce"
    doc_purpose = "build a released version again from its tag, and compare the files with the index's"
    doc_usage = "[VERSION|TAG] [--index NAME]"
    doc_description = (
        "Builds in a clean clone what this machine can run, with the compiler that the published wheels name where it "
        "is installed.  Exits with 1 where a file differs, is missing there or is not of the tag, or where nothing "
        "could be compared."
    )
    cmd_options = (text_option("index", "the index to compare with; default: the first that is no rehearsal"), AS_JSON)

    def _execute(self, index: str, as_json: bool, pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        run.stop_on_signals()
        if len(pos_args) > 1:
            raise InvalidCommand(f"reproduce: found {len(pos_args)} words; expected one version or tag")
        try:
            results = reproductions(
                context.project, context.root, context.snapshot.environ, word="".join(pos_args), index=index
            )
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        self.outstream.write(packages_as_json(results) if as_json else as_text(results))
        states = [row.state for package in results for row in package.files]
        return 0 if SAME in states and not {DIFFERENT, NOT_PLANNED, NOT_PUBLISHED} & {*states} else 1


def tag_and_version(package: Package, word: str) -> tuple[str, str]:
    """The tag and the version that a word names: the package's own if it is empty, and both empty if the word is
    neither a version nor one of the package's tags."""
    from cartwheel.model.versions.version import is_version

    if not word:
        return package.tag_name, package.version
    if version := version_in(package.tag, word, name=package.name):
        return word, version
    version = word.removeprefix("v")
    return (tag_name(package.tag, version, name=package.name), version) if is_version(version) else ("", "")


def reproductions(
    project: Project, root: Path, environ: Mapping[str, str], *, word: str, index: str
) -> tuple[Reproduction, ...]:
    """Builds every published package that the word names again.

    Raises `CartwheelError` if it names none, or the index holds no file of any of them.
    """
    published = [package for package in project.packages if package.publish or index]
    named = [(package, *tag_and_version(package, word)) for package in published]
    rows = tuple(
        reproduction(project, package, root, environ, tag=tag, version=version, index=index)
        for package, tag, version in named
        if tag
    )
    if not rows:
        tags = ", ".join(dict.fromkeys(package.tag_name for package in published))
        raise ConfigError(
            f"reproduce: '{word}' is neither a version nor a tag; expected one such as {tags}"
            if published
            else "reproduce: no package is published; name an index with --index"
        )
    if not any(row.files for row in rows):
        raise ConfigError("\n".join(f"{row.index} holds no file of {row.package} {row.version}" for row in rows))
    return rows


def reproduction(
    project: Project, package: Package, root: Path, environ: Mapping[str, str], *, tag: str, version: str, index: str
) -> Reproduction:
    """Builds the version in a clean clone and compares it. Raises `CartwheelError` if there is nothing to compare."""
    from cartwheel.destinations.pypi_index import resolve
    from cartwheel.destinations.pypi_reader import listing
    from cartwheel.last_release import comparison_index
    from cartwheel.pipeline import read_project
    from cartwheel.repository.clones import local_clone
    from cartwheel.repository.git import Repository
    from cartwheel.repository.git_process import run_git

    name = index or comparison_index(project, package)
    if not name:
        raise ConfigError(f"{package.name} is published on no index; name one with --index")
    where = resolve(name, project.indexes)
    rows = listing(where, package.name, version, environ=environ)
    result = Reproduction(package=package.name, version=version, tag=tag, index=name, files=())
    if not rows:
        return result
    with TemporaryDirectory(prefix="cartwheel-reproduce-") as folder:
        clone = Path(folder, "clone")
        local_clone(root, clone)
        with Repository(clone) as repository:
            if tag not in repository.tags():
                raise ConfigError(f"there is no tag '{tag}' here; fetch it: git fetch --tags")
            run_git(repository.git, "checkout", "--force", "--detach", f"refs/tags/{tag}")
        there = next((row for row in read_project(clone, {}).packages if row.key == package.key), None)
        if there is None:
            raise ConfigError(f"the tag has no package '{package.key}'")
        release = _Release(there, where, {row.file: row for row in rows}, environ, Path(folder, "published"))
        return release.compare(clone, result)


class _Release:
    """The files of a version on an index, and what its tag plans."""

    def __init__(
        self, package: Package, index: Index, listed: Mapping[str, ListedFile], environ: Mapping[str, str], folder: Path
    ) -> None:
        """`package`: as the tag has it. `folder`: where published files are put."""
        from cartwheel.machine.host import this_machine
        from cartwheel.model.wheels.artifacts import package_artifacts
        from cartwheel.model.wheels.target import ANY

        folder.mkdir()
        host = this_machine()
        running = {wheel.file for wheel in package.wheels if wheel.target.triple == ANY or host.runs(wheel.target)}
        self._planned = {artifact.file: artifact for artifact in package_artifacts(package)}
        self._own = [row for row in self._planned.values() if row.kind == "sdist" or row.file in running]
        self._index, self._listed, self._environ, self._folder = index, listed, environ, folder

    def compare(self, clone: Path, result: Reproduction) -> Reproduction:
        """The result with a row for each file of the index and of the tag."""
        toolchain, compiler = self._compiler(clone)
        env = tool_environment(self._environ) | ({"RUSTUP_TOOLCHAIN": toolchain} if toolchain else {})
        tasks = [row.task for row in self._own if row.file in self._listed]
        failure = self._build(clone, tasks, env) if tasks else ""
        names = (*self._listed, *(file for file in self._planned if file not in self._listed))
        files = tuple(self._result(clone, file, failure) for file in names)
        return replace(result, files=files, compiler=compiler)

    def _build(self, clone: Path, tasks: Sequence[str], env: Mapping[str, str]) -> str:
        """Builds the tasks; returns the lines about failures."""
        if sys.stderr.isatty():
            sys.stderr.write(f"building {len(tasks)} files again, which takes as long as a release does here\n")
            sys.stderr.flush()
        output = run.capture(
            (sys.executable, "-m", "doit", "run", "--continue", *tasks), cwd=clone, env=env, ok=(0, 1, 2, 3)
        )
        return output if "FAIL" in output else ""

    def _compiler(self, clone: Path) -> tuple[str, str]:
        """The installed toolchain with the compiler of the published wheels, and a line if there is no such one."""
        from cartwheel.filesystem.distribution import UNREADABLE
        from cartwheel.toolchain.installed_rust import compiler_commit
        from cartwheel.toolchain.recorded_rust import recorded_commit, toolchain_of

        for row in self._own:
            if row.kind == "sdist" or row.file not in self._listed:
                continue
            env = tool_environment(self._environ)
            try:
                commit = recorded_commit(self._download(row.file))
                here = compiler_commit(clone, env) if commit else ""
            except run.Interrupted:
                raise
            except (CartwheelError, *UNREADABLE):
                continue
            if not commit or here.startswith(commit):
                return "", ""
            name = toolchain_of(commit, clone, env)
            text = f"published files were built by the rustc of commit {commit[:9]}, which is not installed here; "
            return name, "" if name else f"{text}built with that of commit {here[:9]}"
        return "", ""

    def _download(self, file: str) -> Path:
        """A file of the index, downloaded."""
        from cartwheel.destinations.pypi_reader import read_bytes

        path, row = self._folder / file, self._listed[file]
        if not path.exists():
            path.write_bytes(read_bytes(row.url, shown_as=file, index=self._index, environ=self._environ))
        return path

    def _result(self, clone: Path, file: str, failure: str) -> FileResult:
        from cartwheel.filesystem.digests import sha256_of
        from cartwheel.provenance.comparison import differences

        planned, listed = self._planned.get(file), self._listed.get(file)
        if planned is None:
            return FileResult(file=file, state=NOT_PLANNED)
        if listed is None:
            return FileResult(file=file, state=NOT_PUBLISHED)
        ours = clone / planned.path
        if not ours.is_file():
            return FileResult(file=file, state=NOT_BUILT, differences=_about(failure, planned.task))
        theirs = self._download(file)
        unlike = differences(ours, theirs)
        if listed.sha256 and (served := sha256_of(theirs)) != listed.sha256:
            unlike = (f"the index lists it with sha256 {listed.sha256}, and serves sha256 {served}", *unlike)
        return FileResult(file=file, state=DIFFERENT if unlike else SAME, differences=unlike)


def _about(output: str, task: str) -> tuple[str, ...]:
    """The lines of doit's output about the failed steps of one file."""
    where = task.partition(":")[2]
    lines: list[str] = []
    inside = False
    for line in output.splitlines():
        if line.lstrip().startswith("FAIL") or not line.startswith("      "):
            inside = "FAIL" in line and any(word.endswith(f":{where}") for word in line.split())
        if inside and not line.lstrip().startswith("again:"):
            lines.append(line.strip())
    return tuple(lines[:6])


def as_text(results: Iterable[Reproduction]) -> str:
    """A line for each file, with the differences below it."""
    lines = []
    for row in results:
        lines.append(f"{row.package} {row.version}  (tag {row.tag}, compared with {row.index})")
        lines += [f"  {row.compiler}"] if row.compiler else []
        for file in row.files:
            lines.append(f"  {file.state:16}{file.file}")
            lines += [f"  {'':16}{line}" for line in file.differences]
        lines += [] if row.files else ["  no file there"]
    return "\n".join(lines) + "\n"
