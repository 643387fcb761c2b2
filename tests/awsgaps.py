"""What moto has not, in front of it: backup policies, Pod Identity associations, and IPv6 addresses of mount targets.

Each answers as AWS does, and keeps what was written for the reads after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Json]
FILE_SYSTEM = r"/2015-02-01/file-systems/(?P<system>[^/]+)/backup-policy/?"
ASSOCIATIONS = r"/clusters/(?P<cluster>[^/]+)/pod-identity-associations/?"


@dataclass
class Gaps:
    """The state of one account."""

    backups: dict[str, str] = field(default_factory=dict)
    """File system → status of its backup policy, where one was put."""
    associations: list[Json] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    """Mount target → its IPv6 address."""
    _made: int = 0

    def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        """Status and document for a request that is answered here; None for what moto answers."""
        routes: dict[tuple[str, str], Callable[..., Answer | None]] = {
            ("PUT", FILE_SYSTEM): self._put_backup_policy,
            ("GET", FILE_SYSTEM): self._backup_policy,
            ("GET", ASSOCIATIONS): self._list_associations,
            ("POST", ASSOCIATIONS): self.associate,
            ("GET", rf"{ASSOCIATIONS[:-2]}/(?P<id>[^/]+)"): self._association,
            ("DELETE", rf"{ASSOCIATIONS[:-2]}/(?P<id>[^/]+)"): self._disassociate,
        }
        for (verb, pattern), reply in routes.items():
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                given = json.loads(body) if body else {}
                return reply(**found.groupdict(), **({"given": given} if verb in ("PUT", "POST") else {}))
        return None

    def amended(self, answer: bytes) -> bytes:
        """The mount targets of an answer, with their IPv6 addresses."""
        document = json.loads(answer)
        for target in document.get("MountTargets", []):
            if target["MountTargetId"] in self.addresses:
                target |= {"IpAddressType": "DUAL_STACK", "Ipv6Address": self.addresses[target["MountTargetId"]]}
        return json.dumps(document).encode()

    def _put_backup_policy(self, system: str, given: Json) -> Answer:
        self.backups[system] = given["BackupPolicy"]["Status"]
        return 200, {"BackupPolicy": {"Status": self.backups[system]}}

    def _backup_policy(self, system: str) -> Answer | None:
        return (200, {"BackupPolicy": {"Status": self.backups[system]}}) if system in self.backups else None

    def _list_associations(self, cluster: str) -> Answer:
        shown = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")
        mine = [a for a in self.associations if a["clusterName"] == cluster]
        return 200, {"associations": [{name: a[name] for name in shown} for a in mine]}

    def associate(self, cluster: str, given: Json) -> Answer:
        """Makes an association."""
        mine = {name: given[name] for name in ("namespace", "serviceAccount")}
        if any(mine.items() <= a.items() for a in self.associations):
            return 409, {"__type": "ResourceInUseException", "message": "Association already exists"}
        self._made += 1
        name = f"a-{self._made:017}"
        arn = f"arn:aws:eks:us-east-1:123456789012:podidentityassociation/{cluster}/{name}"
        made = {**mine, "clusterName": cluster, "roleArn": given["roleArn"]}
        made |= {"associationArn": arn, "associationId": name, "tags": given.get("tags", {})}
        self.associations.append(made)
        return 200, {"association": made}

    def _association(self, cluster: str, id: str) -> Answer:
        found = [a for a in self.associations if (a["clusterName"], a["associationId"]) == (cluster, id)]
        return (200, {"association": found[0]}) if found else (404, {"__type": "ResourceNotFoundException"})

    def _disassociate(self, cluster: str, id: str) -> Answer:
        found = [a for a in self.associations if (a["clusterName"], a["associationId"]) == (cluster, id)]
        if not found:
            return 404, {"__type": "ResourceNotFoundException", "message": f"No association {id}"}
        self.associations.remove(found[0])
        return 200, {"association": found[0]}
