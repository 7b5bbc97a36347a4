"""The page of `doit report` as a further file of a release page."""

from __future__ import annotations

from cartwheel.destinations.github_api import Api
from cartwheel.destinations.protocol import Release, Say
from cartwheel.destinations.release_page import Page, archive_stem
from cartwheel.model.wheels.artifacts import REPORT_PAGE, report_mark


def attach_report(api: Api, release: Release, commit: str, page: Page, say: Say) -> None:
    """Uploads the report if one of this commit was written and the page has none; a failure is only told.

    It has times in it, so it is no file of the plan: its bytes are compared with nothing.
    """
    path, name = release.root / REPORT_PAGE, f"{archive_stem(release.package)}-report.html"
    if page.immutable or any(asset.name == name for asset in page.assets):
        return
    if path.is_file() and report_mark(commit) in path.read_text("utf-8", "replace"):
        answer = api.upload(f"{page.upload}?name={name}", path).answer
        say(f"{name}: {'sent' if answer.taken else f'the report is not on the page: {answer.text}'}")
