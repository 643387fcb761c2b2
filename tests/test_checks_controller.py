"""What AWS answers the driver's controller, and volumes that it is to delete."""

from __future__ import annotations

from values import CLAIM_REF, heard, modes, provisioning, said

from efsdiag.checks.controller import driver_requests_allowed, volume_deletable
from efsdiag.model import State, Verdict

# What AWS answers the controller.

DENIED = "rpc error: code = Unauthenticated desc = Access Denied. Please ensure you have the right AWS permissions"
NO_ROLE = "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found"


def asked(*texts: str) -> Verdict:
    return driver_requests_allowed(
        (provisioning(),), heard(*(said("claim-event", "ProvisioningFailed", text, CLAIM_REF) for text in texts))
    )


def test_a_refusal_by_aws_is_a_symptom_and_does_not_say_what_refuses() -> None:
    verdict = asked(DENIED)
    assert modes(verdict) == ["csi.access-denied"]
    assert not verdict.findings[0].sure


def test_aws_refuses_nobody_who_cannot_sign() -> None:
    assert asked(NO_ROLE).state is State.WAITING
    assert asked(NO_ROLE, DENIED).state is State.FAIL
    assert asked(DENIED, NO_ROLE).state is State.WAITING


def test_silence_says_nothing_of_what_aws_allows() -> None:
    assert asked().state is State.WAITING
    assert driver_requests_allowed((), heard()).state is State.SKIP


# Volumes on their way out.


def test_a_volume_that_the_driver_could_not_delete_is_named_with_the_newest_reason() -> None:
    old, new = ({"reason": "VolumeFailedDelete", "message": text} for text in ("denied", "not\nmounted"))
    verdict = volume_deletable({"pv-1": [old, new]})
    assert modes(verdict) == ["csi.delete-volume-failed"]
    assert verdict.says == "the driver cannot delete volume pv-1: not mounted"


def test_a_volume_that_goes_without_a_word_is_deleted_as_it_should_be() -> None:
    assert volume_deletable({"pv-1": [{"reason": "Other", "message": "x"}]}).state is State.PASS
    assert volume_deletable({}).state is State.SKIP
