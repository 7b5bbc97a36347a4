"""The value that rules judge: a file, its metadata parsed as far as possible, and its plan."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.filesystem.binaries import images
from cartwheel.filesystem.distribution import Distribution, open_distribution, wheel_contents
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.binary_facts import Binary
from cartwheel.model.wheels.target import Target
from cartwheel.model.wheels.wheel_name import WheelName, name_and_version
from cartwheel.model.wheels.wheel_record import record_hash

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata


class WheelEntry(Struct, frozen=True, kw_only=True):
    """One file in a wheel."""

    path: str
    size: int
    hash: str
    """As in RECORD, see `record_hash`."""


class Plan(Struct, frozen=True, kw_only=True):
    """The planned properties of a wheel."""

    file: str
    target: Target
    floor: str
    """The oldest system that the wheel supports."""
    python: str
    """`abi3`, `3.13`, `py3`, ..."""
    pyproject: str = ""
    """The path of the package's pyproject.toml, for `[tool.check-wheel-contents]`; empty if it has none."""
    programs_only: bool = False
    """Whether the wheel holds programs instead of an extension module, whatever its tag says."""


class Candidate(Struct, frozen=True, kw_only=True, dict=True):
    """A wheel or source distribution as the rules see it.

    Only `examine` sets `plan`, `name`, `entries` and `binaries`; rules that compare with the plan or read contents
    apply only then.
    """

    artifact: Distribution
    path: Path = Path()
    plan: Plan | None = None
    name: WheelName | None = None
    entries: tuple[WheelEntry, ...] = ()
    binaries: tuple[Binary, ...] = ()

    @property
    def file(self) -> str:
        return self.artifact.file

    @property
    def is_wheel(self) -> bool:
        return self.artifact.kind == "wheel"

    @cached_property
    def _metadata_parts(self) -> tuple[RawMetadata, Mapping[str, list[str]]]:
        from packaging.metadata import parse_email

        raw, rest = parse_email(self.artifact.metadata)
        if raw.get("metadata_version", "") < "2.4":  # setuptools writes the field in older versions too; twine omits it
            raw.pop("license_files", None)
        return raw, rest

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The fields of METADATA or PKG-INFO, by packaging's names (`requires_dist`)."""
        return self._metadata_parts[0]

    def text(self, field: str) -> str:
        """A metadata field; empty if it is missing or `UNKNOWN`, which twine omits."""
        value = str(self.metadata.get(field, ""))
        return "" if value.strip() == "UNKNOWN" else value

    @property
    def unparsed(self) -> Mapping[str, list[str]]:
        """Metadata fields that are unknown, duplicated or malformed."""
        return self._metadata_parts[1]

    @cached_property
    def name_and_version(self) -> tuple[str, str]:
        """The normalised project name and the version in the file name; two empty texts if the file name is invalid."""
        parts = name_and_version(self.file)
        return (parts[0], str(parts[1])) if parts else ("", "")

    @cached_property
    def listed_tags(self) -> frozenset[str]:
        """The tags in the WHEEL file."""
        from email import message_from_bytes

        return frozenset(message_from_bytes(self.artifact.texts.get("WHEEL", b"")).get_all("Tag", ()))

    @cached_property
    def record(self) -> tuple[tuple[str, str, str], ...]:
        """The rows of RECORD: path, hash and size."""
        text = self.artifact.texts.get("RECORD", b"").decode(errors="replace")
        rows = ((*row, "", "") for row in csv.reader(io.StringIO(text)) if row)
        return tuple((path, digest, size) for path, digest, size, *_ in rows)


def examine(
    wheel: Path,
    *,
    expected: str,
    target: Target,
    floor: str = "",
    python: str,
    pyproject: str = "",
    programs_only: bool = False,
) -> Candidate:
    """Read a wheel and its contents, for comparison with its plan (see `Plan`).

    `expected`: the planned file name.  `floor`: the oldest supported system; empty for the target's default floor.
    Raises `StepFailed` if the wheel cannot be read.
    """
    artifact = open_distribution(wheel)
    if artifact.fault:
        raise StepFailed(f"{wheel.name}: cannot be read as a wheel: {artifact.fault}")
    files = tuple(wheel_contents(wheel))
    return Candidate(
        artifact=artifact,
        path=wheel,
        plan=Plan(
            file=expected,
            target=target,
            floor=floor or target.floor,
            python=python,
            pyproject=pyproject,
            programs_only=programs_only,
        ),
        name=WheelName.parse(wheel.name),
        entries=tuple(WheelEntry(path=p, size=len(content), hash=record_hash(content)) for p, content in files),
        binaries=tuple(image for path, content in files for image in images(path, content)),
    )
