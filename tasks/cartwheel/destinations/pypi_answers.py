"""Interprets how indexes answer an upload: that they have the file already, or why they refuse it."""

from __future__ import annotations

import re

from msgspec import Struct

from cartwheel.destinations.protocol import Answer
from cartwheel.model.destination import token_variable


def refusal_in_words(file: str, index: str, url: str, answer: Answer, tries: int) -> str:
    """Why an index did not take a file, and what to do."""
    where, answered = f"{file}: {index}", answer.text
    again = "start again later: only what is missing is sent"
    for row in ADVICE:
        if row.fits(answer):
            return row.text.format(
                where=where, said=answered, again=again, location=answer.location or "nowhere", index=index, url=url,
                variable=token_variable(index),
            )  # fmt: skip
    if answer.passing:
        return f"{where} could not take it after {tries} tries ({answered}); {again}"
    return f"{where} refuses it ({answered}); nothing after it was sent"


class _Existing(Struct, frozen=True):
    """How one registry says that it already has a file of that name."""

    statuses: tuple[int, ...]
    words: str
    """A pattern for the registry's message."""


_EXISTING = (
    _Existing((409,), ""),  # pypiserver, devpi, Azure Artifacts, CodeArtifact, Gitea
    _Existing((400,), r"already exist|already been (uploaded|published)|duplicate"),  # PyPI, Google, Cloudsmith
    _Existing((400,), r"updating asset|does not allow updating"),  # Nexus
    _Existing((400, 422), r"already been taken|duplicates the attributes"),  # GitLab, Cloudsmith
    _Existing((403,), r"overwrite artifact|not enough permissions to (delete|overwrite)|already exist"),  # Artifactory
    _Existing((422,), r"already[ _]exist"),
)
"""Sources: twine's rules for `--skip-existing` (twine 3.8 to 6.2, commands/upload.py) and the registries'
documentation, November 2026. A match is only a hint: the index is always read to confirm it."""


def says_existing(answer: Answer) -> bool:
    """Whether an answer says, in any registry's form, that the file already exists."""
    return any(answer.status in row.statuses and re.search(row.words, answer.words, re.IGNORECASE) for row in _EXISTING)


class _Advice(Struct, frozen=True, kw_only=True):
    """The message for one kind of refusal, with what to do."""

    statuses: tuple[int, ...]
    words: str = ""
    """A pattern for the index's message."""
    text: str
    page: bool = False
    """Whether the answer must be a page for people."""

    def fits(self, answer: Answer) -> bool:
        """Whether the row applies to an answer."""
        return (
            answer.status in self.statuses
            and (answer.page or not self.page)
            and bool(re.search(self.words, answer.words, re.IGNORECASE))
        )


_NOT_LISTED = "{where} says it has it but does not list it ({said}); {again}"
ADVICE = (
    _Advice(
        statuses=(301, 302, 303, 307, 308),
        text="{where} redirects to {location}, where neither the file nor the credentials are sent; "
        "if that is its address now, make it the 'url' of [tool.cartwheel.index.{index}]",
    ),
    _Advice(
        statuses=(200, 201, 202, 203, 204),
        text="{where} answers with a page for people, as one to sign in is, and does not list the file ({said}); "
        "check the credentials, and the 'url' of [tool.cartwheel.index.{index}]",
    ),
    _Advice(
        statuses=(403,), words="read-only|temporarily disabled",
        text="{where} takes no files now ({said}); {again}",
    ),
    _Advice(statuses=(403,), words=r"overwrite artifact|already exist", text=_NOT_LISTED),
    _Advice(
        statuses=(401, 403), words="allowed to upload",
        text="{where} knows the credentials, and they may not upload to this project ({said}); "
        "use a token of the project, or ask one of its owners",
    ),
    _Advice(
        statuses=(401, 403), words="expired",
        text="{where} finds the token expired ({said}); put a new one into {variable} or where it came from, "
        "and start again: only what is missing is sent",
    ),
    _Advice(
        statuses=(401, 403, 407),
        text="{where} does not accept the credentials ({said}); check the token and what it may do",
    ),
    _Advice(
        statuses=(400,), words="previously used|already been used",
        text="{where} had a file of that name, which was deleted, and takes a name only once ({said}); "
        "release the next version",
    ),
    _Advice(
        statuses=(400, 404), words="(does ?n[o']t|not) exist|no such (project|repository|feed|package)",
        text="{where} refuses it ({said}); create the project or the repository there, or look at the 'url' of "
        "[tool.cartwheel.index.{index}]",
    ),
    *(_Advice(statuses=row.statuses, words=row.words, text=_NOT_LISTED) for row in _EXISTING),
    _Advice(
        statuses=(404, 405, 410),
        text="{where} takes no files at {url} ({said}); look at the 'url' of [tool.cartwheel.index.{index}]",
    ),
    _Advice(
        statuses=(413,),
        text="{where} finds it too large ({said}); make it smaller, or ask there for a higher limit",
    ),
)  # fmt: skip
"""The first row that fits applies. The words are Warehouse's, forklift/legacy.py, 21 August 2026."""
