"""The variables that a script sets, as adopt reads them."""

from __future__ import annotations

import pytest

from cartwheel.adoption.shell_variables import assignments
from cartwheel.adoption.step_outputs import outputs_and_variables


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A=1", [("A", "1")]),
        ("export A=1 B='two words'\nC=\"three\" make", [("A", "1"), ("B", "two words"), ("C", "three")]),
        ("A=1; A=2 && run", [("A", "1"), ("A", "2")]),
        ('bash -c "A=1 make"', [("A", "1")]),
        ("(A=1 make)", [("A", "1")]),
        ("A=$(git describe)\nB=${{ matrix.b }}", [("A", "$(git describe)"), ("B", "${{ matrix.b }}")]),
        ("$env:A = '1'\n$Env:B=\"2\"", [("A", "1"), ("B", "2")]),
        ("# A=1\nmake # B=2", []),
        ("pip install a==1 --index=x -DNAME=1 'a=b'", []),
        ('if [ "$A" == 1 ]; then make; fi', []),
        ("A=", [("A", "")]),
    ],
)
def test_variables_are_read_in_the_order_in_which_a_script_sets_them(
    script: str, expected: list[tuple[str, str]]
) -> None:
    assert assignments(script) == expected


@pytest.mark.parametrize(
    "script",
    [
        'echo "A=1" >> "$GITHUB_ENV"',
        "echo A=1 >> $GITHUB_ENV",
        'echo "A=1" | tee -a "$GITHUB_ENV"',
        'V=1\necho "A=$V" >> $GITHUB_ENV',
        '"A=1" >> $env:GITHUB_ENV',
        'echo "A=1" | Out-File -FilePath $env:GITHUB_ENV -Append',
        'Write-Output "A=1" | Out-File -Append -Encoding utf8 $Env:GITHUB_ENV',
        '"A=1" | Add-Content $env:GITHUB_ENV',
    ],
)
def test_a_variable_for_later_steps_is_read_from_bash_and_powershell(script: str) -> None:
    assert outputs_and_variables(script, {})[1] == {"A": "1"}
