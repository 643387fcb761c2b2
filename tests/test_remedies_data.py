"""What mends owners and modes inside a volume: exactly which paths, from what to what, and when nothing is proposed."""

from __future__ import annotations

from typing import Any

import pytest
from test_checks_data import CLOSED_PARENT, ROOTS_LEAF, THROUGH, WELL, ended
from values import NAMESPACE, heard
from values_aws import (
    AP,
    CLIENT,
    FS,
    RULEBOOK,
    World,
    access_point,
    data_pod,
    file_system_policy,
    judged,
    listing,
    statement,
    volume,
)

from efsdiag.changes import Change, Declined, Risk
from efsdiag.gather import Gather
from efsdiag.jobs.manifest import script
from efsdiag.model import Missing
from efsdiag.remedy_rules import load_remedies

REMEDIES = load_remedies()
PLAIN = volume().object
CHECKS = {
    "let-process-through": "parents-searchable",
    "give-data-directory": "data-owned",
    "give-named-files": "data-owned",
}


def proposed(remedy: str, seen: Any, *, on: Any = PLAIN, image: str = "", files: Any = (), **changed: Any) -> Any:
    """What the remedy proposes where the check that it is for failed."""
    given = {
        **ended(changed.pop("pod", data_pod()), on),
        "volume_listing": listing(*seen, files=files) if seen else None,
        "heard": heard(),
        "container_log": "",
        "csi_driver": None,
        "own_job_names": (),
        **changed,
    }
    found = judged(CHECKS[remedy], World(), **given)
    cause = found.findings[0] if found.findings else None
    gather = Gather(RULEBOOK.evidence, World(), given, strict=True)
    return gather.call(REMEDIES[remedy].propose, cause=cause, probe_image=image)


def steps(write: Any) -> list[tuple[str, str, str]]:
    """(path, before, after) of a Job that mends."""
    words = write.parameters["object"]["spec"]["template"]["spec"]["containers"][0]["command"]
    rest = words[words.index("mend") + 6 :]
    return [tuple(rest[i : i + 3]) for i in range(0, len(rest), 3)]


def only(proposal: Any) -> Change:
    assert isinstance(proposal, tuple), proposal
    (change,) = proposal
    return change


def why_not(proposal: Any) -> str:
    assert isinstance(proposal, Declined | Missing), proposal
    return proposal.why


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0, 0, "0700"), "0:0:0701"),  # others
        ((0, 1000, "0740"), "0:1000:0750"),  # the group, and nobody else
        ((1000, 0, "0600"), "1000:0:0700"),  # the owner, and nobody else
        ((0, 0, "1770"), "0:0:1771"),
    ],
)
def test_a_parent_gets_the_search_permission_of_the_one_class_that_decides(
    before: tuple[int, int, str], after: str
) -> None:
    seen = (("/", *before), ("/server", 1000, 1000, "0755"))
    change = only(proposed("let-process-through", seen))
    old = f"{before[0]}:{before[1]}:{before[2]}"
    assert steps(change.write) == [("/", old, after)]
    assert steps(change.undo) == [("/", after, old)]
    assert change.risk is Risk.SAFE


def test_every_closed_parent_that_was_seen_is_opened_and_the_data_directory_is_left_alone() -> None:
    pod = data_pod(args=("--storage.tsdb.path=/prometheus/a/b/server",))
    seen = (
        ("/", 0, 0, "0755"),
        ("/a", 0, 0, "0700"),
        ("/a/b", 0, 0, "0750"),
        ("/a/b/server", 0, 0, "0700"),
        ("/other", 0, 0, "0700"),
    )
    change = only(proposed("let-process-through", seen, pod=pod))
    assert [(p, a) for p, _, a in steps(change.write)] == [("/a", "0:0:0701"), ("/a/b", "0:0:0751")]
    assert [p for p, _, _ in steps(change.undo)] == ["/a/b", "/a"]


def test_the_data_directory_alone_is_given_to_the_process() -> None:
    change = only(proposed("give-data-directory", ROOTS_LEAF))
    assert steps(change.write) == [("/server", "0:0:0755", "1000:1000:0755")]
    assert steps(change.undo) == [("/server", "1000:1000:0755", "0:0:0755")]
    assert change.risk is Risk.DISRUPTIVE


def test_a_directory_of_ones_own_gets_its_bits_and_keeps_its_group() -> None:
    change = only(proposed("give-data-directory", (("/", 0, 0, "0755"), ("/server", 1000, 7, "0555"))))
    assert steps(change.write) == [("/server", "1000:7:0555", "1000:7:0755")]


def test_files_that_are_refused_are_given_and_no_other_ones() -> None:
    files = (("/server/queries.active", 0, 0, "0600"), ("/server/lock", 0, 0, "0644"), ("/server/notes", 0, 0, "0600"))
    change = only(proposed("give-named-files", WELL, files=files))
    assert steps(change.write) == [
        ("/server/lock", "0:0:0644", "1000:1000:0644"),
        ("/server/queries.active", "0:0:0600", "1000:1000:0600"),
    ]


def test_nothing_is_changed_recursively_before_it_was_counted() -> None:
    why = why_not(proposed("give-named-files", (*WELL, ("/server/wal", 0, 0, "0700"))))
    assert "find /prometheus/server/wal | wc -l" in why


@pytest.mark.parametrize("remedy", CHECKS)
def test_without_a_listing_nothing_is_proposed(remedy: str) -> None:
    assert proposed(remedy, None) is not None
    assert isinstance(proposed(remedy, None), Declined | Missing)


SEEN = {"let-process-through": CLOSED_PARENT, "give-data-directory": ROOTS_LEAF, "give-named-files": WELL}
ROOTS_LOCK = (("/server/lock", 0, 0, "0600"),)
NO_ROOT = file_system_policy(statement("Allow", *CLIENT[:2]))
HOLDS = {
    "read-only": ({"on": volume(options=("ro",)).object}, "is mounted read-only"),
    "access point": (
        {"on": THROUGH, "access_points": {AP: access_point(user=None)}},
        f"goes through access point {AP}",
    ),
    "root is nobody": ({"file_system_policies": {FS: NO_ROOT}}, "withholds elasticfilesystem:ClientRootAccess"),
}


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("remedy", CHECKS)
def test_where_root_cannot_change_owners_it_is_said_why(remedy: str, hold: str) -> None:
    changed, why = HOLDS[hold]
    files = ROOTS_LOCK if remedy == "give-named-files" else ()
    assert why in why_not(proposed(remedy, SEEN[remedy], files=files, **changed))


def test_the_same_evidence_gives_the_same_job_and_a_job_that_is_left_gives_it_another_name() -> None:
    first = only(proposed("let-process-through", CLOSED_PARENT))
    assert only(proposed("let-process-through", CLOSED_PARENT)) == first
    name = first.write.parameters["object"]["metadata"]["name"]
    again = only(proposed("let-process-through", CLOSED_PARENT, own_job_names=(name,)))
    assert again.write.parameters["object"]["metadata"]["name"] == f"{name}-1"


def test_a_job_that_mends_has_no_more_than_it_needs() -> None:
    job = only(proposed("let-process-through", CLOSED_PARENT, image="busybox:1.36")).write.parameters["object"]
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "busybox:1.36"
    assert container["command"][:3] == ["sh", "-c", script("mend") + script("look")]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert (job["spec"]["backoffLimit"], spec["restartPolicy"]) == (0, "Never")
    assert job["metadata"]["namespace"] == NAMESPACE
