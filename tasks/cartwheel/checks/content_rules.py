"""Rules that read a wheel's contents: hashes in RECORD, the limited API, and install locations."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping

from cartwheel.checks.candidate import Candidate
from cartwheel.checks.plan_rules import plan_and_name
from cartwheel.model.wheels.binary_facts import shortened_list


def hashes(it: Candidate) -> Iterator[str]:
    recorded = {path: (digest, size) for path, digest, size in it.record}
    for entry in it.entries:
        signature = entry.path.removeprefix(it.artifact.prefix) in ("RECORD", "RECORD.jws", "RECORD.p7s")
        if entry.path not in recorded or signature:
            continue
        if recorded[entry.path] != (entry.hash, str(entry.size)):
            yield f"{entry.path} has another hash or size than RECORD says"


def abi3(it: Candidate) -> Iterator[str]:
    """Reads abi3audit's report, because abi3audit exits with 0 if there is nothing to audit."""
    plan, named = plan_and_name(it)
    if plan.python != "abi3":
        return
    if "abi3" not in named.abis:
        yield f"planned as abi3, its name says {'.'.join(named.abis)}"
        return
    report = json.loads(_abi3audit(it))
    audited = [o for spec in report.get("specs", {}).values() for o in spec.get("wheel", ())]
    if not audited and any(binary.modules for binary in it.binaries):
        yield "abi3audit found nothing to audit in it"
    for one in audited:
        yield from _outside_of_abi3(one["name"], one["result"])


def _abi3audit(it: Candidate) -> str:
    from cartwheel.process.environment import tool_environment
    from cartwheel.process.run import capture, module_command

    env = tool_environment(os.environ) | {"PYTHONUTF8": "1"}  # its log has emoji, which code pages of Windows lack
    return capture((*module_command("abi3audit"), "--report", str(it.path)), cwd=it.path.parent, env=env, ok=(0, 1))


def _outside_of_abi3(file: str, result: Mapping[str, object]) -> Iterator[str]:
    foreign, later = result["non_abi3_symbols"], result["future_abi3_objects"]
    assert isinstance(foreign, list)
    assert isinstance(later, dict)
    if foreign:
        yield f"{file} uses {shortened_list(foreign)}, which the limited API does not have"
    if later:
        newer = shortened_list(f"{symbol} (since {since})" for symbol, since in later.items())
        yield f"{file} uses {newer}, its tag promises Python {result['baseline']}"
    if not foreign and not later and not (result["is_abi3"] and result["is_abi3_baseline_compatible"]):
        yield f"{file} is not abi3, says abi3audit"


_NO_MODULES = re.compile(
    r"^[^/]+\.(?:libs|dylibs|scripts)/|^[^/]+/\.dylibs/"
    r"|(?:^|/)_{0,2}pyinstaller/(?:rthooks/)?(?:hook|pyi_rth)[-_][^/]*\.py$"
)
"""Paths that are deliberately not importable modules.

Libraries grafted by a repair, programs that auditwheel moved beside them, and PyInstaller's hooks, which PyInstaller
loads by file (its manual, "Providing PyInstaller Hooks with your Package", November 2026).
"""


def contents(it: Candidate) -> Iterator[str]:
    from check_wheel_contents.checker import NO_CONFIG, WheelChecker  # type: ignore[import-untyped]
    from check_wheel_contents.contents import WheelContents  # type: ignore[import-untyped]
    from check_wheel_contents.errors import UserInputError, WheelValidationError  # type: ignore[import-untyped]

    checker = WheelChecker()
    try:
        checker.configure_options(configpath=plan_and_name(it)[0].pyproject or NO_CONFIG)
        failed = checker.check_contents(WheelContents.from_wheel(it.path))
    except (UserInputError, WheelValidationError) as error:
        yield str(error)
        return
    for failure in failed:
        paths = [path for path in failure.args if not _NO_MODULES.search(path)]
        bare = failure.check.name == "W007" and any("/scripts/" in binary.path for binary in it.binaries)
        least = {"W007": 0, "W008": 0, "W009": 2}.get(failure.check.name, 1)
        if not bare and len(paths) >= least:
            yield f"{failure.check.name} {failure.check.value}" + (f": {shortened_list(paths)}" if paths else "")
