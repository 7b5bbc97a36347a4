"""Actions pinned by commit, with the version behind it as a comment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct


class Pin(Struct, frozen=True, kw_only=True):
    """An action at one commit."""

    version: str
    commit: str


PINS = {
    "actions/checkout": Pin(version="v7.0.1", commit="3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/setup-python": Pin(version="v7.0.0", commit="5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": Pin(version="v7.0.1", commit="043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"),
    "actions/download-artifact": Pin(version="v8.0.1", commit="3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/cache": Pin(version="v6.1.0", commit="55cc8345863c7cc4c66a329aec7e433d2d1c52a9"),
}
"""Tags and their commits: checkout, setup-python and download-artifact as read in clones, upload-artifact and cache as
ten public repositories each pin them beside the version (November 2026).  `git ls-remote --tags
https://github.com/OWNER/NAME` shows newer ones; `doit ci pins` then renews workflows from this table."""

Pins = Mapping[str, Pin]


_PINNED = r"uses: (?P<action>[\w.-]+/[\w.-]+)(?P<rest>\S*)@(?P<commit>[0-9a-f]{40}) # (?P<version>v[\d.]+)"


def pins_in(text: str) -> Pins:
    """The pinned actions of a workflow, with the versions in the comments behind their commits."""
    matches = re.finditer(_PINNED, text)
    return {match["action"]: Pin(version=match["version"], commit=match["commit"]) for match in matches}


def newest_pins(*files: Pins) -> Pins:
    """The pins of the table, each replaced by a newer one of the same action in `files`."""
    newest = dict(PINS)
    for theirs in files:
        for action, pin in theirs.items():
            if action in newest and _order(pin) > _order(newest[action]):
                newest[action] = pin
    return newest


def renew_pins(text: str) -> str:
    """A workflow's text in which older pins of actions of the table are renewed."""

    def fresh_pins(match: re.Match[str]) -> str:
        pin = PINS.get(match["action"])
        if not pin or _order(Pin(version=match["version"], commit="")) >= _order(pin):
            return match[0]
        return f"uses: {match['action']}{match['rest']}@{pin.commit} # {pin.version}"

    return re.sub(_PINNED, fresh_pins, text)


def _order(pin: Pin) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", pin.version))
