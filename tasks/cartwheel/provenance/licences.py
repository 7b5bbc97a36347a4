"""The licences of everything inside a wheel, by its bills of materials, and the `THIRD-PARTY` text of them all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from email.parser import BytesParser
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from cartwheel.cargo.crate_sources import LICENCE_FILE, CrateLicence
from cartwheel.model.wheels.wheel_record import record_name
from cartwheel.provenance.sbom import Contents, Document, is_document

FILE = "licenses/THIRD-PARTY.txt"
"""The text's place in `.dist-info`."""
_SYSTEM = (Path("/usr/share/doc/{}/copyright"), Path("/usr/share/licenses/{}"))
"""Where Debian and Red Hat put the licences of a package (Debian policy 12.5, Fedora guidelines, November 2026)."""


class Part(Struct, frozen=True, kw_only=True):
    """Something inside a wheel, and its licence."""

    name: str
    version: str = ""
    kind: str
    """`package` (the project's own, crates too), `crate`, `library` (grafted by a repair) or `vendored` (Python)."""
    licence: str = ""
    """An expression, or the name of the file that holds the text; empty if it has none."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


def parts(contents: Contents, crates: Iterable[CrateLicence] = ()) -> tuple[Part, ...]:
    """Everything inside a wheel, each once: the package, crates, grafted libraries, vendored Python code.

    `contents`: the wheel's files by name. `crates`: licences of crates whose bill states none.
    """
    known = {(row.name, row.version): row.licence or ", ".join(row.texts) for row in crates}
    licensed = {("package", "", ""): _own(contents)}
    for name in sorted(contents):
        for row in _components(contents[name]) if is_document(name) else ():
            part = _part(row, known, contents)
            before = licensed.get((part.kind, part.name, part.version))
            if not before or not before.licence:
                licensed[part.kind, part.name, part.version] = part
    return tuple(licensed.values())


def _own(contents: Contents) -> Part:
    name = next((n for n in contents if n.count("/") == 1 and n.endswith(".dist-info/METADATA")), "")
    fields = BytesParser().parsebytes(contents.get(name, b""), headersonly=True)
    licence = fields["License-Expression"] or fields["License"] or ", ".join(fields.get_all("License-File", ()))
    text = str(licence or "").strip().partition("\n")[0]
    return Part(name=str(fields["Name"]), version=str(fields["Version"]), kind="package", licence=text)


def _components(content: bytes) -> Iterable[Document]:
    try:
        document = json.loads(content)
    except ValueError:
        return ()
    rows = document.get("components", ()) if isinstance(document, dict) else ()
    return [row for row in rows if isinstance(row, dict)]


def _part(row: Document, known: Mapping[tuple[str, str], str], contents: Contents) -> Part:
    name, version, purl = str(row.get("name", "")), str(row.get("version", "")), str(row.get("purl", ""))
    licence = _licence_of(row)
    if purl.startswith("pkg:cargo/"):
        own = str(row.get("bom-ref", "")).startswith("path+")
        kind, licence = "package" if own else "crate", licence or known.get((name, version), "")
    elif purl.startswith("pkg:pypi/"):
        folder = str(row.get("bom-ref", ""))
        kind, licence = "vendored", licence or ", ".join(vendored_texts(folder, contents))
    else:
        kind, licence = "library", licence or ", ".join(str(path) for path in _system_files(purl))
    return Part(name=name, version=version, kind=kind, licence=licence)


def _licence_of(row: Document) -> str:
    """The licence in a component (CycloneDX 1.5, `licenses`)."""
    words = []
    for entry in row.get("licenses", ()):
        licence = entry.get("license", {}) if isinstance(entry, dict) else {}
        words.append(str(entry.get("expression") or licence.get("id") or licence.get("name") or ""))
    return " AND ".join(filter(None, words))


def vendored_texts(place: str, contents: Contents) -> dict[str, str]:
    """The licence files of vendored code by their place in the wheel: `demo/_vendor/six` may have `six/LICENSE`,
    `six.LICENSE` or `six-1.16.dist-info/LICENSE`."""
    stem = re.escape(place)
    own = re.compile(rf"{stem}(?:/|\.|-[^/]*\.dist-info/)(?:licenses/)?[^/]*")
    plain = (name for name in sorted(contents) if not name.endswith((".py", ".pyi")))
    text = re.compile(rf"(?:.*[./])?{LICENCE_FILE}")
    names = [name for name in plain if own.fullmatch(name) and text.fullmatch(name[len(place) :])]
    return {name: contents[name].decode("utf-8", "replace") for name in names}


def _system_files(purl: str) -> tuple[Path, ...]:
    """The licence files of a package of the system: `pkg:deb/debian/zlib1g@1.2` (as auditwheel names grafted files)."""
    match = re.match(r"pkg:(?:deb|rpm)/(?:[^/@]+/)?([^/@?]+)", purl)
    places = [Path(str(place).format(match[1])) for place in _SYSTEM] if match else []
    files = [file for place in places for file in (sorted(place.glob("*")) if place.is_dir() else [place])]
    return tuple(file for file in files if file.is_file())


# ---- the gathered text


def with_third_party(contents: Contents, crates: Iterable[CrateLicence] = ()) -> dict[str, bytes]:
    """The wheel's files with `THIRD-PARTY.txt`: all crates, vendored code and grafted libraries with their licences.

    A text that is there already, from before the repair, gets the libraries that the repair grafted.
    """
    file = record_name(contents).removesuffix("RECORD") + FILE
    before = contents.get(file, b"").decode()
    own, *rows = parts(contents, crates)
    new = ("library",) if before else ("crate", "library", "vendored")
    rows = [part for part in rows if part.kind in new and f"  {part}  " not in before]
    if not rows:
        return dict(contents)
    head = before or f"Software of others in {own}\n"
    return {**contents, file: (head + _document_text(rows, tuple(crates), contents)).encode()}


def _document_text(rows: Iterable[Part], crates: tuple[CrateLicence, ...], contents: Contents) -> str:
    """Each part with its licence, then each text once. What has no text comes first, so that it is seen."""
    sources = {(row.name, row.version): row.texts for row in crates}
    listed, without, texts = [], [], dict[str, list[str]]()
    for part in rows:
        licence_texts = _texts_of(part, sources, contents)
        for name, text in licence_texts.items():
            texts.setdefault(text.replace("\r\n", "\n").strip(), []).append(f"{part}: {PurePosixPath(name).name}")
        listed.append(f"  {part}  {part.licence or 'no licence stated'}")
        without += [] if licence_texts else [f"  {part}"]
    lines = ["", *(["Without a licence text in its sources:", *without, ""] if without else []), "Licences:", *listed]
    for text, names in texts.items():
        lines += ["", "-" * 80, *names, "", text]
    return "\n".join(lines) + "\n"


def _texts_of(
    part: Part, sources: Mapping[tuple[str, str], Mapping[str, str]], contents: Contents
) -> Mapping[str, str]:
    if part.kind == "crate":
        return sources.get((part.name, part.version), {})
    if part.kind == "vendored":
        places = [str(row["bom-ref"]) for row in _rows(contents) if row.get("name") == part.name]
        return {name: text for place in places for name, text in vendored_texts(place, contents).items()}
    purls = [str(row.get("purl", "")) for row in _rows(contents) if row.get("name") == part.name]
    files = [file for purl in purls for file in _system_files(purl)]
    return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files}


def _rows(contents: Contents) -> Iterable[dict[str, Any]]:
    return [row for name in sorted(contents) if is_document(name) for row in _components(contents[name])]
