"""`doit bump`: a new version in every place, the changelog's heading, and a commit."""

from __future__ import annotations

from datetime import date

from doit.exceptions import InvalidCommand

from cartwheel.commands.options import WordsAndOptions
from cartwheel.commands.plan import workshop_of
from cartwheel.model.errors import CartwheelError
from cartwheel.process import run


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
        {"name": "no_commit", "short": "", "long": "no-commit", "type": bool, "default": False, "help": "only write"},
        {
            "name": "offline",
            "short": "",
            "long": "offline",
            "type": bool,
            "default": False,
            "help": "ask neither the remote nor the indexes whether the version is taken",
        },
    )

    def _execute(self, packages: list[str], no_commit: bool, offline: bool, pos_args: list[str]) -> int:
        from cartwheel.new_version import apply_bump, bump_plan, refuse_taken
        from cartwheel.pipeline import read_project
        from cartwheel.repository.undo_note import undo

        shop = workshop_of(self.task_list)
        write = self.outstream.write
        if not pos_args:
            raise InvalidCommand("bump: which version?  " + self.doc_usage)
        if shop.project.overrides or shop.project.rehearsed:
            raise InvalidCommand("bump: takes no setting for one run; run it without")
        try:
            shop.lock.take(lambda who: write(f"waiting for the run of {who} in this project\n"))
            undone = undo(shop.root)
            write("".join(f"{line}\n" for line in undone))
            project = read_project(shop.root, {}) if undone else shop.project
            bump = bump_plan(shop.root, project, packages, tuple(pos_args), date=date.today().isoformat())
            refuse_taken(shop.root, project, bump, offline=offline)
            run.stop_on_signals()  # from here on every file is put back
            apply_bump(shop.root, project, bump, commit=not no_commit, say=lambda line: write(f"{line}\n"))
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        except KeyboardInterrupt:
            raise InvalidCommand("interrupted; nothing was changed") from None
        write(f"{', '.join(p.name for p in bump.packages)} {bump.now} → {bump.version}\n")
        return 0
