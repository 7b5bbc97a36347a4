"""Software bills of materials in wheels (PEP 770): CycloneDX documents without paths of this machine.

maturin writes one with the crates of all targets and with absolute paths. Here it is limited to the crates that the
target resolves, its references become relative, and what a repair grafted is added. Wheels without one get one.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

from cartwheel.model.wheels.wheel_name import canonical_name
from cartwheel.model.wheels.wheel_record import record_name

Document = dict[str, Any]
Contents = Mapping[str, bytes]
"""The files of a wheel by name."""


class Facts(Struct, frozen=True, kw_only=True):
    """The facts about a wheel besides its files."""

    name: str
    version: str
    moment: int
    """The document's time, in seconds since 1970."""
    project: str = ""
    """The absolute path of the repository, with `/`; it is removed from references."""
    triple: str = ""
    crates: Mapping[str, str] = {}
    """The crates that the target resolves, as `cargo.resolution` returns them; empty: unknown, all are kept."""
    licences: Mapping[str, str] = {}
    """The licence expressions of crates, by `name version`."""


def is_document(name: str) -> bool:
    """Whether a file of a wheel is a CycloneDX document (PEP 770, CycloneDX's recommended file names)."""
    return ".dist-info/sboms/" in name and name.endswith((".cdx.json", ".cyclonedx.json"))


def with_bill(contents: Contents, facts: Facts) -> dict[str, bytes]:
    """The wheel's files with normalised documents; without documents, with a new one."""
    changed = dict(contents)
    names = [name for name in contents if is_document(name)]
    for name in names:
        try:
            document = json.loads(contents[name])
        except ValueError:
            continue  # written by the user's own tools; the checks judge it
        changed[name] = _document_bytes(reproducible_bill(document, facts))
    if not names:
        changed[_own_name(contents)] = _document_bytes(new_document(facts, contents))
    return changed


def with_grafted(contents: Contents, grafted: Collection[str]) -> dict[str, bytes]:
    """The wheel's files with `grafted`, the names of files that a repair added, as components of a document."""
    documents = sorted((name for name in contents if is_document(name)), key=lambda name: "/auditwheel." in name)
    libraries = [name for name in sorted(grafted) if re.search(r"\.(so(\.[\d.]+)?|dylib|dll)$", name)]
    if not documents or not libraries:
        return dict(contents)
    name = documents[0]
    document = json.loads(contents[name])
    rows = [_library(path, contents[path]) for path in libraries]
    known = {row.get("bom-ref") for row in document.get("components", ())}
    document["components"] = [*document.get("components", ()), *(row for row in rows if row["bom-ref"] not in known)]
    return {**contents, name: _document_bytes(document)}


def reproducible_bill(document: Document, facts: Facts) -> Document:
    """The document without absolute paths, and without crates that the target does not use."""
    document = _without_unused(document, facts)
    references = _new_references(document, facts.project)
    changed: Document = _with_references(document, references, facts.project)
    return changed


def new_document(facts: Facts, contents: Contents) -> Document:
    """A document for a wheel that has none: the package, its crates, and Python code that is vendored."""
    own = f"pkg:pypi/{facts.name}@{facts.version}"
    crates = (_crate(name, entry, facts.licences) for name, entry in sorted(facts.crates.items()))
    components = [*crates, *vendored_components(contents)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(facts.moment)),
            "component": {
                "type": "library", "bom-ref": own, "name": facts.name, "version": facts.version, "purl": own,
            },
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [row["bom-ref"] for row in components]}],
    }  # fmt: skip


_VENDOR = re.compile(r"(?P<folder>(?:[^/]+/)*_?vendor(?:ed)?)/(?P<name>[^/.]+)(?:\.py|/.*)")


def vendored_components(contents: Contents) -> list[Document]:
    """Python code in folders named `_vendor`, `vendor` or `vendored`. Versions come from `vendor.txt`, as pip and
    setuptools write it."""
    documents: dict[str, Document] = {}
    for path in sorted(contents):
        match = _VENDOR.fullmatch(path)
        if not match or match["name"].startswith("__"):
            continue
        text = contents.get(f"{match['folder']}/vendor.txt", b"").decode("utf-8", "replace")
        versions = {
            canonical_name(name): version for name, version in re.findall(r"^\s*([\w.-]+)==([\w.!+-]+)", text, re.M)
        }
        version = versions.get(canonical_name(match["name"]), "")
        purl = f"pkg:pypi/{canonical_name(match['name'])}" + (f"@{version}" if version else "")
        row = {"type": "library", "bom-ref": f"{match['folder']}/{match['name']}", "name": match["name"], "purl": purl}
        documents[row["bom-ref"]] = row | ({"version": version} if version else {})
    return list(documents.values())


def _own_name(contents: Contents) -> str:
    folder = record_name(contents).removesuffix("RECORD")
    return f"{folder}sboms/{folder.split('-')[0]}.cyclonedx.json"


def _document_bytes(document: Document) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _crate(name: str, entry: str, licences: Mapping[str, str]) -> Document:
    """A component for an entry of `cargo.resolution`: `0.29.3 features=abi3 sha256:…`, or `local`."""
    name, _, version = name.partition(" ")
    version = version or entry.partition(" ")[0].replace("local", "")
    source = re.search(r"\bgit\+([^\s?#]+)\S*#([0-9a-f]+)", entry)
    origin = f"?vcs_url={quote(f'git+{source[1]}@{source[2]}', safe='')}" if source else ""
    purl = f"pkg:cargo/{name}" + (f"@{version}" if version else "") + origin
    reference = f"path+file:{name}" if entry.startswith("local") else purl
    row: Document = {"type": "library", "bom-ref": reference, "name": name, "scope": "required", "purl": purl}
    if version:
        row["version"] = version
    if digest := re.search(r"\b([0-9a-f]{64})\b", entry):
        row["hashes"] = [{"alg": "SHA-256", "content": digest[1]}]
    if licence := licences.get(f"{name} {version}"):
        row["licenses"] = [{"expression": licence}]
    return row


_MANGLED = re.compile(r"(?P<name>.+?)-[0-9a-f]{8,}(?P<rest>(?:\.[\w.]+)?)")


def _library(path: str, content: bytes) -> Document:
    """A component for a grafted library. Repair tools add a digest to its name: `libz-0f1e2d3c.so.1.2.13`."""
    file = PurePosixPath(path).name
    match = _MANGLED.fullmatch(file)
    plain = f"{match['name']}{match['rest']}" if match else file
    name = re.sub(r"\.(?:so|dylib|dll)\b.*$", "", plain)
    version = re.search(r"\.so\.([\d.]+\d)$|\.(\d[\d.]*)\.dylib$", plain)
    row: Document = {"type": "library", "bom-ref": f"file:{path}", "name": name}
    if version:
        row |= {"version": version[1] or version[2]}
    row["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}]
    row["properties"] = [{"name": "cartwheel:grafted", "value": path}]
    return row


def _without_unused(document: Document, facts: Facts) -> Document:
    if not facts.crates:
        return document
    used = [row for row in document.get("components", ()) if _is_used(row, facts.crates)]
    dropped = {row.get("bom-ref") for row in document.get("components", ())} - {row.get("bom-ref") for row in used}
    edges = [
        {**row, "dependsOn": [ref for ref in row["dependsOn"] if ref not in dropped]} if "dependsOn" in row else row
        for row in document.get("dependencies", ())
        if row.get("ref") not in dropped
    ]
    metadata = dict(document.get("metadata", {}))
    others = [row for row in metadata.get("properties", ()) if row.get("name") != "cdx:rustc:sbom:target:all_targets"]
    metadata["properties"] = [*others, {"name": "cdx:rustc:sbom:target:triple", "value": facts.triple}]
    return {**document, "metadata": metadata, "components": used, "dependencies": edges}


def _is_used(row: Document, crates: Mapping[str, str]) -> bool:
    if not str(row.get("purl", "")).startswith("pkg:cargo/"):
        return True
    name, version = str(row.get("name", "")), str(row.get("version", ""))
    if f"{name} {version}" in crates:
        return True
    entry = crates.get(name, "")
    return bool(entry) and entry.split(" ")[0] in ("local", version)


_LOCAL = re.compile(r"^((?:[a-z]+\+)?)file://(/?[^#?]*)(.*)$", re.DOTALL)


def _new_references(document: Document, project: str) -> dict[str, str]:
    """A new name for each `bom-ref` with a path: `path+file:///home/me/x/core#1.0` becomes `path+file:core#1.0`.

    A crate outside the repository is named by its last folder; equal names are numbered.
    """
    references: dict[str, str] = {}
    for old in _references(document):
        match = _LOCAL.match(old)
        if not match:
            continue
        path = unquote(match[2])
        path = path.lstrip("/") if re.match(r"/[A-Za-z]:", path) else path
        inside = path.startswith(f"{project}/") if project else False
        short = path[len(project) + 1 :] if inside else "." if path == project else PurePosixPath(path).name
        new, number = f"{match[1]}file:{short}{match[3]}", 1
        while new in references.values():
            number += 1
            new = f"{match[1]}file:{short}~{number}{match[3]}"
        references[old] = new
    return references


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        if isinstance(value.get("bom-ref"), str):
            yield value["bom-ref"]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _with_references(value: Any, references: Mapping[str, str], project: str) -> Any:
    """The value with new references, without `file://` downloads in package URLs, and without the repository's path."""
    if isinstance(value, dict):
        return {key: _with_references(part, references, project) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_references(part, references, project) for part in value]
    if not isinstance(value, str):
        return value
    if value in references:
        return references[value]
    if value.startswith("pkg:"):
        return re.sub(r"\?download_url=file://[^&#]*&?", "?", value).replace("?#", "#").rstrip("?")
    return value.replace(project, ".") if project else value
