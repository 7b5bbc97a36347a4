"""Further files of a release page: the page of `doit report`, and what a second builder found (`doit reproduce`)."""

from __future__ import annotations

from pathlib import Path

from cartwheel.destinations.github_api import Api
from cartwheel.destinations.protocol import Release, Say
from cartwheel.destinations.release_page import Page, archive_stem
from cartwheel.model.wheels.artifacts import REPORT_PAGE, REPRODUCED, report_mark


def attach_report(api: Api, release: Release, commit: str, page: Page, say: Say) -> None:
    """Uploads the report of this commit and a second builder's result, if they exist; a failure is only announced."""
    stem, report = archive_stem(release.package), release.root / REPORT_PAGE
    if report.is_file() and report_mark(commit) in report.read_text("utf-8", "replace"):
        _attach(api, report, f"{stem}-report.html", page, say)
    if (reproduced := release.root / REPRODUCED).is_file():
        _attach(api, reproduced, f"{stem}-reproduced.txt", page, say)


def _attach(api: Api, path: Path, name: str, page: Page, say: Say) -> None:
    """Uploads a file if the page has none of that name.

    It has times in it, so it is no file of the plan: its bytes are compared with nothing.
    """
    if page.immutable or any(asset.name == name for asset in page.assets):
        return
    answer = api.upload(f"{page.upload}?name={name}", path).answer
    say(f"{name}: {'sent' if answer.taken else f'it is not on the page: {answer.text}'}")
