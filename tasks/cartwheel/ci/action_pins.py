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
    "actions/upload-artifact": Pin(version="v7.0.0", commit="bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "actions/download-artifact": Pin(version="v8.0.1", commit="3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/cache": Pin(version="v5.0.5", commit="27d5ce7f107fe9357f9df03efb73ab90386fccae"),
}
"""Tags and the commits they lead to, verified in clones in November 2026."""

Pins = Mapping[str, Pin]


def pins_in(text: str) -> Pins:
    """The actions that a workflow file uses, with the versions that stand behind their commits."""
    found = re.findall(r"uses: ([\w.-]+/[\w.-]+)\S*@([0-9a-f]{40}) # (v[\d.]+)", text)
    return {action: Pin(version=version, commit=commit) for action, commit, version in found}


def newer(theirs: Pins, ours: Pins = PINS) -> Pins:
    """Our pins, but where a file has a newer one of the same action."""
    return {
        action: theirs[action] if action in theirs and _order(theirs[action]) > _order(pin) else pin
        for action, pin in ours.items()
    }


def _order(pin: Pin) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", pin.version))
