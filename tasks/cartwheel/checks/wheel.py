"""What a wheel is checked for: that it is what its name says.

`examine` reads the file once; each row of `CHECKS` is a function from what was read to the problems it found, in words.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from msgspec import Struct

from cartwheel.filesystem.binaries import images
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.binary_facts import (
    Binary,
    dll_problems,
    floor_problems,
    machine_problems,
    module_problems,
    shortened_list,
)
from cartwheel.model.wheels.target import ANY, Target, platform_tag
from cartwheel.model.wheels.wheel_name import Metadata, WheelName, normalised_name
from cartwheel.process.environment import tool_environment


class WheelEntry(Struct, frozen=True, kw_only=True):
    """One file in a wheel."""

    path: str
    size: int
    sha256: str
    """As RECORD writes it: url-safe base64 without padding."""


class WheelFacts(Struct, frozen=True, kw_only=True):
    """All that is known of a wheel file, beside what was planned."""

    file: Path
    expected: str
    target: Target
    floor: str
    python: str
    pyproject: str
    """The package's pyproject.toml, for `[tool.check-wheel-contents]`; `""` for none."""
    name: WheelName
    entries: tuple[WheelEntry, ...]
    binaries: tuple[Binary, ...]
    dist_info: str
    metadata: Metadata
    tags: frozenset[str]
    """The tags that the WHEEL file lists."""
    record: tuple[tuple[str, str, str], ...]
    """The rows of RECORD: path, hash, size."""

    def has(self, path: str) -> bool:
        return any(entry.path == path for entry in self.entries)


class Check(Struct, frozen=True, kw_only=True):
    """One row of `CHECKS`."""

    name: str
    doc: str
    problems: Callable[[WheelFacts], tuple[str, ...]]


def examine(
    wheel: Path, *, expected: str, target: Target, floor: str = "", python: str, pyproject: str = ""
) -> WheelFacts:
    """Read a wheel; raises `StepFailed` where it cannot be read as one.

    `expected` is the planned file name, `floor` the oldest system promised (the target's own when empty), `python`
    what the wheel is for: `abi3`, `3.13`, `py3`.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = [(info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise StepFailed(f"{wheel.name}: cannot be read as a wheel: {error}") from None
    dist_info = metadata_folder(wheel.name, [path for path, _ in files])
    text = {p: decoded_text(content) for p, content in files if p.startswith(f"{dist_info}/") and p.count("/") == 1}
    listed = Metadata.parse(text.get(f"{dist_info}/WHEEL", ""))
    return WheelFacts(
        file=wheel,
        expected=expected,
        target=target,
        floor=floor or target.floor,
        python=python,
        pyproject=pyproject,
        name=WheelName.parse(wheel.name),
        entries=tuple(WheelEntry(path=p, size=len(content), sha256=_record_hash(content)) for p, content in files),
        binaries=tuple(image for p, content in files for image in images(p, content)),
        dist_info=dist_info,
        metadata=Metadata.parse(text.get(f"{dist_info}/METADATA", "")),
        tags=frozenset(listed.all("Tag")),
        record=_record(text.get(f"{dist_info}/RECORD", "")),
    )


def problems(examined: WheelFacts) -> tuple[str, ...]:
    """What every check found wrong, each with the name of its check first; none means good."""
    from concurrent.futures import ThreadPoolExecutor  # three rows wait for a program each

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda check: check.problems(examined), CHECKS)
        return tuple(f"{check.name}: {p}" for check, rows in zip(CHECKS, found, strict=True) for p in rows)


def metadata_folder(wheel: str, paths: list[str]) -> str:
    found = sorted({path.split("/")[0] for path in paths if path.split("/")[0].endswith(".dist-info")})
    if len(found) != 1:
        raise StepFailed(f"{wheel}: has {len(found)} .dist-info folders ({', '.join(found) or 'none'}); expected one")
    return found[0]


def decoded_text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _record(text: str) -> tuple[tuple[str, str, str], ...]:
    rows = ((*row, "", "") for row in csv.reader(text.splitlines()) if row)
    return tuple((path, digest, size) for path, digest, size, *_ in rows)


# The rows of CHECKS.


def _named(wheel: WheelFacts) -> tuple[str, ...]:
    found = []
    if wheel.file.name != wheel.expected:
        found.append(f"the file is {wheel.file.name}, planned was {wheel.expected}")
    platform = platform_tag(wheel.target, wheel.floor)
    if set(wheel.name.platforms) != set(platform.split(".")):
        named = ".".join(wheel.name.platforms)
        found.append(f"the name says {named}; {wheel.target.triple} with floor '{wheel.floor}' is {platform}")
    return tuple(found)


def _tagged(wheel: WheelFacts) -> tuple[str, ...]:
    if wheel.tags == wheel.name.tags:
        return ()
    inside, named = shortened_list(wheel.tags), shortened_list(wheel.name.tags)
    return (f"the WHEEL file says {inside}, the file name {named}; repair it again",)


def _identified(wheel: WheelFacts) -> tuple[str, ...]:
    found = []
    name, version = wheel.metadata.one("Name"), wheel.metadata.one("Version")
    if normalised_name(name) != wheel.name.distribution:
        found.append(f"METADATA says Name '{name}', the file name {wheel.name.distribution}")
    if version != wheel.name.version:
        found.append(f"METADATA says Version '{version}', the file name {wheel.name.version}")
    folder = f"{wheel.name.distribution}-{wheel.name.version}.dist-info"
    if wheel.dist_info != folder:
        found.append(f"its metadata lies in {wheel.dist_info}; expected {folder}")
    return tuple(found)


_SUFFIXES = {".so": ("linux", "macos"), ".dylib": ("macos",), ".pyd": ("windows",), ".dll": ("windows",)}


def _compiled_for(wheel: WheelFacts) -> tuple[str, ...]:
    return machine_problems(wheel.binaries, wheel.target)


def _floor_kept(wheel: WheelFacts) -> tuple[str, ...]:
    return floor_problems(wheel.binaries, wheel.target, wheel.floor)


def _importable(wheel: WheelFacts) -> tuple[str, ...]:
    return module_problems(wheel.binaries, wheel.target, wheel.python, ".".join(wheel.name.abis))


def _python_dll(wheel: WheelFacts) -> tuple[str, ...]:
    return dll_problems(wheel.binaries, wheel.target, wheel.python, ".".join(wheel.name.abis))


def _abi3(wheel: WheelFacts) -> tuple[str, ...]:
    """Its exit code is no evidence (0 for a wheel without anything to audit), so the report is read."""
    if wheel.python != "abi3":
        return ()
    if "abi3" not in wheel.name.abis:
        return (f"planned as abi3, its name says {'.'.join(wheel.name.abis)}",)
    report = json.loads(_tool(wheel, "abi3audit", "--report", str(wheel.file)))
    audited = [o for spec in report.get("specs", {}).values() for o in spec.get("wheel", ())]
    if not audited and any(binary.modules for binary in wheel.binaries):
        return ("abi3audit found nothing to audit in it",)
    return tuple(p for one in audited for p in _not_abi3(one["name"], one["result"]))


def _not_abi3(name: str, result: Mapping[str, object]) -> tuple[str, ...]:
    foreign, later = result["non_abi3_symbols"], result["future_abi3_objects"]
    assert isinstance(foreign, list)
    assert isinstance(later, dict)
    found = []
    if foreign:
        found.append(f"{name} uses {shortened_list(foreign)}, which the limited API does not have")
    if later:
        newer = shortened_list(f"{symbol} (since {since})" for symbol, since in later.items())
        found.append(f"{name} uses {newer}, its tag promises Python {result['baseline']}")
    if not found and not (result["is_abi3"] and result["is_abi3_baseline_compatible"]):
        found.append(f"{name} is not abi3, says abi3audit")
    return tuple(found)


def _no_strangers(wheel: WheelFacts) -> tuple[str, ...]:
    """Compiled files that an in-place build, or one for another target, left in the package's source."""
    system = wheel.target.system
    advice = "remove it from the package's source (`doit run clean`)"
    found = [
        f"{entry.path} is a file for {' or '.join(_SUFFIXES[suffix])}, the wheel for {system}; {advice}"
        for entry in wheel.entries
        if (suffix := PurePosixPath(entry.path).suffix) in _SUFFIXES and system not in (ANY, *_SUFFIXES[suffix])
    ]
    copies: dict[str, list[str]] = {}
    for path in sorted(
        binary.path for binary in wheel.binaries if PurePosixPath(binary.path).suffix in (".so", ".pyd")
    ):
        copies.setdefault(_module_of(path), []).append(path)
    for same in (sorted(set(paths)) for module, paths in copies.items() if not module.startswith(_grafts(wheel))):
        if len(same) > 1:
            found.append(f"{' and '.join(same)} are the same module; keep the planned one, {advice}")
    return tuple(found)


def _grafts(wheel: WheelFacts) -> tuple[str, ...]:
    """Where auditwheel and delvewheel, and delocate, put the libraries that they graft."""
    name = wheel.name.distribution
    return (f"{name}.libs/", f"{name}/.dylibs/", f"{name}.dylibs/")


def _module_of(path: str) -> str:
    folder, _, file = path.rpartition("/")
    return f"{folder}/{file.split('.')[0]}"


def _pure(wheel: WheelFacts) -> tuple[str, ...]:
    compiled = sorted({binary.path for binary in wheel.binaries})
    if wheel.target.system != ANY:
        return () if compiled else (f"nothing compiled in it; it is for {wheel.target.triple}",)
    compiled += [e.path for e in wheel.entries if PurePosixPath(e.path).suffix in _SUFFIXES and e.path not in compiled]
    return tuple(f"{path} is compiled, the wheel is for any system; remove it or name targets" for path in compiled)


def _recorded(wheel: WheelFacts) -> tuple[str, ...]:
    """RECORD names every file with its hash and size, itself without (binary distribution format)."""
    own = f"{wheel.dist_info}/RECORD"
    unhashed = {own, f"{own}.jws", f"{own}.p7s"}
    if not wheel.record:
        return (f"{own} is missing or empty",)
    rows = {path: (digest, size) for path, digest, size in wheel.record}
    held = {entry.path for entry in wheel.entries}
    doubled = sorted(path for path, count in Counter(entry.path for entry in wheel.entries).items() if count > 1)
    wrong = [
        entry.path
        for entry in wheel.entries
        if entry.path in rows
        and entry.path not in unhashed
        and rows[entry.path] != (f"sha256={entry.sha256}", str(entry.size))
    ]
    texts = (
        ("{} is in the wheel twice", doubled),
        ("{} is not in RECORD", sorted(held - rows.keys() - unhashed)),
        ("{} is in RECORD, not in the wheel", sorted(rows.keys() - held - unhashed)),
        ("{} has another hash or size than RECORD says", wrong),
    )
    return tuple(text.format(path) for text, paths in texts for path in paths)


def _licensed(wheel: WheelFacts) -> tuple[str, ...]:
    if wheel.metadata.one("Metadata-Version") < "2.4":
        return ()  # before 2.4 (PEP 639) the field said nothing of where the file lies
    return tuple(
        f"License-File {name} is not under {wheel.dist_info}/licenses/"
        for name in wheel.metadata.all("License-File")
        if not wheel.has(f"{wheel.dist_info}/licenses/{name}")
    )


def _described(wheel: WheelFacts) -> tuple[str, ...]:
    said = _tool(wheel, "twine", "--no-color", "check", "--strict", str(wheel.file))
    if re.search(r"\bPASSED\b", said) and "FAILED" not in said:
        return ()
    words = [" ".join(text.split()) for text in re.split(r"(?m)^(?:WARNING|ERROR)\s+", said)[1:] or [said]]
    return tuple(f"{text} Name a readme in [project]" if text == _UNDESCRIBED else text for text in words)


_UNDESCRIBED = "`long_description` missing."


_MEANT = re.compile(r"\.(?:libs|dylibs)/$|(?:^|/)_{0,2}pyinstaller/(?:rthooks/)?(?:hook|pyi_rth)[-_][^/]*\.py$")
"""What no module's name fits and is meant: libraries that a repair grafted, and PyInstaller's hooks, which it loads by
their file (PyInstaller's manual, "Providing PyInstaller Hooks with your Package", November 2026)."""


def _arranged(wheel: WheelFacts) -> tuple[str, ...]:
    from check_wheel_contents.checker import NO_CONFIG, WheelChecker  # type: ignore[import-untyped]
    from check_wheel_contents.contents import WheelContents  # type: ignore[import-untyped]
    from check_wheel_contents.errors import UserInputError, WheelValidationError  # type: ignore[import-untyped]

    checker = WheelChecker()
    try:
        checker.configure_options(configpath=wheel.pyproject or NO_CONFIG)
        failed = checker.check_contents(WheelContents.from_wheel(wheel.file))
    except (UserInputError, WheelValidationError) as error:
        return (str(error),)
    found = []
    for failure in failed:
        paths = [path for path in failure.args if not _MEANT.search(path)]
        bare = failure.check.name == "W007" and any("/scripts/" in binary.path for binary in wheel.binaries)
        least = {"W007": 0, "W008": 0, "W009": 2}.get(failure.check.name, 1)
        if not bare and len(paths) >= least:
            found.append(
                f"{failure.check.name} {failure.check.value}" + (f": {shortened_list(paths)}" if paths else "")
            )
    return tuple(found)


CHECKS = (
    Check(name="name", doc="the file is named as planned, for the planned platform", problems=_named),
    Check(name="tags", doc="the WHEEL file lists the tags of the file name", problems=_tagged),
    Check(name="identity", doc="METADATA has the name and version of the file name", problems=_identified),
    Check(name="machine", doc="compiled files are of the target's format and architecture", problems=_compiled_for),
    Check(name="floor", doc="no compiled file needs a newer system than promised", problems=_floor_kept),
    Check(name="module", doc="the extension's file name is one its Python imports", problems=_importable),
    Check(name="abi3", doc="an abi3 extension keeps to the limited API of its Python", problems=_abi3),
    Check(name="python-dll", doc="on Windows the extension loads the right Python", problems=_python_dll),
    Check(name="strangers", doc="no compiled file of another system or build", problems=_no_strangers),
    Check(name="pure", doc="a wheel for any system holds nothing compiled, others do", problems=_pure),
    Check(name="record", doc="RECORD is complete and its hashes are right", problems=_recorded),
    Check(name="licences", doc="every License-File is there", problems=_licensed),
    Check(name="description", doc="the index can render the description", problems=_described),
    Check(name="contents", doc="the files are where an installer expects them", problems=_arranged),
)
"""What a wheel is checked for; all rows have one signature and none acts on the file."""


def _tool(wheel: WheelFacts, name: str, *arguments: str) -> str:
    from cartwheel.process.run import capture, of_ours

    env = tool_environment(os.environ) | {"NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    return capture((*of_ours(name), *arguments), cwd=wheel.file.parent, env=env, ok=(0, 1))
