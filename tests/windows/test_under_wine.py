"""Our own code on Windows: the portable part of the suite, and how processes end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.windows_project import PYTHON, ROOT, Installed, project_for
from support.wine import ARCHIVES, windows_path

PORTABLE = (
    "windows_ways", "model", "plans", "next_version", "changelog", "index_rules", "toml_edits", "slots",
    "requirements", "named_files", "ledger", "record",
)  # fmt: skip
"""Test files that need neither git nor cargo."""

IN_A_CODE_PAGE = ("windows_ways", "toml_edits", "changelog", "record", "ledger")
"""Those that read and write files, run without UTF-8 mode."""

PASSED = 800
"""The number of tests that passed in November 2026, rounded down."""


@pytest.mark.parametrize(
    ("utf8", "names", "fewest", "version"),
    [
        pytest.param("0", IN_A_CODE_PAGE, 100, PYTHON, marks=pytest.mark.lab, id="code page 1252"),
        *(
            pytest.param(
                "1",
                PORTABLE,
                PASSED,
                version,
                marks=pytest.mark.full(sample=0.15),
                id=f"UTF-8, {version}",
            )
            for version in ARCHIVES
        ),
    ],
)
def test_the_portable_tests_pass_under_wine(
    record_property: Callable[[str, object], None], utf8: str, names: tuple[str, ...], fewest: int, version: str
) -> None:
    done = project_for(version).run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/test_{name}.py" for name in names), cwd=ROOT,
        env={"PYTHONUTF8": utf8, "CARTWHEEL_TEST_REQUIRE_TOOLS": ""},
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
    assert passed
    assert int(passed[1]) >= fewest
    record_property("seen", f"{version} under Wine: {done.stdout.splitlines()[-1]}")


@pytest.mark.full(sample=0.05)
def test_every_test_is_collected_under_wine(installed: Installed) -> None:
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests", cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]


CHILD = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {late!r}]); time.sleep({wait})"
LATE = "import time, pathlib; time.sleep(3); pathlib.Path({mark!r}).write_text('late')"


@pytest.mark.lab
@pytest.mark.parametrize("wait", [0, 60])
def test_nothing_that_a_command_started_outlives_it(installed: Installed, tmp_path: Path, wait: int) -> None:
    mark = tmp_path / "mark"
    script = tmp_path / "run.py"
    child = CHILD.format(late=LATE.format(mark=windows_path(mark)), wait=wait)
    script.write_text(
        "import os, sys, threading, time\n"
        "from pathlib import Path\n"
        "from cartwheel.process import run\n"
        "run.stop_on_signals()\n"
        "start = time.monotonic()\n"
        f"process = run.start_in_group((sys.executable, '-c', {child!r}), cwd=Path.cwd(), env=os.environ,\n"
        "                             stdout=None, stderr=None)\n"
        "threading.Timer(1.5, lambda: run._stop(2)).start() if process and " + str(wait) + " else None\n"
        "process.wait()\n"
        "run.end_group(process)\n"
        "print('ended after', round(time.monotonic() - start, 1))\n"
        "time.sleep(5)\n",
        "utf-8",
    )
    done = installed.run(str(windows_path(script)), cwd=tmp_path, timeout=100)
    assert "ended after" in done.stdout or wait, done.stdout
    assert not mark.exists()


@pytest.mark.lab
def test_an_exit_code_of_32_bits_is_told(installed: Installed, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from cartwheel.process.step_log import StepLog\n"
        "from cartwheel.model.errors import StepFailed\n"
        "try:\n"
        "    StepLog(Path('log.txt'), shown_as='log.txt').run(\n"
        "        (sys.executable, '-c', 'import os; os._exit(-1073741819)'), cwd=Path.cwd(), env=os.environ)\n"
        "except StepFailed as error:\n"
        "    print(error)\n",
        "utf-8",
    )
    done = installed.run(windows_path(script), cwd=tmp_path, timeout=100)
    assert "failed with exit code 0xC0000005 (access violation)" in done.stdout, done.stdout
