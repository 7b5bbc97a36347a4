"""What the files of one package are checked for together: that their metadata is the same."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cartwheel.checks.wheel import decoded_text, metadata_folder
from cartwheel.model.wheels.wheel_name import Metadata


def metadata_of(artifact: Path) -> Metadata:
    """The metadata of a wheel or an sdist."""
    if artifact.suffix == ".whl":
        with zipfile.ZipFile(artifact) as archive:
            folder = metadata_folder(artifact.name, archive.namelist())
            return Metadata.parse(decoded_text(archive.read(f"{folder}/METADATA")))
    top = artifact.name.removesuffix(".tar.gz")
    with tarfile.open(artifact) as sources:
        file = sources.extractfile(f"{top}/PKG-INFO")
        return Metadata.parse(decoded_text(file.read() if file else b""))


_MAY_DIFFER = {"Metadata-Version", "Dynamic"}
"""An sdist names here the fields its wheels decide; it needs Metadata 2.2 to do so, they do not."""


def metadata_differences(artifacts: Mapping[str, Metadata]) -> tuple[str, ...]:
    """Where the metadata of one package's wheels and sdist differ; an sdist's `Dynamic` fields may."""
    if not artifacts:
        return ()
    first, *others = sorted(artifacts, key=lambda name: (not name.endswith(".whl"), name))
    return tuple(p for other in others for p in _differences(first, artifacts[first], other, artifacts[other]))


def _differences(first: str, one: Metadata, second: str, two: Metadata) -> tuple[str, ...]:
    free = _MAY_DIFFER | {field.title() for field in two.all("Dynamic") + one.all("Dynamic")}
    fields = dict.fromkeys(field for field, _ in one.fields + two.fields if field not in free)
    return tuple(
        f"{field} differs: {first} says {_quoted(one.all(field))}, {second} says {_quoted(two.all(field))}"
        for field in fields
        if sorted(one.all(field)) != sorted(two.all(field))
    )


def _quoted(values: tuple[str, ...]) -> str:
    text = ", ".join(f"'{value}'" for value in values) or "nothing"
    return text if len(text) <= 80 else f"{text[:77]}…'"
