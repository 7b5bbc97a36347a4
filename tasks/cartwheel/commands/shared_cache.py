"""`doit pull`, `doit push` and `doit cache prune`: finished steps from and to the cache that machines share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from doit.exceptions import InvalidCommand

from cartwheel.action import commit_from_cache
from cartwheel.commands.options import WordsAndOptions
from cartwheel.commands.plan import closure, context_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.record import FROM_CACHE, PROVEN
from cartwheel.run_context import RunContext, UpToDate
from cartwheel.shared_cache.session import CacheSession, branch_of, refusal_to_write

_NONE = 'no cache is configured; write [tool.cartwheel] cache = "oci://HOST/NAME" or "file:///FOLDER"'


class Pull(WordsAndOptions):
    """The command, as doit's plugin `pull`."""

    name = "pull"
    doc_purpose = "get what other machines built of these sources from the shared cache"
    doc_usage = "[TASK ...]"
    doc_description = "Compiles nothing.  Without tasks: every wheel and source distribution."

    def _execute(self, pos_args: list[str]) -> int:
        context, stale = _context_and_steps(self.task_list, pos_args)
        if context.project.cache.read == "never":
            raise InvalidCommand('pull: cache.read is "never"')
        faults: list[str] = []
        session = CacheSession(context.project.cache, context.snapshot.environ, main=context.project.release.branch)
        counts = {"fresh": 0, "pulled": 0, "missing": 0}
        try:
            context.begin()
            for judgement in stale:
                if not judgement.reasons():
                    counts["fresh"] += 1
                    continue
                record = session.result(judgement.step, context.snapshot, faults.append, same_tools=False)
                done = record is not None and commit_from_cache(context, record)
                counts["pulled" if done else "missing"] += 1
                if done:
                    self.outstream.write(f"  ok  {judgement.step.name}\n")
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        context.snapshot.save()
        lines = (
            *faults,
            f"{counts['pulled']} pulled, {counts['fresh']} up to date, {counts['missing']} missing in the cache",
        )
        self.outstream.write("".join(f"{line}\n" for line in lines))
        return 1 if faults else 0


class Push(WordsAndOptions):
    """The command, as doit's plugin `push`."""

    name = "push"
    doc_purpose = "put what is up to date here into the shared cache"
    doc_usage = "[TASK ...]"
    doc_description = "Builds nothing.  In CI only protected branches write (cache.write)."

    def _execute(self, pos_args: list[str]) -> int:
        from cartwheel.shared_cache.entries import is_of_one_clone, send
        from cartwheel.shared_cache.store import store_at

        context, steps = _context_and_steps(self.task_list, pos_args)
        settings, environ = context.project.cache, context.snapshot.environ
        if refusal := refusal_to_write(settings, environ):
            self.outstream.write(f"nothing was pushed: {refusal}\n")
            return 0
        pushed = known = 0
        try:
            store, branch = store_at(settings.url, environ), branch_of(context.root, environ)
            for judgement in steps:
                record = context.records.load(judgement.step.name)
                if record is None or record.machine in (FROM_CACHE, PROVEN) or judgement.reasons():
                    continue
                if is_of_one_clone(record):
                    self.outstream.write(f"  {judgement.step.name} reads git's tags, edits or branch: not shared\n")
                    continue
                if send(judgement.step, record, context.snapshot, store, branch):
                    pushed += 1
                    self.outstream.write(f"  ok  {judgement.step.name}\n")
                else:
                    known += 1
        except (CartwheelError, OSError) as error:
            self.outstream.write(f"the shared cache takes nothing more: {error}\n")
            return 1
        context.snapshot.save()
        self.outstream.write(f"{pushed} pushed, {known} there already\n")
        return 0


class Cache(WordsAndOptions):
    """The command, as doit's plugin `cache`."""

    name = "cache"
    doc_purpose = "remove old entries of the shared cache"
    doc_usage = "prune"
    doc_description = "Only entries that cartwheel wrote are removed."
    cmd_options = (
        {
            "name": "days",
            "short": "",
            "long": "days",
            "type": int,
            "default": 30,
            "help": "how old an entry may be (default: 30)",
        },
    )

    def _execute(self, days: int, pos_args: list[str]) -> int:
        from cartwheel.shared_cache.entries import prune
        from cartwheel.shared_cache.store import store_at

        if pos_args != ["prune"]:
            found = f"found '{' '.join(pos_args)}'; " if pos_args else ""
            raise InvalidCommand(f"cache: {found}expected: doit cache prune [--days N]")
        context, _ = _context_and_steps(self.task_list, [])
        count = 0
        failures: list[str] = []
        try:
            store, before = (
                store_at(context.project.cache.url, context.snapshot.environ),
                datetime.now(UTC) - timedelta(days),
            )
            for _ in prune(store, before, failures.append):
                count += 1
        except CartwheelError as error:
            raise InvalidCommand(f"{count} entries were removed, then: {error}") from None
        self.outstream.write("".join(f"{line}\n" for line in (*failures, f"{count} entries were removed")))
        return 1 if failures else 0


def _context_and_steps(tasks: list[Any], words: list[str]) -> tuple[RunContext, Iterable[UpToDate]]:
    """The run's context, and the shared steps that these words select with all they need, in order."""
    from cartwheel.shared_cache.entries import is_shared

    context = context_of(tasks)
    if not context.project.cache.url:
        raise InvalidCommand(_NONE)
    chosen = closure(tasks, words) if words else tasks
    judgements = [task.meta["judgement"] for task in chosen if "judgement" in (task.meta or {})]
    return context, [judgement for judgement in judgements if is_shared(judgement.step)]
