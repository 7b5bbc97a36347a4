"""`doit bump`: sets a new version in every place, gives the changelog its heading, and commits."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from doit.exceptions import InvalidCommand

from cartwheel.commands.options import WordsAndOptions, flag
from cartwheel.commands.plan import context_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Project
from cartwheel.process import run
from cartwheel.run_context import RunContext

if TYPE_CHECKING:
    from cartwheel.new_version import BumpPlan


class Bump(WordsAndOptions):
    """The command, as doit's plugin `bump`."""

    name = "bump"
    doc_purpose = "set a new version everywhere, give the changelog its heading, and commit"
    doc_usage = "VERSION | major | minor | patch | alpha | beta | rc | release | minor rc"
    doc_description = (
        "Refuses to go backwards, or to a version that was tagged or published.  Where anything fails, every file is "
        "as it was.  Neither tags nor pushes."
    )
    cmd_options = (
        {
            "name": "packages",
            "short": "",
            "long": "package",
            "type": list,
            "default": [],
            "help": "whose version, where the packages have versions of their own",
        },
        flag("no-commit", "only write"),
        flag("dry-run", "only show every line that would change"),
        flag("offline", "ask neither the remote nor the indexes whether the version is taken"),
    )

    def _execute(self, packages: list[str], no_commit: bool, dry_run: bool, offline: bool, pos_args: list[str]) -> int:
        from cartwheel.new_version import apply_bump, bump_diff, refuse_mixed

        context = context_of(self.task_list)
        write = self.outstream.write
        if not pos_args:
            raise InvalidCommand("bump: which version?  " + self.doc_usage)
        if context.project.overrides or context.project.rehearsed:
            raise InvalidCommand("bump: takes no setting for one run; run it without")
        commit = not no_commit
        try:
            project = context.project if dry_run else self._after_undo(context)
            bump = self._plan(context, project, tuple(packages), tuple(pos_args), offline=offline, dry_run=dry_run)
            if dry_run:
                refuse_mixed(context.root, bump, commit=commit)
                lines = (*bump_diff(context.root, bump), *bump.lines, *([f"commit: {bump.message}"] if commit else []))
                write("".join(f"{line}\n" for line in lines))
            else:
                run.stop_on_signals()  # from here on an interrupt restores every file
                apply_bump(context.root, project, bump, commit=commit, say=lambda line: write(f"{line}\n"))
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        except KeyboardInterrupt:
            raise InvalidCommand("interrupted; nothing was changed") from None
        names = ", ".join(p.name for p in bump.packages)
        write(f"{names} {bump.now} → {bump.version}{': dry run, nothing was written' if dry_run else ''}\n")
        return 0

    def _after_undo(self, context: RunContext) -> Project:
        """The project, after this run has its lock and has undone what a killed bump left."""
        from cartwheel.pipeline import read_project
        from cartwheel.repository.undo_note import undo

        write = self.outstream.write
        context.lock.take(lambda who: write(f"waiting for the run of {who} in this project\n"))
        undone = undo(context.root)
        write("".join(f"{line}\n" for line in undone))
        return read_project(context.root, {}) if undone else context.project

    def _plan(
        self, context: RunContext, project: Project, names: tuple[str, ...], words: tuple[str, ...], *,
        offline: bool, dry_run: bool,
    ) -> BumpPlan:  # fmt: skip
        from cartwheel.new_version import bump_plan, refuse_taken
        from cartwheel.repository.undo_note import NOTE

        if dry_run and (context.root / NOTE).exists():
            raise CartwheelError(f"{NOTE}: a bump was killed before its end; a bump without --dry-run undoes it first")
        bump = bump_plan(context.root, project, names, words, date=date.today().isoformat())
        refuse_taken(context.root, project, bump, offline=offline)
        return bump
