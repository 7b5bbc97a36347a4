"""`doit ci`: the pipeline of the same graph, written for a forge, held against the configuration, and asked by itself
what a run has to do."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping

from doit.exceptions import InvalidCommand

from cartwheel import __version__
from cartwheel.ci import pipeline_files
from cartwheel.ci.jobs import Pipeline
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.selection import Selection, selection
from cartwheel.commands.options import WordsAndOptions
from cartwheel.commands.plan import FRESH, TaskForecast, closure, outlook, workshop_of
from cartwheel.filesystem.files import write_atomically
from cartwheel.filesystem.toml_edits import with_key
from cartwheel.model.errors import CartwheelError, StepFailed, did_you_mean
from cartwheel.model.record import SCHEMA
from cartwheel.run_context import RunContext
from cartwheel.version_sync import refuse_another_version

WORDS = (*pipeline_files.FORGES, "matrix", "key")


class Ci(WordsAndOptions):
    """The command, as doit's plugin `ci`."""

    name = "ci"
    doc_purpose = f"write the pipeline for the same graph: {' | '.join(pipeline_files.FORGES)}; or compare it: --check"
    doc_usage = f"{' | '.join(pipeline_files.FORGES)} | --check"
    doc_description = (
        'Writes the pipeline\'s file and `release.from = "ci"` into the configuration.  --check changes nothing and '
        "fails where a file that it wrote is no longer what the configuration says.  `matrix` and `key` are asked by "
        "the pipeline itself: what this run builds, and what the files of earlier runs were made with."
    )
    cmd_options = (
        {
            "name": "check",
            "short": "",
            "long": "check",
            "type": bool,
            "default": False,
            "help": "compare the committed pipelines with the configuration",
        },
        {
            "name": "to",
            "short": "",
            "long": "to",
            "type": str,
            "default": "",
            "help": "with matrix: the index that a person chose for this run",
        },
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
        word = "".join(pos_args)
        try:
            for line in _checked(shop) if check else self._done(shop, word, to, forge):
                self.outstream.write(f"{line}\n")
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        return 0

    def _refuse_nonsense(self, check: bool, words: list[str]) -> None:
        if check and words:
            raise InvalidCommand(f"ci: --check takes no word; found '{' '.join(words)}'")
        if not check and len(words) != 1:
            raise InvalidCommand(f"ci: found '{' '.join(words)}'; usage: doit ci {self.doc_usage}")
        if not check and words[0] not in WORDS:
            raise InvalidCommand(f"ci: found '{words[0]}'{did_you_mean(words[0], WORDS)}")

    def _done(self, shop: RunContext, word: str, to: str, forge: str) -> Iterable[str]:
        if word == "matrix":
            return self._matrix(shop, to, pipeline_files.forge_by_name(forge))
        return [f"key={_key(shop)}"] if word == "key" else _written(shop, word)

    def _matrix(self, shop: RunContext, to: str, forge: pipeline_files.Forge) -> Iterable[str]:
        """`name=value` lines, and a summary where the forge takes one."""
        refuse_another_version(shop.project)
        found = {one.name: one for one in outlook(closure(self.task_list, ["check", "sdist"]), elsewhere=True)}
        stale = {name for name, one in found.items() if one.state != FRESH}
        wanted = pipeline(shop.project, version=__version__)
        selected = selection(shop.project, wanted, stale=stale, to=to)
        _refuse_lost_files(shop, selected)
        _summarise(selected, found, shop)
        return (f"{name}={value}" for name, value in forge.plan_outputs(selected).items())


def _refuse_lost_files(shop: RunContext, selected: Selection) -> None:
    """Raises `StepFailed` where a release loses a file of the last one without a reason."""
    from cartwheel.last_release import change_before_release, comparison_index, losses_in_words, unread_in_words

    for package in shop.project.packages if shop.project.started_by else ():
        if package.key not in selected.packages:
            continue
        try:
            change = change_before_release(shop.project, package, shop.root)
        except StepFailed as error:
            sys.stderr.write(f"{unread_in_words(comparison_index(shop.project, package), error)}\n")
            continue
        if change and (lines := losses_in_words(change)):
            raise StepFailed("\n".join(lines))


def _checked(shop: RunContext) -> Iterable[str]:
    there = pipeline_files.committed_forges(shop.root)
    if not there:
        raise InvalidCommand(
            f"ci: there is no pipeline to compare; write one: doit ci {' | '.join(pipeline_files.FORGES)}"
        )
    wrong = list(pipeline_files.differences(shop.root, shop.project, version=__version__))
    if shop.project.release.origin != "ci":
        wrong.append(f'a pipeline is there, and release.from is not "ci"; say so: doit ci {there[0].name}')
    if wrong:
        raise InvalidCommand("\n".join(wrong))
    return (f"{forge.path} is what the configuration says" for forge in there)


def _written(shop: RunContext, name: str) -> Iterable[str]:
    if shop.project.overrides or shop.project.rehearsed:
        raise InvalidCommand("ci: takes no setting for one run; run it without")
    above = next((p for p in (shop.root, *shop.root.parents) if (p / ".git").exists()), shop.root)
    if above != shop.root:
        raise InvalidCommand(f"ci: a forge looks for its pipeline in {above}, and this project lies below it")
    forge = pipeline_files.forge_by_name(name)
    wanted = pipeline(shop.project, version=__version__)
    path = shop.root / "pyproject.toml"
    before = path.read_bytes()
    # Before anything is written: an edit that cannot be made leaves no pipeline behind.
    after = with_key(before, ("tool", "cartwheel", "release"), "from", "ci", shown_as="pyproject.toml")
    changed = pipeline_files.write(shop.root, wanted, forge)
    yield f"{forge.path}: {'written' if changed else 'is as it should be'}"
    if after != before:
        write_atomically(path, after)
        yield 'pyproject.toml: [tool.cartwheel.release] from = "ci": what is tagged here is released by the pipeline'
    yield from _told(wanted, forge)


def _told(wanted: Pipeline, forge: pipeline_files.Forge) -> Iterable[str]:
    """What a person must do on the forge, and what will stop a release there."""
    for job in wanted.jobs:
        if job.identity:
            yield f"{job.index}: name this pipeline a trusted publisher there, with the environment {job.environment}"
        for variable in (name for name, secret in job.secrets.items() if secret == name):
            kept = "its token" if job.index else "what its wheels are built with"
            yield f"{job.index or job.name}: keep {kept} as {forge.secret_place(job, variable)}"
    sent = {key for job in wanted.jobs for key in job.packages}
    for build in wanted.builds:
        if not forge.runs(build) and sent.intersection(build.packages):
            yield (
                f"{build.target}: no machine of the pipeline runs its tests, so it would not be published; give it an "
                "override with toolchain = \"container\" (Linux), a 'runner' of your own, or 'untested' and why"
            )


def _key(shop: RunContext) -> str:
    """Names what the files of another run must have been made with to be of use in this one."""
    versions = (f"{package.key} {package.version}" for package in shop.project.packages)
    parts = (__version__, str(SCHEMA), shop.world.tool("rustc"), *versions)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _summarise(selected: Selection, found: Mapping[str, TaskForecast], shop: RunContext) -> None:
    from cartwheel.ci.ci_output import CiOutput

    page = "".join(f"{line}\n" for line in _summary(selected, found))
    if said := CiOutput(shop.world.environ, shop.root).add_page(page):
        sys.stderr.write(f"{said}\n")


def _summary(selected: Selection, found: Mapping[str, TaskForecast]) -> Iterable[str]:
    yield f"Releases {', '.join(selected.packages)}." if selected.packages else "Releases nothing."
    yield ""
    if not (selected.builds or selected.sdists):
        yield "Every file is up to date; nothing is built."
        return
    yield "| what | where | why |"
    yield "|---|---|---|"
    for chosen in selected.builds:
        names = [f"{stage}:{wheel}" for wheel in chosen.build.wheels for stage in ("build", "repair", "check")]
        yield f"| {chosen.build.name} | {chosen.build.runner} | {_why(names, found)} |"
    for task in selected.sdists:
        yield f"| {task.removeprefix('check:')} | | {_why((task.removeprefix('check:'), task), found)} |"


def _why(names: Iterable[str], found: Mapping[str, TaskForecast]) -> str:
    reasons = [why for name in names if name in found for why in found[name].why if found[name].state != FRESH]
    first = reasons[0] if reasons else "a release makes every file anew"
    return first.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
