"""The page of `doit report`: its facts, its HTML, and, in the lab, how Chromium shows it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cartwheel.commands.report_page import (
    PackageFacts,
    PlannedFile,
    ReleaseFacts,
    StepFacts,
    critical_path,
    html_page,
    starts,
    state_of,
)
from cartwheel.commands.status import ReleaseStatus, TagStatus
from cartwheel.destinations.protocol import DestinationStatus, ItemStatus
from cartwheel.model.check_report import CheckReport, TestRun
from cartwheel.model.wheels.artifacts import Artifact
from cartwheel.summary import FileRow
from support.projects import committed, pure

TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.14t")
DIGEST = "0123456789abcdef" * 4
EVIL = "<script>alert(1)</script>"


def planned(target: str, python: str, *, built: bool = True, runs: tuple[TestRun, ...] | None = None) -> PlannedFile:
    """A wheel."""
    file = f"tide-1.0-cp{python.replace('.', '')}-{target}.whl"
    artifact = Artifact(
        file=file, kind="wheel", package="tide", target=target, python=python, task=f"repair:{target}:tide:{python}",
        path=f"dist/{file}", report="r.json",
    )  # fmt: skip
    row = FileRow(
        artifact=artifact, bytes=1_234_567, sha256=DIGEST, tests="", seconds=3.0, origin="built", last_bytes=1_200_000
    )
    ran = runs if runs is not None else (TestRun(count=12, python=f"{python.rstrip('t')}.1"),)
    check = CheckReport(file=file, sha256=DIGEST, runs=ran)
    return PlannedFile(
        artifact=artifact, floor="manylinux2014", variant="", untested="", row=row if built else None,
        check=check if built else None, tools={"rustc": "1.95.0", "maturin": EVIL}, crates={},
    )  # fmt: skip


def steps() -> tuple[StepFacts, ...]:
    """A graph in which the second target takes longest."""
    facts = []
    for number, target in enumerate(TARGETS, 1):
        build, repair = f"build:{target}:tide:3.11", f"repair:{target}:tide:3.11"
        facts.append(StepFacts(name=build, seconds=30.0 * number if number < 4 else 5.0, after=()))
        facts.append(StepFacts(name=repair, seconds=4.0, after=(build,)))
    facts.append(StepFacts(name="check:set:tide", seconds=1.0, after=tuple(s.name for s in facts[1::2])))
    return tuple(facts)


def facts() -> ReleaseFacts:
    """A release of twenty wheels in every state."""
    files = [planned(target, python) for target in TARGETS for python in PYTHONS]
    files[3] = planned(TARGETS[0], "3.14", runs=(TestRun(python="3.14", not_run="no such interpreter"),))
    files[9] = planned(TARGETS[1], "3.14t", built=False)
    status = ReleaseStatus(
        package="tide", version="1.0", head="f" * 40, tag=TagStatus(name="v1.0", here="f" * 40),
        indexes=(
            DestinationStatus(
                name="pypi", kind="pypi", state="partial", detail=f"down {EVIL}",
                items=tuple(ItemStatus(name=f.artifact.file, state="there") for f in files[:5]),
            ),
        ),
    )  # fmt: skip
    package = PackageFacts(name="tide", version="1.0", files=tuple(files), status=status)
    return ReleaseFacts(commit="f" * 40, packages=(package,), steps=steps(), last_run={steps()[0].name: 30.0})


class Outline(HTMLParser):
    """Checks that tags are balanced, and collects ids, links and addresses."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens a tag."""
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.links += [value or ""] if name in ("href", "src") else []

    def handle_endtag(self, tag: str) -> None:
        """Closes a tag."""
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    text = html_page(facts())
    outline = Outline(text)
    assert len(outline.ids) == len(set(outline.ids)) == 20
    assert {link.removeprefix("#") for link in outline.links} == set(outline.ids), "every mark leads to its file"
    assert not {"script", "link", "img", "iframe"} & set(outline.tags)
    assert not re.search(r"https?://|@import|url\(", text)


def test_nothing_that_a_tool_or_index_said_becomes_markup() -> None:
    text = html_page(facts())
    assert EVIL not in text
    assert text.count(html.escape(EVIL)) == 21


def test_the_states_of_files_are_counted() -> None:
    text = html_page(facts())
    assert '<li class="tested"><b>✓ 18</b> built and tested</li>' in text
    assert '<li class="untested"><b>○ 1</b> built, not tested</li>' in text
    assert '<li class="missing"><b>- 1</b> not built here</li>' in text
    stale = planned(TARGETS[0], "3.11")
    assert stale.check
    other = CheckReport(file=stale.check.file, sha256="0" * 64, runs=stale.check.runs)
    assert state_of(PlannedFile(**{**{n: getattr(stale, n) for n in stale.__struct_fields__}, "check": other})) == (
        "unchecked"
    ), "a report about other bytes"


def test_the_critical_path_is_the_longest_chain() -> None:
    target = TARGETS[2]
    assert critical_path(steps()) == (f"build:{target}:tide:3.11", f"repair:{target}:tide:3.11", "check:set:tide")
    assert starts(steps())["check:set:tide"] == 94.0
    assert critical_path(()) == ()
    text = html_page(facts())
    assert text.count("critical path</small>") == 3
    assert "takes 1 min 35 s" in text


def test_the_command_writes_the_page_of_what_is_here(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    before = project.doit("report", "--offline")
    page = Path(before.strip())
    assert page == project.root / ".cartwheel" / "report.html"
    assert "Nothing was built here yet." in page.read_text("utf-8")
    project.doit("check:any")
    assert project.doit("report", "--offline", "-o", "out/r.html").strip() == str(project.root / "out" / "r.html")
    text = (project.root / "out" / "r.html").read_text("utf-8")
    Outline(text)
    wheel = next((project.root / "dist").rglob("*.whl"))
    assert wheel.name in text
    assert "critical path" in text
    assert project.refused("report", "x") == "ERROR: report: takes no word; found 'x'; see: doit help report"


# Chromium ------------------------------------------------------------------------------------------------------------

PROBE = """<script>
addEventListener("load", () => {
  const out = {wide: document.documentElement.scrollWidth > innerWidth, width: innerWidth,
    ink: getComputedStyle(document.body).color, paper: getComputedStyle(document.body).backgroundColor,
    bars: [...document.querySelectorAll(".bar")].every(b => b.getBoundingClientRect().width > 0 &&
      b.getBoundingClientRect().right <= innerWidth + 1),
    matrix: document.querySelectorAll(".matrix tbody tr").length + "x" +
      document.querySelectorAll(".matrix thead th[scope=col]").length};
  document.title = JSON.stringify(out);
});
</script></body>"""
"""Measures the page; added by the test, the page itself has no script."""


def seen(page: Path, width: int, *, dark: bool, folder: Path) -> dict[str, object]:
    """Chromium's rendering of the page at that width, and a screenshot in `folder`."""
    import json

    browser = shutil.which("chromium") or ""
    if not browser:
        pytest.skip("needs chromium")
    probe = folder / "probe.html"
    probe.write_text(page.read_text("utf-8").replace("</body>", PROBE), encoding="utf-8")
    common = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
        "--virtual-time-budget=3000", f"--user-data-dir={folder / 'profile'}",
        *(["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]),
    ]  # fmt: skip
    shot = folder / f"{width}{'-dark' if dark else ''}.png"
    subprocess.run(
        [*common, f"--window-size={width},1400", f"--screenshot={shot}", page.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert shot.stat().st_size > 10_000
    done = subprocess.run(
        [*common, f"--window-size={max(width, 500)},900", "--dump-dom", probe.as_uri()],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stdout[:2000]
    facts: dict[str, object] = json.loads(html.unescape(title[1]))
    return facts


def light(colour: object) -> float:
    """The mean of red, green and blue, from 0 to 255."""
    return sum(map(int, re.findall(r"\d+", str(colour))[:3])) / 3


@pytest.mark.lab
@pytest.mark.parametrize(("width", "dark"), [(500, False), (1280, False), (1280, True), (500, True)])
def test_chromium_shows_it_on_a_phone_and_a_desk_in_light_and_dark(tmp_path: Path, width: int, dark: bool) -> None:
    page = tmp_path / "report.html"
    page.write_text(html_page(facts()), encoding="utf-8")
    picture = seen(page, width, dark=dark, folder=tmp_path)
    assert picture["matrix"] == "4x5"
    assert picture["wide"] is False, "only tables scroll, in their own boxes"
    assert picture["bars"] is True
    ink, paper = light(picture["ink"]), light(picture["paper"])
    assert (ink > paper + 100) if dark else (paper > ink + 100), picture
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
