"""The documentation: its commands run, its configurations are read, its links lead somewhere, its site builds."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec import Struct

from cartwheel.commands.help_pages import COMMAND_PAGES, TASK_PAGES
from support.projects import DODO, Project, committed, pure, with_crate
from support.repositories import git, repository

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted((*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"))
COMMANDS = {"start.md", *(path.relative_to(DOCS).as_posix() for path in DOCS.glob("[sm]*/*.md"))}
"""The pages whose command blocks all say how they are run."""


class Block(Struct, frozen=True, kw_only=True):
    """A fenced block: its language, the title in its first line, the comment above it, and its text."""

    page: str
    line: int
    language: str
    title: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


_FENCE = re.compile(r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?$')


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page; raises `AssertionError` if one is not closed."""
    lines = page.read_text("utf-8").splitlines()
    start, mark = -1, ""
    fence: re.Match[str] | None = None
    for number, line in enumerate(lines):
        if fence is None and line.startswith("```"):
            fence = _FENCE.match(line)
            assert fence, f"{page}:{number + 1}: {line}"
            above = lines[number - 1] if number else ""
            mark = above.removeprefix("<!-- ").removesuffix(" -->") if above.startswith("<!-- ") else ""
            start = number
        elif fence is not None and line == "```":
            yield Block(
                page=page.relative_to(ROOT).as_posix(), line=start + 1, language=fence["language"],
                title=fence["title"] or "", mark=mark, text="\n".join(lines[start + 1 : number]) + "\n",
            )  # fmt: skip
            fence = None
    assert fence is None, f"{page}: a block is not closed"


ALL = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in ALL if block.language == "sh"]


@pytest.mark.parametrize("block", [b for b in SHELL if b.page.removeprefix("docs/") in COMMANDS], ids=str)
def test_each_command_block_says_how_it_is_run_or_why_not(block: Block) -> None:
    how, _, what = block.mark.partition(": ")
    assert how in ("project", "lab", "not run"), f"{block}: put <!-- project: …, lab: … or not run: WHY --> above it"
    assert what


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_each_command_of_doit_names_something_that_exists(block: Block) -> None:
    known = {*TASK_PAGES, *COMMAND_PAGES, "help", "run", "lint", "fix", "test", "reference"}
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["doit"]:
            names = [word.split(":")[0] for word in words[1:] if not word.startswith("-") and "=" not in word]
            assert not names or names[0] in known, line


def project_of(block: Block, folder: Path) -> Project:
    """The project that a block's mark names: `fresh`, `adopted`, or `page`, made of the titled blocks of its page."""
    name = block.mark.partition(": ")[2]
    if name in ("fresh", "adopted"):
        project = with_crate(folder) if name == "fresh" else pure(folder)
        if name == "fresh":
            (folder / "dodo.py").unlink()
            for file in ("pyproject.toml", "pebble/pyproject.toml"):
                text = (folder / file).read_text("utf-8")
                (folder / file).write_text(text.partition("[tool.cartwheel]")[0], "utf-8")
            shutil.rmtree(folder / "gravel")
            (folder / "pyproject.toml").unlink()
        return committed(project)
    assert name == "page", block
    repository(folder)
    project = Project(folder)
    project.write("dodo.py", DODO)
    project.write(".gitignore", ".cartwheel/\ndist/\n")
    for titled in blocks(ROOT / block.page):
        if titled.title:
            project.write(titled.title, titled.text)
        if titled.title.endswith("Cargo.toml"):
            source = "main.rs" if "[lib]" not in titled.text and "core" not in titled.title else "lib.rs"
            body = "fn main() {}\n" if source == "main.rs" else ""
            project.write(f"{titled.title.removesuffix('Cargo.toml')}src/{source}", body)
    git(folder, "remote", "add", "origin", "https://github.com/owner/tide.git")
    return committed(project)


def run(block: Block, folder: Path) -> None:
    """Run each line of a block; all must succeed."""
    project = project_of(block, folder)
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "doit", line
        project.doit(*words[1:])


@pytest.mark.parametrize("block", [b for b in SHELL if b.mark.startswith("project: ")], ids=str)
def test_the_commands_of_the_docs_run(block: Block, tmp_path: Path) -> None:
    run(block, tmp_path / "project")


@pytest.mark.lab
def test_the_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.reference", "--check"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.lab
@pytest.mark.parametrize("block", [b for b in SHELL if b.mark.startswith("lab: ")], ids=str)
def test_the_commands_of_the_docs_that_build_run(block: Block, tmp_path: Path) -> None:
    run(block, tmp_path / "project")


# links ---------------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<to>[^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them, and those that it writes itself."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_link_between_pages_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in _LINK.finditer(text):
        address, _, anchor = link["to"].partition("#")
        if "://" in address or address.startswith("mailto:"):
            continue
        target = (page.parent / address).resolve() if address else page
        if badge := re.match(r"\.\./\.\./actions/workflows/(\w+\.yml)(/badge\.svg)?$", address):  # GitHub's own pages
            target = ROOT / ".github" / "workflows" / badge[1]
        assert target.exists(), f"{page.name}: {link['to']} is missing"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link['to']} has no such heading"


def test_the_readme_is_short_and_its_commands_are_one_line_each() -> None:
    assert 60 <= len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 100
    assert [block.text.count("\n") for block in blocks(ROOT / "README.md")] == [1, 1]


# the site ------------------------------------------------------------------------------------------------------------


class Targets(HTMLParser):
    """The ids and links of a built page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects an id, and the target of a link or image."""
        values = dict(attrs)
        self.ids |= {values["id"] or ""} if "id" in values else set()
        name = {"a": "href", "img": "src"}.get(tag, "")
        if name in values:
            self.links.append(values[name] or "")


@pytest.mark.lab
def test_the_site_builds_without_warnings_and_every_link_in_it_leads_somewhere(tmp_path: Path) -> None:
    pytest.importorskip("zensical")  # the group `docs`; .ci/run installs it
    for name in ("docs", "zensical.toml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    site = tmp_path / "site"
    pages = {path: Targets(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) >= 40
    dead = []
    for page, targets in pages.items():
        for link in targets.links:
            address, _, anchor = html.unescape(link).partition("#")
            if "://" in address or address.startswith(("mailto:", "data:")):
                continue
            target = (page.parent / address).resolve() if address else page
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].ids):
                dead.append(f"{page.relative_to(site)}: {link}")
    assert not dead, dead
