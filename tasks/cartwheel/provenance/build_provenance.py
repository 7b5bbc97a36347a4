"""Build provenance of a file (SLSA 1.0): which job of which commit made it, from the claims of the job's identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ISSUERS = ("https://token.actions.githubusercontent.com", "https://gitlab.com")
"""The issuers of jobs' identities that the public Sigstore accepts and that have repositories: GitHub, GitLab.com."""

PROVENANCE = "https://slsa.dev/provenance/v1"


def build_provenance(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The predicate of SLSA 1.0 for a job of GitHub or GitLab, in the form of GitHub's own workflow type
    (actions.github.io/buildtypes/workflow/v1, November 2026)."""
    on_github = bool(claims.get("repository"))
    issuer = str(claims.get("iss", ""))
    server = issuer.replace(ISSUERS[0], "https://github.com")
    repository = str(claims.get("repository") or claims.get("project_path") or "")
    workflow = str(claims.get("workflow_ref") or claims.get("ci_config_ref_uri") or "")
    builder = f"{server}/{claims.get('job_workflow_ref') or workflow}" if on_github else f"https://{workflow}"
    path = workflow.partition("@")[0].partition(repository)[2].strip("/")
    kind = "https://actions.github.io/buildtypes/workflow/v1" if on_github else f"{server}/-/ci/pipeline"
    run = claims.get("run_id") or claims.get("job_id")
    place = f"actions/runs/{run}/attempts/{claims.get('run_attempt', 1)}" if on_github else f"-/jobs/{run}"
    ref = str(claims.get("ref", ""))
    return {
        "buildDefinition": {
            "buildType": kind,
            "externalParameters": {
                "workflow": {"ref": ref, "repository": f"{server}/{repository}", "path": path},
            },
            "resolvedDependencies": [
                {"uri": f"git+{server}/{repository}@{ref}", "digest": {"gitCommit": str(claims.get("sha", ""))}},
            ],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"invocationId": f"{server}/{repository}/{place}"},
        },
    }  # fmt: skip
