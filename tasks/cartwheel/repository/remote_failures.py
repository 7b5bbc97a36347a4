"""Explanations of failures of a remote or of a hook."""

from __future__ import annotations


def about_remote(remote: str, url: str, heard: str) -> str:
    """An explanation of a remote's failure: who refused, and the remote's own message from git's output `heard`."""
    words = [line.removeprefix("remote:").strip() for line in heard.splitlines() if line.startswith("remote:")]
    refused = [line for line in heard.splitlines() if line.startswith("!")]
    if "non-fast-forward" in heard or "fetch first" in heard or "stale info" in heard:
        why = "it has commits that are not here; `git pull --rebase` and start again"
    elif "already exists" in heard:
        why = "it has such a tag already, on another commit; `git fetch --tags` shows it"
    elif not refused and "failed to push some refs" in heard:  # the remote sent no message: it was never contacted
        why = f"this repository's own hook refused: {_hook_words(heard)}"
    elif refused:
        why = "it was refused: " + "; ".join(words or [" ".join(line.split("\t")[1:]) for line in refused])
    else:
        why = _last_words(heard)
        return f"remote '{remote}' ({url}): cannot be used: {why}\ncheck the address and your access, and try again"
    return f"remote '{remote}' ({url}): nothing was pushed: {why}"


def _hook_words(heard: str) -> str:
    lines = [line.strip() for line in heard.splitlines()]
    return "; ".join([line for line in lines if line and not line.startswith(("hint:", "error: failed to push"))][-3:])


def _last_words(heard: str) -> str:
    lines = [line.strip() for line in heard.splitlines() if line.strip() and not line.startswith("hint:")]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
    return "; ".join((errors or lines)[:2])
