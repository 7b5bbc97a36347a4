"""The file name of a wheel, as a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.model.errors import CartwheelError

if TYPE_CHECKING:
    from packaging.version import Version

_NAME = re.compile(
    r"(?P<distribution>[^-]+)-(?P<version>[^-]+)(?:-(?P<build>\d[^-]*))?"
    r"-(?P<pythons>[^-]+)-(?P<abis>[^-]+)-(?P<platforms>[^-]+)\.whl"
)


class WheelName(Struct, frozen=True, kw_only=True):
    """The parts of a wheel's file name (packaging.python.org, binary distribution format)."""

    distribution: str
    version: str
    build: str = ""
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @classmethod
    def parse(cls, filename: str) -> WheelName:
        """Parse `filename`; raises `CartwheelError` if it is not a wheel's file name."""
        match = _NAME.fullmatch(filename)
        if match is None:
            raise CartwheelError(f"{filename}: not a wheel's name; expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
        return cls(
            distribution=match["distribution"],
            version=match["version"],
            build=match["build"] or "",
            pythons=tuple(match["pythons"].split(".")),
            abis=tuple(match["abis"].split(".")),
            platforms=tuple(match["platforms"].split(".")),
        )

    def __str__(self) -> str:
        sets = (".".join(part) for part in (self.pythons, self.abis, self.platforms))
        return "-".join(part for part in (self.distribution, self.version, self.build, *sets) if part) + ".whl"

    @property
    def tags(self) -> frozenset[str]:
        """Every tag of the name's compressed tag set, expanded: `cp311-abi3-manylinux_2_17_x86_64`."""
        return frozenset(f"{p}-{a}-{q}" for p in self.pythons for a in self.abis for q in self.platforms)


def normalised_name(name: str) -> str:
    """A project's name as in file names of wheels and sdists: lower case, `_` for any run of `-_.`."""
    return re.sub(r"[-_.]+", "_", name).lower()


def canonical_name(name: str) -> str:
    """A project's or an extra's name as indexes compare names (PEP 503): lower case, `-` for any run of `-_.`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_and_version(file: str) -> tuple[str, Version] | None:
    """The normalised project name and the version in a wheel's or sdist's file name; None for any other name."""
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        return parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
