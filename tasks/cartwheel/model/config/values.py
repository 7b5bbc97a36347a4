"""Values of several tables of `[tool.cartwheel]` that are tables themselves."""

# Annotations are not postponed: msgspec would compile each of them from text at the first decode.

from cartwheel.model.config.table import Table


class Secret(Table, frozen=True, kw_only=True):
    """A value of `environment` that the configuration does not hold: it appears in no log, and a change of it is no
    reason to build again."""

    secret: str
    """The variable that holds the value where the build is started; an empty one counts as unset.
    Example: `"LICENSE_KEY"`"""


class RunnerGroup(Table, frozen=True, kw_only=True):
    """A group of machines in CI, and labels that a machine of it must have."""

    group: str
    """The group's name.  Example: `"large"`"""
    labels: tuple[str, ...] = ()
    """Labels.  Example: `["linux", "x64"]`"""


def runner_labels(runner: str | tuple[str, ...] | RunnerGroup) -> tuple[str, ...]:
    """The labels of a `runner` key; none for the default."""
    if isinstance(runner, RunnerGroup):
        return runner.labels
    return ((runner,) if runner else ()) if isinstance(runner, str) else runner


def runner_text(runner: str | tuple[str, ...] | RunnerGroup) -> str:
    """A `runner` key for people: `self-hosted, linux`."""
    group = f"group {runner.group}" if isinstance(runner, RunnerGroup) else ""
    return ", ".join(filter(None, (group, *runner_labels(runner))))
