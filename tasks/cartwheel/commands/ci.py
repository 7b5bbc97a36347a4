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
from cartwheel.commands.options import WordsAndOptions, flag, valued
from cartwheel.commands.plan import workshop_of
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
        valued("to", "with matrix: the index that a person chose for this run"),
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
        shop = workshop_of(self.task_list)
        shop.world.readonly = True
        self._refuse_nonsense(check, pos_args)
        try:
            for line in _check(shop) if check else self._answer(shop, pos_args, to, forge):
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

    def _answer(self, shop: RunContext, words: list[str], to: str, forge: str) -> Iterable[str]:
        word, argument = words[0], words[-1]
        answers: Mapping[str, Callable[[], Iterable[str]]] = {
            "matrix": lambda: matrix(shop, self.task_list, to, pipeline_files.forge_by_name(forge)),
            "key": lambda: [f"key={cache_key(shop)}"],
            "place": lambda: place_files(shop, Path(argument)),
            "nightly": lambda: set_nightly_version(shop, argument),
            "lock": lambda: _renewed_locks(shop),
            "pins": lambda: _renewed_pins(shop.root),
        }
        return answers[word]() if word in answers else _write(shop, word)


def _check(shop: RunContext) -> Iterable[str]:
    forges = pipeline_files.committed_forges(shop.root, shop.project.ci)
    if not forges:
        raise InvalidCommand(
            f"ci: there is no pipeline to compare; write one: doit ci {' | '.join(pipeline_files.FORGES)}"
        )
    wrong = list(pipeline_files.differences(shop.root, shop.project, version=__version__))
    if shop.project.release.origin != "ci":
        wrong.append(f'a pipeline is there, and release.from is not "ci"; say so: doit ci {forges[0].name}')
    if wrong:
        raise InvalidCommand("\n".join(wrong))
    return (f"{forge.path_in(shop.project.ci)} is what the configuration says" for forge in forges)


def _write(shop: RunContext, name: str) -> Iterable[str]:
    if shop.project.overrides or shop.project.rehearsed:
        raise InvalidCommand("ci: takes no setting for one run; run it without")
    forge = pipeline_files.forge_by_name(name)
    path = shop.root / "pyproject.toml"
    before = path.read_bytes()
    # Before anything is written, so that an impossible edit leaves no pipeline behind.
    after = with_key(before, ("tool", "cartwheel", "release"), "from", "ci", shown_as="pyproject.toml")
    branch = _default_branch(shop)
    if branch:
        after = with_key(after, ("tool", "cartwheel", "release"), "branch", branch, shown_as="pyproject.toml")
    planned = _pipeline(shop, branch)
    written, warnings = pipeline_files.written_files(shop.root, planned, forge, __version__)
    yield from (f"{file}: {what}" for file, what in written.items())
    if after != before:
        write_atomically(path, after)
    if branch:
        yield f'pyproject.toml: [tool.cartwheel.release] branch = "{branch}": the default branch of this repository'
    if shop.project.release.origin != "ci":
        yield 'pyproject.toml: [tool.cartwheel.release] from = "ci": what is tagged here is released by the pipeline'
    yield from warnings
    yield from advice(planned, forge, shop.project)
    if lines := other_publishers(shop.root, shop.project):
        yield "what is tagged would be published twice, and ready refuses that:"
        yield from (f"  {line}" for line in lines)


def _pipeline(shop: RunContext, branch: str) -> Pipeline:
    from msgspec.structs import replace

    project = shop.project
    if branch:
        project = replace(project, release=replace(project.release, branch=branch))
    return pipeline_files.project_pipeline(shop.root, project, version=__version__)


def _default_branch(shop: RunContext) -> str:
    """The repository's default branch if it is not `main` and the configuration names none; else empty."""
    from cartwheel.repository.git import Repository

    release = shop.project.release
    if release.branch != "main" or not (repository_root(shop.root) / ".git").exists():
        return ""
    with Repository(shop.root) as repo:
        branch = repo.default_branch(release.remote or "origin")
        branch = branch or ("main" if repo.has("refs/heads/main") else repo.branch)
    return "" if branch == "main" else branch


def _renewed_locks(shop: RunContext) -> Iterable[str]:
    forges = pipeline_files.committed_forges(shop.root, shop.project.ci)
    if not forges:
        raise ConfigError(f"ci: there is no pipeline yet; write one: doit ci {' | '.join(pipeline_files.FORGES)}")
    planned = _pipeline(shop, "")
    for forge in forges:
        warnings = pipeline_files.renewed_lock(shop.root, planned, forge, __version__, shop.world.environ)
        yield f"{forge.lock}: resolved anew; look at the difference and commit it"
        yield from warnings


def _renewed_pins(root: Path) -> Iterable[str]:
    """Updates older pins of known actions in every workflow of the repository."""
    from cartwheel.ci.action_pins import renewed_text

    top = repository_root(root)
    for path in sorted((top / ".github" / "workflows").glob("*.y*ml")):
        before = path.read_bytes().decode()
        after = renewed_text(before)
        if after != before:
            write_atomically(path, after.encode())
        yield f"{path.relative_to(top).as_posix()}: {'renewed' if after != before else 'is up to date'}"
