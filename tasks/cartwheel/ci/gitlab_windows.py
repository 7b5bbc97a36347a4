"""PowerShell commands of GitLab's jobs on Windows.

GitLab's runners start PowerShell there (5.1 or 7), so every command must mean the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

VENV = ".cartwheel/venv"
"""The virtual environment of a job."""


def quote(text: str) -> str:
    """The text as one word of PowerShell.  Typographic quotation marks end a word as `'` does."""
    return "'" + re.sub("(['‘’‚‛])", r"\1\1", text) + "'"  # noqa: RUF001 (PowerShell's own quotation marks)


def read_tasks(planned: str) -> tuple[str, ...]:
    """Reads the tasks of this job from the plan's file; a job without tasks ends here."""
    return (
        f'function Planned($name) {{ Get-Content {planned} | Where-Object {{ $_.StartsWith("$name=") }} '
        '| ForEach-Object { $_.Substring($name.Length + 1) -split " " } }',
        "$tasks = @(Planned $env:BUILD)",
        'if (-not $tasks) { Write-Output "$env:BUILD is up to date"; exit 0 }',
    )


RUST = (
    "if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) { python -m pip install --quiet puccinialin; "
    'python -m puccinialin --location "$PWD\\.cartwheel\\rust"; '
    '$env:CARGO_HOME = "$PWD\\.cartwheel\\rust\\cargo"; '
    '$env:RUSTUP_HOME = "$PWD\\.cartwheel\\rust\\rustup"; '
    '$env:PATH = "$env:CARGO_HOME\\bin;$env:PATH" }',
)

WORK = (
    '$rust = @(Planned "$env:BUILD.rust")',
    "if ($rust) { rustup target add @rust }",
    'foreach ($python in @(Planned "$env:BUILD.pythons")) { uv python install $python; if (-not $?) { exit 1 } }',
    "doit @tasks",
)

CLEAN_CRATES = (
    'if ($env:CI_COMMIT_TAG -or ($env:TO -and $env:TO -ne "nowhere")) '
    "{ Remove-Item -Recurse -Force -ErrorAction SilentlyContinue .cartwheel/sccache }",
)

NIGHTLY = ('if ($env:CI_PIPELINE_SOURCE -eq "schedule") { doit ci nightly $env:CI_PIPELINE_IID }',)


def python(version: str) -> tuple[str, ...]:
    """A virtual environment for this job; a machine without Python gets this version."""
    short = version.replace(".", "")
    return (
        "if (-not (Get-Command python -ErrorAction SilentlyContinue)) { "
        f'choco install --yes --no-progress python{short}; $env:PATH = "C:\\Python{short};$env:PATH" }}',
        f"python -m venv {VENV}",
        f'& "{VENV}/Scripts/Activate.ps1"',
    )


def pack(folders: Iterable[str], path: str) -> tuple[str, ...]:
    """Packs the folders that exist into one file."""
    return (
        f"$made = @({', '.join(map(quote, folders))}) | Where-Object {{ Test-Path $_ }}",
        f'tar -cf "{path}" $made',
    )


def shell_step(lines: Iterable[str], folder: str, file: str) -> tuple[str, ...]:
    """Runs the lines of a shell script in the project's folder, with the shell that git brings to Windows.

    The user's steps are for a POSIX shell, which GitHub has on Windows too.  That shell runs an alias of git, from the
    repository's root, wherever git is installed.  `folder`: the project's, relative to the repository.
    `file`: where the script is written, relative to the project.
    """
    place = f"{folder}/{file}" if folder else file
    script = ("set -eo pipefail", *((f'cd "{folder}"',) if folder else ()))
    rows = (row for line in lines for row in line.split("\n"))
    text = ' + "`n" + '.join(quote(row) for row in (*script, *rows, ""))
    return (
        f'[IO.File]::WriteAllText("$PWD/{file}", {text})',
        f"git -c alias.step=!sh step {quote(place)}",
    )
