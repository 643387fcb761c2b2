"""One secret in every place in which a cluster can hold one, and all that efsdiag writes, to look for it there."""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from awsworld import AwsWorld, build
from kubeapi import KubeApi
from lab import FIXTURES, Lab, renamed

CANARY = "c4nary-Ab3dEf7hIj"
"""Not known by its form: it has to be found by where it stands."""
KNOWN_BY_FORM = (
    "AKIAIOSFODNN7CANARY1",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c4naryAbcdefgh",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY1",
    "ghp_c4naryAb3dEf7hIjc4naryAb3dEf7hIj1234",
)
PEM = (
    f"-----BEGIN RSA PRIVATE KEY-----\n{base64.b64encode(CANARY.encode() * 3).decode()}\n-----END RSA PRIVATE KEY-----"
)
LOGGED = (
    f"login with password={CANARY} and token: {CANARY}",
    f'{{"level":"error","api_key":"{CANARY}","msg":"x"}}',
    f"GET https://user:{CANARY}@db.example.org/x?X-Amz-Signature={CANARY}&token={CANARY} failed",
    f"> Authorization: Bearer {CANARY}",
    f"Server=db;User Id=u;Password={CANARY};",
    f"mysql -p{CANARY} -h db",
    *KNOWN_BY_FORM,
)
"""Lines of a log, and texts of events."""
ENVIRONMENT = {
    "DB_PASSWORD": CANARY,
    "DATABASE_URL": f"postgres://app:{CANARY}@db:5432/app",
    "TLS_PRIVATE_KEY": PEM,
    "OPTIONS": f"--retries=3 --auth-token={CANARY}",
    "CONFIG": json.dumps({"remote": {"basic_auth": {"username": "u", "password": CANARY}}}),
}
ARGUMENTS = ["--web.auth-password", CANARY, f"--remote.bearer-token={CANARY}", f"--url=https://u:{CANARY}@h/"]
SCRIPT = f"curl -u user:{CANARY} -H 'Authorization: Bearer {CANARY}' https://h/?access_token={CANARY}; mysql -p{CANARY}"
FORMS = tuple(
    sorted({CANARY, *KNOWN_BY_FORM, *(base64.b64encode(t.encode()).decode().rstrip("=")[:-1] for t in (CANARY,))})
)
"""What must stand nowhere."""
PLAN_SHOWN = re.compile(r"PLAN [0-9a-f]{12}|# plan [0-9a-f]{64}|\"digest\": \"[0-9a-f]{64}")
"""A plan in any of its forms, as against a complaint."""


def sow(thing: dict[str, Any]) -> None:
    """The canary in an object of Kubernetes: annotations, environment, arguments, options, data, messages."""
    annotations = thing["metadata"].setdefault("annotations", {})
    annotations["example.com/api-token"] = CANARY
    annotations["example.com/config"] = f"user: u\npassword: {CANARY} with blanks\n"
    annotations["kubectl.kubernetes.io/last-applied-configuration"] = (
        json.dumps({"spec": {"env": [{"name": "DB_PASSWORD", "value": CANARY}], "args": ARGUMENTS}}) + "\n"
    )
    spec = thing.get("spec") or {}
    for pod_spec in (spec, (spec.get("template") or {}).get("spec") or {}):
        for container in pod_spec.get("containers") or []:
            container.setdefault("env", []).extend({"name": n, "value": v} for n, v in ENVIRONMENT.items())
            if container.get("args"):
                container["args"] += ARGUMENTS
            container["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", SCRIPT]}}}
    if thing.get("kind") == "PersistentVolume" or "persistentVolumeReclaimPolicy" in spec:
        spec["mountOptions"] = [*(spec.get("mountOptions") or []), f"password={CANARY}"]
    if "data" in thing:
        thing["data"] = {
            **(thing["data"] or {}),
            "password": CANARY,
            "app.yml": f"db:\n  password: {CANARY}\n  port: 1\n",
        }
    if "involvedObject" in thing:
        thing["message"] = f"{thing.get('message', '')} (https://user:{CANARY}@registry/?token={CANARY})"
    for status in (thing.get("status") or {}).get("containerStatuses") or []:
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            for held in state.values():
                held["message"] = f"{held.get('message') or 'it ended'}; password={CANARY}"


@contextmanager
def sown_lab(situation: str, folder: Path) -> Iterator[Lab]:
    """The lab of a fixture with the canary everywhere, in the credentials of whoever asks, too."""
    bundle = FIXTURES / situation
    manifest = json.loads((bundle / "bundle.json").read_text())
    with AwsWorld(manifest["aws"]["region"]) as aws:
        build(aws, bundle)
        _tag(aws)
        served = renamed(bundle, aws, folder / "served")
        for file in served.rglob("*.json"):
            listed = json.loads(file.read_text())
            for thing in listed.get("items") or []:
                sow(thing)
            file.write_text(json.dumps(listed))
        for file in served.rglob("*.log"):
            file.write_text("\n".join(_with_secrets(file.read_text().splitlines())) + "\n")
        with KubeApi.from_bundle(served, token=CANARY) as kube:
            yield Lab(kube, aws, json.loads((bundle / "expect.json").read_text()), folder)


def said(lab: Lab, *words: str, **environment: str) -> tuple[int, str]:
    """Exit code, and all that the command says; none of it has the canary in it."""
    secret = {"AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": CANARY, "AWS_EC2_METADATA_DISABLED": "true"}
    done = lab.run(*words, **{**secret, "EFSDIAG_STATE": str(lab.folder / "state"), **environment})
    assert found_in(done.stdout, done.stderr) == [], words
    return done.returncode, done.stdout + done.stderr


def assert_sown(lab: Lab) -> None:
    """The canary is served in every kind of place."""
    resources = ("pods", "persistentvolumes", "deployments.apps", "configmaps", "events")
    text = json.dumps([lab.kube.objects(resource) for resource in resources])
    for around in ("DB_PASSWORD", "last-applied-configuration", "mountOptions", "example.com/api-token", "preStop"):
        assert around in text
    assert text.count(CANARY) > 100
    assert f"password={CANARY}" in text


def _with_secrets(lines: list[str]) -> Iterable[str]:
    """Every line with a secret behind it, and lines of secrets between."""
    for number, line in enumerate(lines):
        yield f"{line} password={CANARY}"
        yield LOGGED[number % len(LOGGED)]


def _tag(aws: AwsWorld) -> None:
    efs, ec2 = aws.client("efs"), aws.client("ec2")
    tags = [{"Key": "db-password", "Value": CANARY}, {"Key": "note", "Value": f"token={CANARY}"}]
    for system in efs.describe_file_systems()["FileSystems"]:
        efs.tag_resource(ResourceId=system["FileSystemId"], Tags=tags)
    instances = [i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    ec2.create_tags(Resources=instances, Tags=tags)


def found_in(*texts: str | bytes) -> list[str]:
    """The secrets that stand in the texts."""
    whole = "\n".join(t if isinstance(t, str) else t.decode("utf-8", "replace") for t in texts)
    return [form for form in FORMS if form in whole]


def written_in(folder: Path) -> list[tuple[str, bytes]]:
    """Every file below the folder with its name and content; an archive's members too."""
    found: list[tuple[str, bytes]] = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        data = file.read_bytes()
        found.append((str(file), data))
        if file.name.endswith(".tar.gz"):
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                found += [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]  # type: ignore[union-attr]
    return found
