"""`efsdiag check` on a fixture's cluster and account, live, against the same from its bundle."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import run_efsdiag
from lab import lab_of

KEPT = ("status", "workloads", "scope")
"""What must be equal on both roads; ids of evidence are too, but what AWS says in a bundle has other ids."""


def test_live_and_bundle_find_the_same(tmp_path: Path) -> None:
    with lab_of("profile-not-associated", tmp_path) as lab:
        done = lab.run("check", "-n", "prometheus", "--lock", str(tmp_path / "lock"), "-o", "json")
    bundle = Path(__file__).parents[1] / "fixtures" / "profile-not-associated"
    _, out, _ = run_efsdiag(["check", "-n", "prometheus", "--bundle", str(bundle), "-o", "json"])
    live, recorded = json.loads(done.stdout), json.loads(out)
    assert done.returncode == 1
    assert {key: live[key] for key in KEPT} == {key: recorded[key] for key in KEPT}
    (cause,), (told,) = live["rootCauses"], recorded["rootCauses"]
    assert cause["id"] == told["id"] == "iam.instance-profile-not-associated"
    assert (cause["targetCount"], cause["podCount"]) == (told["targetCount"], told["podCount"]) == (2, 2)
    assert {e["id"] for e in live["latent"]} >= {e["id"] for e in recorded["latent"]} - {"efs.no-backup"}
