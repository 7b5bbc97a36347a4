"""Wheels of other systems that run on this machine: Windows under Wine, musl beside glibc."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import musl, wine
from support.example import MUSL, WINDOWS, Example
from support.wine import ARCHIVES

pytestmark = pytest.mark.full(sample=0.0)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    example = Example.create(tmp_path_factory.mktemp("wheels") / "projekt-größe")
    pyproject = example.root / "examples/tidemark/pyproject.toml"
    pyproject.write_text(pyproject.read_text().split("[[tool.cartwheel.overrides")[0])
    return example


def rows(example: Example, triple: str) -> list[dict[str, object]]:
    """The test runs in the report of the target's check."""
    tests = example.report(triple)["tests"]
    assert isinstance(tests, list)
    return tests


def test_the_wheel_for_windows_is_tested_under_wine_with_each_python(example: Example) -> None:
    machine = wine.windows()
    env = {**machine.environment, **machine.variables}
    example.doit(f"check:{WINDOWS}", env=env)
    tests = [row for row in rows(example, WINDOWS) if "ran" in row]
    assert [(row["by"], str(row["python"])[:4]) for row in tests] == [("under Wine", version) for version in ARCHIVES]
    assert all(int(str(row["ran"])) >= 20 for row in tests), tests
    print("under Wine:", [row["ran"] for row in tests])


def test_a_dll_that_the_wheel_lacks_is_named(example: Example, tmp_path: Path) -> None:
    machine = wine.windows()
    source = tmp_path / "grain.c"
    source.write_text("__declspec(dllexport) int grain(void) { return 7; }\n")
    user = tmp_path / "user.c"
    user.write_text("__declspec(dllimport) int grain(void); __declspec(dllexport) int PyInit__x(void){return grain();}")
    gcc = "x86_64-w64-mingw32-gcc"
    wine._call(gcc, "-shared", "-o", "grain.dll", "grain.c", "-Wl,--out-implib,grain.lib", cwd=tmp_path)
    wine._call(gcc, "-shared", "-o", "_x.pyd", "user.c", "grain.lib", cwd=tmp_path)
    (tmp_path / "grain.dll").unlink()
    from cartwheel.machine.wine import failure_in_words

    done = machine.run(
        str(machine.pythons["3.13"]), "-c", "import _x", cwd=tmp_path, env={"WINEDEBUG": "-all,err+module"}
    )
    assert done.returncode == 1
    assert failure_in_words(done.stdout) == "grain.dll is missing, and _x.pyd needs it; let the repair graft it"


def test_a_wheel_for_musl_is_tested_on_a_glibc_machine(example: Example) -> None:
    folder = musl.sysroot()
    example.doit(f"check:{MUSL}", env={"CARTWHEEL_SYSROOT_X86_64_UNKNOWN_LINUX_MUSL": str(folder)})
    tests = [row for row in rows(example, MUSL) if "ran" in row]
    assert [row["by"] for row in tests] == ["musl here"], rows(example, MUSL)
    assert int(str(tests[0]["ran"])) >= 20
