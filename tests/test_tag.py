"""When a commit may be tagged, and that tagging ends the same however often it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.model.config.config_checks import refuse_invalid_values
from cartwheel.model.config.settings import Settings
from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.model.versions.version import tag_name, version_in
from cartwheel.repository import tags as tag
from cartwheel.repository.git import Repository
from cartwheel.repository.tag_rules import TagFacts, tag_refusals
from support.repositories import clone, commit, git, hook, refuse_pushes, repository, signing, with_remote

HEAD, OTHER = "a" * 40, "b" * 40
READY = TagFacts(
    tag="v1.2.0",
    version="1.2.0",
    head=HEAD,
    branch="main",
    release_branch="main",
    remote="origin",
    remote_branch=HEAD,
    last=("1.1.0", "v1.1.0"),
)


def test_a_clean_branch_that_equals_its_remote_may_be_tagged() -> None:
    assert tag_refusals(READY) == ()
    assert not READY.done


@pytest.mark.parametrize(
    ("change", "output"),
    [
        ({"dirty": ("a.txt", "b.txt")}, "not committed: a.txt, b.txt; commit, ignore or stash them"),
        ({"dirty": tuple(f"{n}.txt" for n in range(12))}, "and 2 more"),
        ({"branch": ""}, "HEAD is detached; check out main"),
        ({"branch": "topic"}, "on branch topic, expected main"),
        ({"behind": 2}, "origin/main has 2 commits that are not here; `git pull` first"),
        ({"behind": 1}, "origin/main has 1 commit that is not here"),
        ({"behind": -1}, "origin/main has commits that are not here"),
        ({"ahead": 1}, "origin/main lacks 1 commit; `git push origin main` first"),
        ({"remote_branch": ""}, "origin has no branch main"),
        ({"here": OTHER}, "v1.2.0 is here already, on bbbbbbbbbbbb"),
        ({"here": OTHER}, "never pushed, `git tag -d v1.2.0`"),
        ({"there": OTHER}, "v1.2.0 is on origin already, on bbbbbbbbbbbb"),
        ({"there": OTHER}, "release the next version"),
        ({"here": HEAD, "plain": True}, "v1.2.0 is here without a message; a release's is annotated"),
        ({"shallow": True}, "this clone is shallow"),
        ({"last": ("1.3.0", "v1.3.0")}, "version 1.2.0 is lower than the last tag v1.3.0"),
        ({"pipeline": True, "branch": ""}, "does not carry v1.2.0"),
    ],
)
def test_what_forbids_a_tag_is_said_with_what_to_do(change: dict[str, object], output: str) -> None:
    (line,) = tag_refusals(replace(READY, **change))  # type: ignore[arg-type]
    assert output in line


def test_all_reasons_are_given_at_once() -> None:
    wrong = replace(READY, dirty=("a",), there=OTHER, behind=1, ahead=1, last=("2.0", "v2.0"))
    assert len(tag_refusals(wrong)) == 5


def test_a_tag_that_is_on_this_commit_everywhere_is_done() -> None:
    done = replace(READY, here=HEAD, there=HEAD, behind=3)
    assert done.done
    assert tag_refusals(done) == ()


def test_a_pipeline_only_verifies_that_its_commit_carries_the_tag() -> None:
    verified = replace(READY, branch="", pipeline=True, here=HEAD, remote="")
    assert verified.done
    assert tag_refusals(verified) == ()
    assert tag_refusals(replace(verified, here=OTHER))


@pytest.mark.parametrize(
    ("template", "written", "expected"),
    [
        ("v{version}", "1.2.0-alpha.1", "v1.2.0-alpha.1"),
        ("v{pep440}", "1.2.0-alpha.1", "v1.2.0a1"),
        ("{name}-v{semver}", "1.2.0a1", "pysof-v1.2.0-alpha.1"),
    ],
)
def test_a_tag_s_form_is_filled_in_and_read_back(template: str, written: str, expected: str) -> None:
    assert tag_name(template, written, name="pysof") == expected
    assert version_in(template, expected, name="pysof") == "1.2.0a1"


def test_tags_of_other_forms_are_not_versions() -> None:
    assert version_in("pysof-v{version}", "v1.2.0", name="pysof") == ""
    assert version_in("v{version}", "vnext", name="pysof") == ""
    assert version_in("v{version}", "v1.2.0-nightly") == ""


@pytest.mark.parametrize("template", ["release", "v{verson}", "v{version}-{pep440}", "{semver}{semver}", "{name}"])
def test_a_form_without_one_place_for_the_version_is_refused_when_it_is_read(template: str) -> None:
    with pytest.raises(ConfigError, match="one place for the version"):
        refuse_invalid_values(Settings(tag=template), "[tool.cartwheel]")


FORMS = ("v{version}", "{name}/{semver}", "{name}@{pep440}", "é-{version}", "a.lock-{version}", "{version}-")
NO_FORMS = (
    *("a//{version}", "v{version}.", "x/.{version}", ".{version}", "/{version}", "{version}/", "-{version}"),
    *("v@{{version}", "v{version}.lock", "{version}.lock/x", "v..{version}", "v{version}..x", "\x01{version}"),
    *("v{version}\x7f", *(f"v{sign}{{version}}" for sign in "~^:?*[\\ \t\n")),
)


@pytest.mark.parametrize("template", NO_FORMS)
def test_a_form_that_git_would_not_take_is_refused_when_it_is_read(template: str) -> None:
    with pytest.raises(ConfigError, match="which git does not take") as error:
        refuse_invalid_values(Settings(tag=template), "[tool.cartwheel]")
    assert str(error.value).isprintable()
    with pytest.raises(ConfigError, match="which git does not take"):
        tag_name(template, "1.2.0", name="pysof")


def test_the_forms_refused_are_those_that_git_refuses(tmp_path: Path) -> None:
    def takes(template: str) -> bool:
        ref = f"refs/tags/{template.replace('{version}', '1.2.0')}"
        return subprocess.run(["git", "check-ref-format", ref], cwd=tmp_path, check=False).returncode == 0

    for template in FORMS:
        refuse_invalid_values(Settings(tag=template), "")
        assert takes(tag_name(template, "1.2.0", name="pysof"))
    assert {template for template in NO_FORMS if takes(template)} == {"-{version}"}  # an option on a command line


# With real repositories ----------------------------------------------------------------------------------------------


def look(here: Path, name: str = "v1.0.0", *, pipeline: bool = False) -> TagFacts:
    version = name.removeprefix("v")
    return tag.facts(here, tag=name, version=version, template="v{version}", branch="main", pipeline=pipeline)


def quiet(_: str) -> None:
    pass


def make(here: Path, name: str = "v1.0.0") -> tuple[str, ...]:
    return tag.make(here, look(here, name), f"Release {name}", quiet)


def test_a_release_is_tagged_and_pushed_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    head = git(here, "rev-parse", "HEAD")
    assert len(make(here)) == 2
    assert git(tmp_path / "remote.git", "rev-parse", "v1.0.0^{commit}") == head
    assert git(here, "cat-file", "-t", "v1.0.0") == "tag"
    before = git(tmp_path / "remote.git", "rev-parse", "v1.0.0")
    assert make(here) == ()
    assert git(tmp_path / "remote.git", "rev-parse", "v1.0.0") == before


def test_a_run_that_died_between_tag_and_push_is_completed(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    git(here, "tag", "--annotate", "--message", "first try", "v1.0.0")
    mine = git(here, "rev-parse", "v1.0.0")
    assert make(here) == (f"v1.0.0: pushed to origin ({tmp_path / 'remote.git'}) with main",)
    assert git(tmp_path / "remote.git", "rev-parse", "v1.0.0") == mine


def test_a_remote_that_takes_one_reference_at_a_time_gets_the_tag_alone(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    git(remote, "config", "receive.advertiseAtomic", "false")
    head = git(here, "rev-parse", "HEAD")
    assert make(here)[-1] == f"v1.0.0: pushed to origin ({remote}) with main"
    assert git(remote, "rev-parse", "v1.0.0^{commit}") == head
    assert make(here) == ()


def test_such_a_remote_whose_branch_moved_meanwhile_gets_nothing(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    git(remote, "config", "receive.advertiseAtomic", "false")
    facts = look(here)
    other = clone(remote, tmp_path / "other")
    commit(other, b__txt="theirs")
    git(other, "push", "--quiet")
    with pytest.raises(StepFailed, match=r"remote\.git\): nothing was pushed: main changed there; start again"):
        tag.make(here, facts, "Release", quiet)
    assert git(remote, "tag") == ""


def test_of_several_remotes_one_must_be_named_and_its_address_is_shown(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "fork.git")
    git(here, "remote", "add", "upstream", "https://me:secret@example.org/project.git")
    with pytest.raises(ConfigError) as asked:
        look(here)
    assert f"origin ({tmp_path / 'fork.git'}), upstream (https://***@example.org/project.git)" in str(asked.value)
    facts = tag.facts(here, tag="v1.0.0", version="1.0.0", template="v{version}", branch="main", remote="origin")
    assert tag.before_push(facts) == (f"v1.0.0: to be pushed to origin ({tmp_path / 'fork.git'}) with main",)
    with pytest.raises(ConfigError, match="there is no remote 'upstraem'"):
        tag.facts(here, tag="v1.0.0", version="1.0.0", template="v{version}", remote="upstraem")


@pytest.mark.parametrize("forge", ["GitHub", "GitLab"])
def test_a_job_whose_token_starts_no_pipeline_is_told_before_the_push(forge: str) -> None:
    facts = replace(READY, url="https://example.org/x.git")
    assert "it starts no pipeline" in tag.before_push(facts, pipeline=forge)[-1]
    assert len(tag.before_push(facts)) == 1
    assert len(tag.before_push(replace(facts, url="git@example.org:x.git"), pipeline=forge)) == 1


def test_tags_of_another_scheme_are_left_out_by_a_key_that_the_refusal_names(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    for name in ("v2026.01.01", "v2-beta"):
        git(here, "tag", name)
    ((line,), last) = (tag_refusals(look(here)), look(here).last)
    assert last[1] == "v2026.01.01"
    assert 'leave it out: [tool.cartwheel.release] ignore-tags = ["v2026.01.01"]' in line
    ignored = ("v20*", "v2-beta")
    facts = tag.facts(here, tag="v1.0.0", version="1.0.0", template="v{version}", branch="main", ignored=ignored)
    assert tag_refusals(facts) == ()


def test_a_plain_tag_is_never_pushed_and_one_that_is_there_already_stays(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    git(here, "tag", "v1.0.0")
    with pytest.raises(StepFailed, match="without a message"):
        make(here)
    git(here, "push", "--quiet", "origin", "v1.0.0")
    assert make(here) == ()


def test_a_project_without_a_remote_is_tagged_here_and_told_so(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    lines: list[str] = []
    tag.make(here, look(here), "Release", lines.append)
    assert lines[-1] == "v1.0.0: stays on this machine: the repository has no remote"
    assert make(here) == ()


def test_a_dirty_tree_is_refused_with_its_files(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    (here / "new.txt").write_text("1")
    with pytest.raises(StepFailed, match=r"v1\.0\.0: not tagged:\n  not committed: new\.txt"):
        make(here)
    assert git(here, "tag") == ""


def test_a_tree_that_changes_after_it_was_judged_is_refused(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    facts = look(here)
    (here / "a.txt").write_text("changed")
    with pytest.raises(StepFailed, match="changed since"):
        tag.make(here, facts, "Release", quiet)


def test_a_branch_ahead_or_behind_is_refused_even_if_nothing_was_fetched(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    other = clone(remote, tmp_path / "other")
    commit(other, b__txt="1")
    git(other, "push", "--quiet")
    with pytest.raises(StepFailed, match="origin/main has commits that are not here"):
        make(here)
    git(here, "pull", "--quiet", "--ff-only")
    commit(here, a__txt="2")
    with pytest.raises(StepFailed, match="origin/main lacks 1 commit"):
        make(here)


def test_of_two_clones_that_race_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    one = with_remote(tmp_path / "one", remote)
    two = clone(remote, tmp_path / "two")
    facts = look(two)
    commit(one, a__txt="2")
    git(one, "push", "--quiet")
    make(one)
    with pytest.raises(StepFailed, match="nothing was pushed"):
        tag.make(two, facts, "Release", quiet)
    assert git(remote, "rev-parse", "v1.0.0^{commit}") == git(one, "rev-parse", "HEAD")


def test_a_tag_that_is_elsewhere_on_the_remote_is_refused(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    make(here)
    git(here, "tag", "--delete", "v1.0.0")
    commit(here, a__txt="2")
    git(here, "push", "--quiet")
    with pytest.raises(StepFailed, match="on origin already"):
        make(here)


def test_a_lower_version_than_the_last_tag_is_refused_and_tags_of_other_branches_do_not_count(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    make(here, "v1.5.0")
    commit(here, a__txt="2")
    git(here, "push", "--quiet")
    with pytest.raises(StepFailed, match=r"lower than the last tag v1\.5\.0"):
        make(here, "v1.4.0")
    git(here, "checkout", "--quiet", "-b", "next")
    commit(here, a__txt="3")
    git(here, "tag", "v9.0.0")
    git(here, "checkout", "--quiet", "main")
    assert len(make(here, "v1.5.1")) == 2


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_hook_that_refuses_leaves_no_tag_on_the_remote_and_a_later_run_ends_well(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    refuse_pushes(remote, "not today")
    with pytest.raises(StepFailed, match="not today"):
        make(here)
    assert git(remote, "tag") == ""
    (remote / "hooks" / "pre-receive").unlink()
    make(here)
    assert git(remote, "tag") == "v1.0.0"


def test_a_pipeline_s_detached_head_is_verified_without_asking_the_remote(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    make(here)
    git(here, "remote", "set-url", "origin", "http://127.0.0.1:9/none.git")
    git(here, "checkout", "--quiet", "v1.0.0")
    facts = look(here, pipeline=True)
    assert tag_refusals(facts) == ()
    assert tag.make(here, facts, "Release", quiet) == ()
    assert tag_refusals(look(here, "v1.0.1", pipeline=True))


def test_a_repository_without_a_commit_and_a_remote_out_of_reach_are_said(tmp_path: Path) -> None:
    with pytest.raises(CartwheelError, match="without a commit"):
        look(repository(tmp_path / "empty"))
    here = repository(tmp_path / "r", a__txt="1")
    git(here, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    with pytest.raises(StepFailed, match="cannot be used"):
        look(here)


def test_a_remote_that_goes_away_between_looking_and_pushing_leaves_a_tag_that_is_pushed_later(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    facts = look(here)
    remote.rename(tmp_path / "away.git")
    with pytest.raises(StepFailed, match="cannot be used"):
        tag.make(here, facts, "Release", quiet)
    (tmp_path / "away.git").rename(remote)
    assert make(here) == (f"v1.0.0: pushed to origin ({tmp_path / 'remote.git'}) with main",)


def test_of_two_clones_that_tag_the_same_commit_at_once_both_end_well(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    one = with_remote(tmp_path / "one", remote)
    two = clone(remote, tmp_path / "two")
    facts = look(two)
    make(one)
    before = git(remote, "rev-parse", "v1.0.0")
    lines: list[str] = []
    tag.make(two, facts, "Release", lines.append)
    assert "on this very commit: another clone pushed it meanwhile" in lines[-1]
    assert git(remote, "rev-parse", "v1.0.0") == before
    assert make(two) == ()


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_hook_of_one_s_own_that_refuses_the_push_is_quoted(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    refusing = hook(here, "pre-push", "echo 'no releases on a Friday' >&2\nexit 1\n")
    with pytest.raises(StepFailed, match="nothing was pushed: this repository's own hook refused: no releases on a F"):
        make(here)
    assert git(tmp_path / "remote.git", "tag") == ""
    refusing.unlink()
    assert make(here) == (f"v1.0.0: pushed to origin ({tmp_path / 'remote.git'}) with main",)


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_hook_s_words_have_no_power_over_a_terminal(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    hook(tmp_path / "remote.git", "pre-receive", r"printf '\033]0;title\007 \342\200\256no\n' >&2; exit 1" + "\n")
    with pytest.raises(StepFailed, match=r"it was refused: \\x1b\]0;title\\x07 \\u202eno$"):
        make(here)


def test_the_address_of_a_push_is_shown_and_each_of_several_must_take_it(tmp_path: Path) -> None:
    here, fork = with_remote(tmp_path / "r", tmp_path / "remote.git"), tmp_path / "fork.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "remote.git"), str(fork))
    git(here, "config", "remote.origin.pushurl", "../fork.git")
    with Repository(here) as repo:
        assert repo.url("origin", push=True) == "../fork.git"
    git(here, "config", "--unset", "remote.origin.pushurl")
    git(here, "config", "--add", "remote.origin.url", str(tmp_path / "missing.git"))
    with pytest.raises(StepFailed, match=r"remote\.git and .*missing\.git\): cannot be used"):
        make(here)
    git(here, "remote", "set-url", "--delete", "origin", "missing")
    assert make(here) == ()


def test_a_push_takes_no_other_tag_along(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    git(here, "config", "push.followTags", "true")
    git(here, "tag", "--annotate", "--message", "mine", "private")
    make(here)
    assert git(tmp_path / "remote.git", "tag") == "v1.0.0"


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_push_that_is_killed_is_completed_by_the_next_run(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    slow = hook(remote, "pre-receive", f"touch {tmp_path / 'asked'}\nsleep 30\nexit 1\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path; import test_tag\n"
        "test_tag.make(Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(here)], start_new_session=True
    )
    while not (tmp_path / "asked").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    slow.unlink()
    assert git(remote, "tag") == ""
    assert make(here) == (f"v1.0.0: pushed to origin ({tmp_path / 'remote.git'}) with main",)


def test_a_tag_is_signed_where_git_is_set_up_to(tmp_path: Path) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("needs ssh-keygen")
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    signing(here, tmp_path / "key")
    make(here)
    assert "-----BEGIN SSH SIGNATURE-----" in git(tmp_path / "remote.git", "cat-file", "-p", "v1.0.0")


def test_a_tag_that_could_not_be_signed_is_never_pushed(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(tmp_path / "none")), ("tag.gpgSign", "true")):
        git(here, "config", name, value)
    for _ in range(2):
        with pytest.raises(StepFailed, match="sign"):
            make(here)
    assert git(tmp_path / "remote.git", "tag") == ""


def test_a_changed_submodule_is_not_committed_and_a_clean_one_is_no_obstacle(tmp_path: Path) -> None:
    library = with_remote(tmp_path / "library", tmp_path / "library.git")
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    git(here, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "library.git"), "lib")
    git(here, "commit", "--quiet", "--message", "with a library")
    git(here, "push", "--quiet")
    (here / "lib" / "a.txt").write_text("edited")
    with pytest.raises(StepFailed, match=r"not committed: lib; commit"):
        make(here)
    git(here / "lib", "checkout", "--quiet", "a.txt")
    (here / "lib" / "new.txt").write_text("new")
    with pytest.raises(StepFailed, match=r"not committed: lib; commit"):
        make(here)
    (here / "lib" / "new.txt").unlink()
    git(here / "lib", "config", "user.name", "A")
    git(here / "lib", "config", "user.email", "a@example.org")
    commit(here / "lib", a__txt="ahead")
    with pytest.raises(StepFailed, match=r"not committed: lib; commit"):
        make(here)
    git(here / "lib", "checkout", "--quiet", git(library, "rev-parse", "HEAD"))
    assert len(make(here)) == 2


def test_a_worktree_is_tagged_like_its_repository_and_is_as_strict(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    git(here, "checkout", "--quiet", "--detach")
    side = tmp_path / "side"
    git(here, "worktree", "add", "--quiet", str(side), "main")
    (side / "new.txt").write_text("1")
    (here / "a.txt").write_text("the other tree may be as it likes")
    with pytest.raises(StepFailed, match=r"not committed: new\.txt;"):
        make(side)
    (side / "new.txt").unlink()
    assert len(make(side)) == 2
    assert git(remote, "rev-parse", "v1.0.0^{commit}") == git(here, "rev-parse", "main")


def test_a_shallow_clone_is_refused_since_earlier_tags_are_unknown_there(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    make(here, "v2.0.0")
    commit(here, a__txt="2")
    git(here, "push", "--quiet")
    git(tmp_path, "clone", "--quiet", "--depth=1", remote.as_uri(), "shallow")
    for key, value in (("user.name", "B"), ("user.email", "b@example.org")):
        git(tmp_path / "shallow", "config", key, value)
    with pytest.raises(StepFailed, match="shallow, so what was tagged before cannot be known"):
        make(tmp_path / "shallow")
    git(tmp_path / "shallow", "fetch", "--quiet", "--unshallow", "--tags")
    with pytest.raises(StepFailed, match=r"lower than the last tag v2\.0\.0"):
        make(tmp_path / "shallow")
    assert len(make(tmp_path / "shallow", "v2.0.1")) == 2


def test_a_pipeline_s_shallow_clone_of_a_tag_is_verified(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    make(here)
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=v1.0.0", remote.as_uri(), "job")
    assert tag.make(tmp_path / "job", look(tmp_path / "job", pipeline=True), "Release", quiet) == ()


def test_a_run_that_a_tag_started_makes_none_even_on_a_branch(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    facts = tag.facts(here, tag="v1.0.0", version="1.0.0", template="v{version}", branch="main", started=True)
    with pytest.raises(StepFailed, match=r"does not carry v1\.0\.0; the pipeline verifies a tag and makes none"):
        tag.make(here, facts, "Release", quiet)
    assert git(here, "tag") == ""
