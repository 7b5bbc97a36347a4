"""Delivery and retries, against a destination whose every look and answer is scripted."""

from __future__ import annotations

import hashlib
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartwheel.destinations import retries
from cartwheel.destinations.crates import CrateRelease
from cartwheel.destinations.delivery import deliver, refusals, stage, wait_until_visible
from cartwheel.destinations.github_release import GitHubRelease
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.protocol import Answer, Item, Standing
from cartwheel.destinations.pypi import PypiDestination
from cartwheel.destinations.retries import (
    LOST,
    Patience,
    Trouble,
    passing,
    passing_trouble,
    pause,
    poll,
    seconds_until,
    too_long,
    with_retries,
)
from cartwheel.model.errors import StepFailed
from cartwheel.process.run import STOP, Interrupted

TAKEN = Answer(status=200, words="OK")
BUSY = Answer(status=503, words="busy")
ITEMS = tuple(Item(name=name, path=Path(name), sha256=name * 2, title=title) for name, title in (("a", "A"), ("b", "")))
A = ITEMS[0]
PATIENCE = Patience(tries=3, base=2.0, lag=7.0)


@dataclass
class Scripted:
    """A destination: `standing` is what it holds, `answers` and `looks` what comes first."""

    name: str = "shelf"
    url: str = "https://shelf.example/"
    patience: Patience = PATIENCE
    content: str = "bytes"
    lags: bool = False
    one_by_one: bool = False
    deadline: float = 60.0
    held: set[str] = field(default_factory=set)
    answers: list[Answer | Exception] = field(default_factory=list)
    looks: list[Standing | Exception] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    certain: int = 0
    renewals: int = 0
    against: tuple[str, ...] = ()
    prepared: Standing | None = None
    finished: tuple[Item, ...] = ()
    judged: tuple[Item, ...] = ()
    asked_about: list[Answer] = field(default_factory=list)

    def session(self) -> nullcontext[None]:
        return nullcontext()

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        return tuple(files)

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        self.judged = tuple(items)
        return self.against if sending else ()

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        self.log.append(f"look {' '.join(item.name for item in items)}{' in public' if public else ''}")
        if self.looks:
            standing = self.looks.pop(0)
            if isinstance(standing, Exception):
                raise standing
            return standing
        names = [item.name for item in items]
        return Standing(
            send=tuple(name for name in names if name not in self.held),
            there=tuple(name for name in names if name in self.held),
        )

    def prepare(self, standing: Standing) -> None:
        self.log.append("prepare")
        self.prepared = standing

    def send(self, item: Item) -> Answer:
        self.log.append(f"send {item.name}")
        answer = self.answers.pop(0) if self.answers else TAKEN
        if isinstance(answer, Exception):
            raise answer
        if answer.taken:
            self.held.add(item.name)
        return answer

    def renew_credentials(self, answer: Answer) -> bool:
        self.asked_about.append(answer)
        self.renewals -= 1
        return self.renewals >= 0

    def settles(self, answer: Answer) -> int:
        self.asked_about.append(answer)
        return self.certain

    def refusal(self, item: Item, answer: Answer) -> str:
        return f"{item.label}: shelf refuses it ({answer.text})"

    def finish(self, items: Sequence[Item]) -> None:
        self.log.append("finish")
        self.finished = tuple(items)

    def prove(self, items: Sequence[Item]) -> str:
        return ""

    def status(self, digests: object) -> Any:
        return None


class Run:
    """Deliveries with one ledger, and what was said and slept."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.json"
        self.lines: list[str] = []
        self.slept: list[float] = []

    @property
    def book(self) -> Ledger:
        return Ledger(self.path, index="shelf", url="u", project="demo", version="1", say=self.lines.append)

    def __call__(self, destination: Scripted, items: Sequence[Item] = ITEMS) -> tuple[str, ...]:
        return deliver(destination, items, self.book, say=self.lines.append, wait=self.slept.append)

    def state(self, name: str) -> object:
        return self.book._files.get(name, {}).get("state")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


# Delivery -------------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_sent_in_order_between_preparing_and_finishing(run: Run) -> None:
    shelf = Scripted()
    assert run(shelf) == ("a", "b")
    assert shelf.log == ["look a b", "prepare", "send a", "send b", "finish"]
    assert (shelf.prepared, shelf.finished) == (Standing(send=("a", "b")), ITEMS)
    assert run.lines == ["A: sent to shelf", "b: sent to shelf"]
    assert (run.state("a"), run.state("b"), run.slept) == ("sent", "sent", [])


def test_what_is_there_is_told_and_not_sent(run: Run) -> None:
    assert run(Scripted(held={"a"}, content="content")) == ("b",)
    assert run.lines == ["A: on shelf already, with the same content", "b: sent to shelf"]
    assert run.state("a") == "there"


def test_what_is_known_to_be_there_is_not_noted_again(run: Run) -> None:
    run.book.note("a", A.sha256, "sent")
    run(Scripted(held={"a"}))
    assert run.state("a") == "sent"


def test_a_conflict_is_told_before_the_first_byte(run: Run) -> None:
    shelf = Scripted(looks=[Standing(send=("b",), wrong=("A: other bytes",), trouble="a trouble")])
    with pytest.raises(StepFailed) as caught:
        run(shelf)
    assert str(caught.value) == "shelf: nothing was sent:\n  A: other bytes"
    assert shelf.log == ["look a b"]


def test_a_destination_that_cannot_be_asked_gets_nothing(run: Run) -> None:
    with pytest.raises(StepFailed) as caught:
        run(Scripted(looks=[Standing(trouble="503 busy")]))
    assert str(caught.value) == "shelf: nothing was sent:\n  503 busy"


def test_what_was_sent_with_other_bytes_is_refused_though_it_is_not_listed(run: Run) -> None:
    run.book.note("a", "other", "sent")
    with pytest.raises(StepFailed, match=r"nothing was sent:\n  a: it was sent on .* and is aa now"):
        run(Scripted())


def test_what_was_sent_and_is_not_listed_yet_is_sent_again_only_where_no_list_lags(run: Run) -> None:
    run.book.note("a", A.sha256, "sent")
    assert run(Scripted(lags=True)) == ("b",)
    assert run.lines[0] == "A: sent before; shelf does not list it yet"
    assert run(Scripted()) == ("a", "b")


def test_a_passing_failure_is_retried_with_longer_pauses(run: Run) -> None:
    shelf = Scripted(answers=[BUSY, BUSY])
    assert run(shelf, [A]) == ("a",)
    assert run.slept == [2.0, 4.0]
    assert run.lines == [
        "A: shelf: 503 busy; again in 2 s", "A: shelf: 503 busy; again in 4 s", "A: sent to shelf",
    ]  # fmt: skip
    assert shelf.log.count("send a") == 3


def test_a_pause_that_is_asked_for_is_kept(run: Run) -> None:
    run(Scripted(answers=[Answer(status=429, words="slowly", retry_after=100.0)]), [A])
    assert run.slept == [100.0]


def test_a_failure_that_lasts_says_how_far_it_came(run: Run) -> None:
    with pytest.raises(StepFailed) as caught:
        run(Scripted(held={"a"}, answers=[BUSY] * 3))
    assert str(caught.value) == "b: shelf refuses it (503 busy)\n1 of 2 files are on shelf"
    assert run.state("b") == "unknown"


def test_a_failure_of_the_second_file_counts_the_first(run: Run) -> None:
    with pytest.raises(StepFailed, match="1 of 2 files are on shelf"):
        run(Scripted(answers=[TAKEN, Answer(status=400, words="bad")]))
    assert (run.state("a"), run.state("b")) == ("sent", "refused")


def test_a_refusal_is_not_retried(run: Run) -> None:
    shelf = Scripted(answers=[Answer(status=400, words="bad")])
    with pytest.raises(StepFailed, match=r"^A: shelf refuses it \(400 bad\)\n0 of 1 files are on shelf$"):
        run(shelf, [A])
    assert (shelf.log.count("send a"), run.slept, run.state("a")) == (1, [], "refused")


def test_a_file_that_did_not_leave_this_machine_is_refused_in_the_ledger(run: Run) -> None:
    with pytest.raises(StepFailed, match=r"^it is broken\n0 of 1 files"):
        run(Scripted(answers=[StepFailed("it is broken")]), [A])
    assert run.state("a") == "refused"


@pytest.mark.parametrize("status", [401, 403])
def test_expired_credentials_are_replaced_and_the_file_is_sent_at_once(run: Run, status: int) -> None:
    shelf = Scripted(answers=[Answer(status=status, words="expired")], renewals=1)
    assert run(shelf, [A]) == ("a",)
    assert run.lines == ["the token has expired; sent again with a new one", "A: sent to shelf"]
    assert run.slept == []


def test_other_refusals_replace_no_credentials(run: Run) -> None:
    shelf = Scripted(answers=[Answer(status=400, words="bad")], renewals=1)
    with pytest.raises(StepFailed):
        run(shelf, [A])
    assert shelf.renewals == 1


def test_credentials_that_cannot_be_replaced_are_a_refusal(run: Run) -> None:
    with pytest.raises(StepFailed, match="401 expired"):
        run(Scripted(answers=[Answer(status=401, words="expired")]), [A])


def test_after_an_answer_in_doubt_the_destination_is_looked_at_as_often_as_it_says(run: Run) -> None:
    lacks, has = Standing(send=("a",)), Standing(there=("a",))
    shelf = Scripted(answers=[Answer(status=LOST, words="lost")], looks=[lacks, lacks, has], certain=3)
    assert run(shelf, [A]) == ("a",)
    assert shelf.log == ["look a", "prepare", "send a", "look a", "look a", "finish"]
    assert run.slept == [7.0]
    assert run.lines == ["A: on shelf, with the same bytes"]
    assert run.state("a") == "there"


def test_a_file_that_is_not_there_after_all_is_sent_again(run: Run) -> None:
    lacks = Standing(send=("a",))
    shelf = Scripted(answers=[Answer(status=LOST, words="lost")], looks=[lacks, lacks, lacks], certain=2)
    assert run(shelf, [A]) == ("a",)
    assert shelf.log.count("send a") == 2
    assert run.slept == [7.0, 2.0]


def test_other_bytes_that_appear_meanwhile_stop_the_release(run: Run) -> None:
    looks: list[Standing | Exception] = [Standing(send=("a",)), Standing(wrong=("a: other bytes",))]
    with pytest.raises(StepFailed, match=r"^a: other bytes\n0 of 1"):
        run(Scripted(answers=[BUSY], looks=looks, certain=2), [A])
    assert run.state("a") == "refused"


@pytest.mark.parametrize("look", [Standing(trouble="503 busy"), StepFailed("503 busy")])
def test_a_look_that_fails_as_well_means_another_try_where_the_answer_was_passing(
    run: Run, look: Standing | Exception
) -> None:
    shelf = Scripted(answers=[BUSY], looks=[Standing(send=("a",)), look], certain=2)
    assert run(shelf, [A]) == ("a",)
    assert run.slept == [2.0]


@pytest.mark.parametrize("look", [Standing(trouble="403 no"), StepFailed("403 no")])
def test_a_look_that_fails_after_a_refusal_ends_it(run: Run, look: Standing | Exception) -> None:
    shelf = Scripted(answers=[Answer(status=409, words="taken")], looks=[Standing(send=("a",)), look], certain=2)
    with pytest.raises(StepFailed, match=r"^A: shelf refuses it \(409 taken\)\n403 no\n0 of 1"):
        run(shelf, [A])


def test_each_item_is_shown_before_the_next_is_sent_where_it_must_be(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Scripted(one_by_one=True)
    run(shelf)
    assert shelf.log == [
        "look a b", "prepare", "send a", "look a in public", "send b", "look b in public", "finish",
    ]  # fmt: skip


def test_an_item_that_is_never_shown_ends_it(run: Run) -> None:
    looks: list[Standing | Exception] = [Standing(send=("a", "b")), Standing(send=("a",))]
    with pytest.raises(StepFailed) as caught:
        run(Scripted(one_by_one=True, looks=looks, deadline=0.0))
    assert str(caught.value) == (
        "a: not on shelf after 0 s; start again later\nstart again later: only what is missing is sent"
    )


def test_all_that_refuses_a_release_is_told_at_once() -> None:
    shelf = Scripted(against=("no tag",), looks=[Standing(wrong=("a: other bytes",), trouble="hidden")])
    assert refusals(shelf, ITEMS, sending=True) == ("no tag", "a: other bytes")
    assert refusals(Scripted(against=("no tag",)), ITEMS, sending=False) == ()
    assert refusals(Scripted(looks=[Standing(trouble="503 busy")]), ITEMS, sending=True) == ("503 busy",)
    unreadable = Scripted(against=("no tag",), looks=[StepFailed("one\ntwo")])
    assert refusals(unreadable, ITEMS, sending=True) == ("no tag", "one", "two")
    assert unreadable.judged == ITEMS


def test_several_conflicts_after_an_answer_have_a_line_each(run: Run) -> None:
    looks: list[Standing | Exception] = [Standing(send=("a",)), Standing(wrong=("a: other bytes", "a: withdrawn"))]
    with pytest.raises(StepFailed) as caught:
        run(Scripted(answers=[BUSY], looks=looks, certain=1), [A])
    assert str(caught.value) == "a: other bytes\na: withdrawn\n0 of 1 files are on shelf"


def test_the_destination_judges_the_very_answer_that_it_gave(run: Run) -> None:
    expired = Answer(status=401, words="expired")
    shelf = Scripted(answers=[expired], renewals=1)
    assert run(shelf, [A]) == ("a",)
    assert shelf.asked_about == [expired, expired]


def test_the_progress_of_a_delivery_can_be_measured(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100_000)
    counts: list[Callable[[], str]] = []
    item = Item(name="a", path=path, sha256="aa")
    deliver(Scripted(), [item], run.book, say=run.lines.append, measure=counts.append)
    assert [count() for count in counts] == ["1/1 files, 0.1/0.1 MB"]


# The ledger of a delivery ---------------------------------------------------------------------------------------------

BAD = Answer(status=400, words="bad")
GONE = Answer(status=LOST, words="lost")

LEDGERS: dict[str, tuple[Scripted, dict[str, object]]] = {
    "accepted": (Scripted(), {"state": "sent", "status": 200, "words": "OK"}),
    "refused": (Scripted(answers=[BAD]), {"state": "refused", "status": 400, "words": "bad"}),
    "busy to the end": (Scripted(answers=[BUSY] * 3), {"state": "unknown", "status": 503, "words": "busy"}),
    "lost, and present after all": (
        Scripted(answers=[GONE], looks=[Standing(send=("a",)), Standing(there=("a",))], certain=1),
        {"state": "there", "status": LOST, "words": "lost"},
    ),
    "other bytes meanwhile": (
        Scripted(answers=[BUSY], looks=[Standing(send=("a",)), Standing(wrong=("a: other bytes",))], certain=1),
        {"state": "refused", "status": 503, "words": "busy"},
    ),
    "not sent": (Scripted(answers=[StepFailed("it is broken")]), {"state": "refused"}),
    "stopped while it is sent": (Scripted(answers=[Interrupted()]), {"state": "sending"}),
    "present before": (Scripted(held={"a"}), {"state": "there"}),
}
"""A destination and the row of the ledger afterwards, without digest and time."""


@pytest.mark.parametrize("case", LEDGERS)
def test_the_ledger_holds_the_digest_and_the_last_answer(run: Run, case: str) -> None:
    shelf, expected = LEDGERS[case]
    with suppress(StepFailed, Interrupted):
        run(replace(shelf, answers=[*shelf.answers], looks=[*shelf.looks], held={*shelf.held}, log=[]), [A])
    row = run.book._files["a"]
    assert datetime.fromisoformat(str(row.pop("at"))).tzinfo is UTC
    assert row == {"sha256": A.sha256, **expected}


def test_a_failure_counts_files_that_were_present_and_files_that_were_sent(run: Run) -> None:
    items = (*ITEMS, Item(name="c", path=Path("c"), sha256="cc"))
    with pytest.raises(StepFailed, match=r"\n2 of 3 files are on shelf$"):
        run(Scripted(held={"c"}, answers=[TAKEN, BAD]), items)


def test_an_item_that_must_be_visible_first_is_waited_for_with_the_given_clock(run: Run) -> None:
    looks: list[Standing | Exception] = [Standing(send=("a", "b")), Standing(send=("a",)), Standing(there=("a",))]
    run(Scripted(one_by_one=True, looks=looks))
    assert "shelf does not show A yet" in run.lines[1]
    assert run.slept == [1.0]


# The copies that are sent ---------------------------------------------------------------------------------------------


def test_what_is_sent_is_a_private_copy_of_what_was_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(b"wheel" * 400_000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (item,) = stage([path], tmp_path / "private" / "deep", {"a.whl": digest})
    path.write_bytes(b"swapped")
    assert item == Item(name="a.whl", path=tmp_path / "private" / "deep" / "a.whl", sha256=digest)
    assert hashlib.sha256(item.path.read_bytes()).hexdigest() == digest


def test_the_copies_are_private_in_a_folder_that_existed_before(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"")
    folder = tmp_path / "private"
    folder.mkdir(mode=0o755)
    (item,) = stage([tmp_path / "a.whl"], folder, {"a.whl": hashlib.sha256(b"").hexdigest()})
    modes = stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(item.path.stat().st_mode)
    assert modes == (0o700, 0o400) if sys.platform != "win32" else not modes[1] & stat.S_IWRITE


def test_a_file_that_is_not_the_checked_one_is_named_with_both_digests(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"")
    empty = hashlib.sha256(b"").hexdigest()
    with pytest.raises(StepFailed) as caught:
        stage([tmp_path / "a.whl"], tmp_path / "copy", {"b.whl": "bb"})
    assert str(caught.value).splitlines() == [
        "nothing was sent: these files are not the ones that were checked:",
        f"  a.whl: sha256 {empty}, expected no such file",
        "  b.whl: sha256 missing, expected bb",
    ]


def test_a_file_that_cannot_be_copied_stops_it(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"^a\.whl: cannot be copied for the upload: No such file"):
        stage([tmp_path / "a.whl"], tmp_path / "copy", {})


# Until it is shown ----------------------------------------------------------------------------------------------------


class Clock:
    """A clock that advances only by waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lines: list[str] = []
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def wait_until_visible(
        self, shelf: Scripted, awaited: Sequence[Item] = (), seconds: float | None = None
    ) -> tuple[str, ...]:
        return wait_until_visible(
            shelf, ITEMS, awaited, say=self.lines.append, wait=self.wait, seconds=seconds, clock=self
        )


def test_a_release_that_is_shown_is_not_waited_for() -> None:
    clock, shelf = Clock(), Scripted(held={"a", "b"})
    assert clock.wait_until_visible(shelf) == ()
    assert (shelf.log, clock.lines, clock.slept) == (["look a b in public"], [], [])


def test_what_is_not_shown_yet_is_waited_for_with_a_word() -> None:
    clock, shelf = Clock(), Scripted(looks=[Standing(send=("b",), there=("a",)), Standing(trouble="503 busy")])
    shelf.held = {"a", "b"}
    assert clock.wait_until_visible(shelf) == ()
    assert [line.partition(";")[0] for line in clock.lines] == [
        "shelf shows 1 of 2 files", "shelf shows 0 of 2 files (503 busy)",
    ]  # fmt: skip
    assert clock.slept == [1.0, 1.5]


def test_one_item_of_several_is_named_while_it_is_waited_for() -> None:
    clock = Clock()
    assert clock.wait_until_visible(Scripted(looks=[Standing(send=("a",), trouble="404")], held={"a"}), [A]) == ()
    assert clock.lines[0].startswith("shelf does not show A yet (404); waiting until ")


def test_the_files_that_a_destination_in_trouble_shows_are_counted() -> None:
    clock = Clock()
    half = Standing(send=("b",), there=("a",), trouble="503 busy")
    assert clock.wait_until_visible(Scripted(looks=[half], held={"a", "b"})) == ()
    assert clock.lines[0].startswith("shelf shows 1 of 2 files (503 busy); waiting until ")


def test_a_release_of_one_file_is_waited_for_as_a_count() -> None:
    clock, shelf = Clock(), Scripted(looks=[Standing(send=("a",))], held={"a"})
    assert wait_until_visible(shelf, [A], say=clock.lines.append, wait=clock.wait, clock=clock) == ()
    assert clock.lines[0].startswith("shelf shows 0 of 1 files; waiting until ")


def test_what_is_never_shown_is_named_after_the_deadline() -> None:
    clock = Clock()
    assert clock.wait_until_visible(Scripted(held={"a"}), seconds=5.0) == (
        "b: not on shelf after 5 s; start again later",
    )
    assert sum(clock.slept) == pytest.approx(5.0)
    assert len(clock.lines) == 1
    assert Clock().wait_until_visible(Scripted(deadline=0.0)) == tuple(
        f"{name}: not on shelf after 0 s; start again later" for name in "ab"
    )


def test_a_trouble_that_lasts_is_named() -> None:
    shelf = Scripted(looks=[Standing(trouble="503 busy")])
    assert Clock().wait_until_visible(shelf, seconds=0.0) == tuple(
        f"{name}: not on shelf after 0 s; start again later (503 busy)" for name in "ab"
    )


def test_other_bytes_and_withdrawn_files_are_wrong_at_once() -> None:
    clock = Clock()
    both = Standing(send=("b",), wrong=("a: other bytes",), withdrawn=("b: withdrawn",))
    assert clock.wait_until_visible(Scripted(looks=[both])) == ("a: other bytes", "b: withdrawn")
    for one in (Standing(send=("b",), wrong=("a: x",)), Standing(send=("b",), withdrawn=("a: x",))):
        assert clock.wait_until_visible(Scripted(looks=[one])) == ("a: x",)
    assert clock.slept == []


# Retries --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "passes"),
    [(LOST, True), (408, True), (425, True), (429, True), (500, True), (503, True), (599, True),
     (200, False), (400, False), (401, False), (403, False), (404, False), (409, False), (499, False)],
)  # fmt: skip
def test_which_answers_pass(status: int, passes: bool) -> None:
    assert passing(status) == passes
    assert Answer(status=status, words="").passing == passes


@pytest.mark.parametrize(
    ("answer", "taken", "is_open"),
    [
        (Answer(status=200, words=""), True, False),
        (Answer(status=299, words=""), True, False),
        (Answer(status=203, words=""), False, True),
        (Answer(status=200, words="", page=True), False, True),
        (Answer(status=LOST, words=""), False, True),
        (Answer(status=500, words=""), False, True),
        (Answer(status=199, words=""), False, False),
        (Answer(status=300, words=""), False, False),
        (Answer(status=400, words=""), False, False),
        (Answer(status=499, words=""), False, False),
    ],
)
def test_after_which_answers_an_index_has_kept_a_file_or_may_have(answer: Answer, taken: bool, is_open: bool) -> None:
    assert (answer.taken, answer.open) == (taken, is_open)


def test_an_answer_in_words() -> None:
    assert Answer(status=LOST, words="no route").text == "no route"
    assert Answer(status=404, words="").text == "404"
    assert Answer(status=404, words="Not Found").text == "404 Not Found"


@pytest.mark.parametrize(
    ("status", "retry_after", "passes"),
    [(503, 0.0, True), (503, 900.0, True), (503, 901.0, False), (404, 0.0, False), (404, 901.0, False)],
)
def test_an_answer_that_passes_soon_enough_is_a_trouble(status: int, retry_after: float, passes: bool) -> None:
    trouble = Trouble(words="busy", retry_after=retry_after) if passes else None
    assert passing_trouble(status, "busy", retry_after, Patience(obeyed=900.0)) == trouble


def test_pauses_double_up_to_the_longest_and_obey_what_is_asked() -> None:
    patience = Patience(base=2.0, longest=10.0)
    assert [pause(attempt, 0.0, patience) for attempt in (1, 2, 3, 4)] == [2.0, 4.0, 8.0, 10.0]
    assert pause(1, 30.0, patience) == 30.0


def test_more_time_than_is_waited_ends_it_with_the_advice() -> None:
    patience = Patience(obeyed=900.0)
    assert too_long(900.0, patience) == ""
    advice = "asks to wait 20 minutes; start again then: only what is missing is sent"
    assert too_long(1200.0, patience) == advice
    assert too_long(6000.0, patience) == advice.replace("20", "100")
    for words, message in (("429 slowly", f"shelf: 429 slowly: {advice}"), ("", f"shelf {advice}")):
        with pytest.raises(StepFailed) as caught:
            with_retries(lambda: 1, lambda _: Trouble(words=words, retry_after=1200.0), patience=patience, who="shelf")  # noqa: B023
        assert str(caught.value) == message


def test_the_last_answer_is_returned_where_all_tries_are_used_up() -> None:
    answers, slept = iter(range(9)), list[float]()
    trouble = Trouble(words="busy")
    last = with_retries(
        lambda: next(answers), lambda _: trouble, patience=Patience(tries=3), who="x", wait=slept.append
    )
    assert (last, slept) == (2, [2.0, 4.0])


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0), ("9" * 20, 1e9), ("", 0.0), ("-3", 0.0), ("1.5", 0.0), ("soon", 0.0),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", 0.0),
        ("Sat, 21 Nov 2026 12:10:00 GMT", 600.0), ("Sat, 21 Nov 2026 12:10:00 -0000", 600.0),
        ("Sat, 21 Nov 2026 13:10:00 +0100", 600.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_a_header_that_names_a_time_is_read_as_seconds(header: str, seconds: float) -> None:
    assert seconds_until(header, NOW) == seconds


def test_waiting_until_goes_on_in_longer_steps_and_is_told_once() -> None:
    clock = Clock()
    left = poll(lambda: "b", seconds=100.0, say=clock.lines.append, wait=clock.wait, clock=clock)
    assert left == "b"
    assert clock.slept[:3] == [1.0, 1.5, 2.25]
    assert max(clock.slept) <= 30.0
    assert sum(clock.slept) == pytest.approx(100.0)
    (line,) = clock.lines
    limit = (datetime.now() + timedelta(seconds=100)).strftime("%H")
    assert line.startswith(f"b; waiting until {limit}:")
    assert line.endswith(" (2 min)")


@pytest.mark.parametrize(("seconds", "minutes"), [(3660.0, 61), (30.0, 1), (0.5, 1)])
def test_the_end_of_a_wait_is_told_as_a_time_and_in_minutes(
    seconds: float, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries.time, "time", lambda: 1_000_000.0)
    clock = Clock()
    poll(lambda: "b", seconds=seconds, say=clock.lines.append, wait=clock.wait, clock=clock)
    limit = datetime.fromtimestamp(1_000_000.0 + seconds).strftime("%H:%M")
    assert clock.lines == [f"b; waiting until {limit} ({minutes} min)"]
    assert max(clock.slept) <= 30.0


def test_a_wait_lasts_as_long_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(STOP, "wait", lambda seconds: waits.append(seconds))
    retries.sleep(2.5)
    assert waits == [2.5]


def test_another_reason_to_wait_is_told_too() -> None:
    clock, looks = Clock(), iter(["a", "a", "b", ""])
    assert poll(lambda: next(looks), seconds=60.0, say=clock.lines.append, wait=clock.wait, clock=clock) == ""
    assert [line[0] for line in clock.lines] == ["a", "b"]


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STOP, "is_set", lambda: True)
    monkeypatch.setattr(STOP, "wait", lambda seconds: True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: retries.sleep(60.0),
        lambda: with_retries(lambda: 1, lambda _: None, patience=Patience(), who="x"),
        lambda: poll(lambda: "a", seconds=60.0, say=lambda _: None),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_a_run_that_is_told_to_stop_waits_no_more(call: Callable[[], object]) -> None:
    with pytest.raises(Interrupted):
        call()


# What is asked after which answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "nothing_kept"),
    [
        (PypiDestination, (401, 413, 429)),
        (CrateRelease, (401, 403, 413, 429)),
        (GitHubRelease, (400, 401, 403, 404, 409, 413, 422, 429)),
    ],
)
def test_which_answers_leave_no_doubt_that_a_destination_has_kept_nothing(
    kind: type[Any], nothing_kept: tuple[int, ...]
) -> None:
    statuses = (LOST, 203, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 503)
    looks = {status: kind.settles(None, Answer(status=status, words="no")) for status in statuses}
    assert tuple(status for status in statuses if not looks[status]) == nothing_kept


def test_an_index_that_speaks_of_a_file_that_is_there_is_looked_at_several_times() -> None:
    assert PypiDestination.settles(None, Answer(status=400, words="File already exists")) == 3
    assert PypiDestination.settles(None, Answer(status=400, words="no")) == 1
    assert PypiDestination.settles(None, Answer(status=307, words="", location="https://other.example/")) == 0
    assert CrateRelease.settles(None, Answer(status=400, words="crate version `1.0.0` is already uploaded")) == 3
