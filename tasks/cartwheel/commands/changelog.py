"""`doit changelog`: shows the notes of a version, or a draft from the commits since the last tag."""

from __future__ import annotations

from doit.exceptions import InvalidCommand

from cartwheel.commands.options import WordsAndOptions, flag, text_option
from cartwheel.commands.plan import context_of
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.model.project import Package, Project, packages_named


class Changelog(WordsAndOptions):
    """The command, as doit's plugin `changelog`."""

    name = "changelog"
    doc_purpose = "show the release notes of a version, from the changelog"
    doc_usage = "[VERSION | unreleased]"
    doc_description = "Changes nothing.  Without a version: the present one."
    cmd_options = (
        text_option("package", "whose changelog, where there are several packages"),
        flag("draft", "instead, the commits since the last tag as a list"),
    )

    def _execute(self, package: str, draft: bool, pos_args: list[str]) -> int:
        from cartwheel.versions.changelog_file import changelog_of, draft_from_commits, package_notes

        context = context_of(self.task_list)
        if len(pos_args) > (0 if draft else 1):
            expected = "no version beside --draft" if draft else "one version"
            raise InvalidCommand(f"changelog: found '{' '.join(pos_args)}'; expected {expected}")
        try:
            chosen = _package(context.project, package)
            version = pos_args[0] if pos_args else ""
            text = (
                draft_from_commits(context.root, chosen, ignored=context.project.release.ignore_tags)
                if draft
                else package_notes(context.root, chosen, version, ignored=context.project.release.ignore_tags)
            )
            path = changelog_of(context.root, chosen).path or "CHANGELOG.md"
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        if text:
            self.outstream.write(f"{text}\n")
            return 0
        if draft:
            raise InvalidCommand("no commits since the last tag")
        section = "; add a section for it" if chosen.changelog.origin == "file" else ""
        raise InvalidCommand(f"{path}: no notes for {version or chosen.version}{section}")


def _package(project: Project, name: str) -> Package:
    public = [p for p in project.packages if p.publish] or list(project.packages)
    if not name and len(public) > 1:
        raise ConfigError(f"changelog: of which package? --package {' | '.join(p.key for p in public)}")
    return packages_named(project, (name,), "--package")[0] if name else public[0]
