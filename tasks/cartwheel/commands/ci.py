"""`doit ci`: writes a project's pipeline for a forge, compares it, and answers questions of the running pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from doit.exceptions import InvalidCommand

from cartwheel import __version__
from cartwheel.ci import pipeline_files
from cartwheel.ci.jobs import Pipeline
from cartwheel.ci.other_publishers import other_publishers
from cartwheel.commands.ci_advice import advice
from cartwheel.commands.ci_run import cache_key, matrix, place_files, set_nightly_version
from cartwheel.commands.options import WordsAndOptions, flag, text_option
from cartwheel.commands.plan import context_of
from cartwheel.filesystem.files import write_atomically
from cartwheel.filesystem.repository_files import repository_root
from cartwheel.filesystem.toml_edits import with_key
from cartwheel.model.errors import CartwheelError, ConfigError, did_you_mean
from cartwheel.run_context import RunContext

WORDS = (*pipeline_files.FORGES, "lock", "pins", "matrix", "key", "place", "nightly")

_WITH_ARGUMENT = {"place": "FOLDER", "nightly": "NUMBER"}
"""Words that take an argument."""


class Ci(WordsAndOptions):
    """The command, as doit's plugin `ci`."""

    name = "ci"
    doc_purpose = f"write the pipeline for the same graph: {' | '.join(pipeline_files.FORGES)}; or compare it: --check"
    doc_usage = f"{' | '.join(pipeline_files.FORGES)} | lock | pins | --check"
    doc_description = (
        "Writes the pipeline's file, the lock of jobs that publish, and `release.from` into the configuration.  "
        "--check changes nothing and fails where a file that it wrote is no longer what the configuration says.  "
        "`lock` resolves the lock anew; `pins` renews the actions that workflows use.  `matrix`, `key`, `place FOLDER` "
        "and `nightly NUMBER` are for the pipeline itself."
    )
    cmd_options = (
        flag("check", "compare the committed pipelines with the configuration"),
        text_option("to", "with matrix: the index that a person chose for this run"),
        {
            "name": "forge",
            "short": "",
            "long": "for",
            "type": str,
            "default": "github",
            "help": "with matrix: whose jobs are told",
        },
    )

    def _execute(self, check: bool, to: str, forge: str, pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        self._refuse_nonsense(check, pos_args)
        try:
            for line in _check(context) if check else self._answer(context, pos_args, to, forge):
                self.outstream.write(f"{line}\n")
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        return 0

    def _refuse_nonsense(self, check: bool, words: list[str]) -> None:
        if check and words:
            raise InvalidCommand(f"ci: --check takes no word; found '{' '.join(words)}'")
        if check:
            return
        if words and words[0] not in WORDS:
            raise InvalidCommand(f"ci: found '{words[0]}'{did_you_mean(words[0], WORDS)}")
        argument = _WITH_ARGUMENT.get(words[0], "") if words else ""
        if len(words) != (2 if argument else 1):
            usage = f"{words[0]} {argument}" if argument else self.doc_usage
            received = f"found '{' '.join(words)}'; " if words else ""
            raise InvalidCommand(f"ci: {received}expected: doit ci {usage}")

    def _answer(self, context: RunContext, words: list[str], to: str, forge: str) -> Iterable[str]:
        word, argument = words[0], words[-1]
        answers: Mapping[str, Callable[[], Iterable[str]]] = {
            "matrix": lambda: matrix(context, self.task_list, to, pipeline_files.forge_by_name(forge)),
            "key": lambda: [f"key={cache_key(context)}"],
            "place": lambda: place_files(context, Path(argument)),
            "nightly": lambda: set_nightly_version(context, argument),
            "lock": lambda: _renew_locks(context),
            "pins": lambda: _renew_pins(context.root),
        }
        return answers[word]() if word in answers else _write(context, word)


def _check(context: RunContext) -> Iterable[str]:
    forges = pipeline_files.committed_forges(context.root, context.project.ci)
    if not forges:
        raise InvalidCommand(
            f"ci: there is no pipeline to compare; write one: doit ci {' | '.join(pipeline_files.FORGES)}"
        )
    wrong = list(pipeline_files.differences(context.root, context.project, version=__version__))
    if context.project.release.origin != "ci":
        wrong.append(f'a pipeline is there, and release.from is not "ci"; say so: doit ci {forges[0].name}')
    if wrong:
        raise InvalidCommand("\n".join(wrong))
    return (f"{forge.path_in(context.project.ci)} is what the configuration says" for forge in forges)


def _write(context: RunContext, name: str) -> Iterable[str]:
    if context.project.overrides or context.project.rehearsed:
        raise InvalidCommand("ci: takes no setting for one run; run it without")
    forge = pipeline_files.forge_by_name(name)
    path = context.root / "pyproject.toml"
    before = path.read_bytes()
    # Before anything is written, so that an impossible edit leaves no pipeline behind.
    after = with_key(before, ("tool", "cartwheel", "release"), "from", "ci", shown_as="pyproject.toml")
    branch = _default_branch(context)
    if branch:
        after = with_key(after, ("tool", "cartwheel", "release"), "branch", branch, shown_as="pyproject.toml")
    planned = _pipeline(context, branch)
    written, warnings = pipeline_files.write_files(context.root, planned, forge, __version__)
    yield from (f"{file}: {what}" for file, what in written.items())
    if after != before:
        write_atomically(path, after)
    if branch:
        yield f'pyproject.toml: [tool.cartwheel.release] branch = "{branch}": the default branch of this repository'
    if context.project.release.origin != "ci":
        yield 'pyproject.toml: [tool.cartwheel.release] from = "ci": what is tagged here is released by the pipeline'
    yield from warnings
    yield from advice(planned, forge, context.project)
    if lines := other_publishers(context.root, context.project):
        yield "what is tagged would be published twice, and ready refuses that:"
        yield from (f"  {line}" for line in lines)


def _pipeline(context: RunContext, branch: str) -> Pipeline:
    from msgspec.structs import replace

    project = context.project
    if branch:
        project = replace(project, release=replace(project.release, branch=branch))
    return pipeline_files.project_pipeline(context.root, project, version=__version__)


def _default_branch(context: RunContext) -> str:
    """The repository's default branch if it is not `main` and the configuration names none; else empty."""
    from cartwheel.repository.git import Repository

    release = context.project.release
    if release.branch != "main" or not (repository_root(context.root) / ".git").exists():
        return ""
    with Repository(context.root) as repo:
        branch = repo.default_branch(release.remote or "origin")
        branch = branch or ("main" if repo.has("refs/heads/main") else repo.branch)
    return "" if branch == "main" else branch


def _renew_locks(context: RunContext) -> Iterable[str]:
    forges = pipeline_files.committed_forges(context.root, context.project.ci)
    if not forges:
        raise ConfigError(f"ci: there is no pipeline yet; write one: doit ci {' | '.join(pipeline_files.FORGES)}")
    planned = _pipeline(context, "")
    for forge in forges:
        warnings = pipeline_files.renew_lock(context.root, planned, forge, __version__, context.snapshot.environ)
        yield f"{forge.lock}: resolved anew; look at the difference and commit it"
        yield from warnings


def _renew_pins(root: Path) -> Iterable[str]:
    """Updates older pins of known actions in every workflow of the repository."""
    from cartwheel.ci.action_pins import renew_pins

    top = repository_root(root)
    for path in sorted((top / ".github" / "workflows").glob("*.y*ml")):
        before = path.read_bytes().decode()
        after = renew_pins(before)
        if after != before:
            write_atomically(path, after.encode())
        yield f"{path.relative_to(top).as_posix()}: {'renewed' if after != before else 'is up to date'}"
