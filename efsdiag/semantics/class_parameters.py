"""What the EFS driver makes of a StorageClass's parameters.

Source: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/parameters.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from efsdiag.semantics.driver import DriverVersion

FILE_SYSTEM_KEYS = ("fileSystemId", "fileSystemIdConfigRef", "fileSystemIdSecretRef")
MODES = ("efs-ap", "s3files-ap")
PATTERN_ELEMENT = re.compile(r"\$\{([^}]*)\}")
PATTERN_NAMES = frozenset({".PVC.name", ".PVC.namespace", ".PV.name"})


def faults_of(
    parameters: Mapping[str, str], arguments: tuple[str, ...] = (), version: DriverVersion | None = None
) -> list[tuple[str, str]]:
    """(mode, sentence) for each parameter that the driver or EFS refuses; the rest is what the controller runs with."""
    found = [("csi.invalid-parameters", says) for says in _invalid(parameters)]
    if parameters.get("provisioningMode") == "s3files-ap" and version is not None and version.before(3, 0, 0):
        says = f"provisioningMode is 's3files-ap', which {version.tag} does not know; the driver does since 3.0.0"
        found.append(("csi.invalid-parameters", says))
    permissions = parameters.get("directoryPerms", "")
    if not re.fullmatch(r"[0-7]{3,4}", permissions):
        shown = f"directoryPerms is {permissions!r}" if permissions else "directoryPerms is missing"
        found.append(("csi.directory-perms-missing", f"{shown}; EFS wants three or four octal digits, as in 700"))
    found += [("csi.subpath-pattern-invalid", says) for says in _pattern(parameters)]
    tags = next((a.partition("=")[2] for a in arguments if a.startswith("--tags=")), "")
    if str(parameters.get("enableTagging", "true")).lower() == "false" and tags:
        found.append(
            ("csi.enable-tagging-conflict", f"enableTagging is false, but the controller runs with --tags={tags}")
        )
    return found


def _invalid(parameters: Mapping[str, str]) -> list[str]:
    found = []
    mode = parameters.get("provisioningMode")
    if not mode:
        found.append("provisioningMode is missing; the driver wants efs-ap")
    elif mode not in MODES:
        found.append(f"provisioningMode is {mode!r}; the driver wants efs-ap")
    given = [k for k in FILE_SYSTEM_KEYS if parameters.get(k)]
    if len(given) != 1:
        shown = " and ".join(given) or "none"
        found.append(f"of {', '.join(FILE_SYSTEM_KEYS)} it has {shown}; the driver wants one")
    for key in ("uid", "gid", "gidRangeStart", "gidRangeEnd"):
        if key in parameters and not re.fullmatch(r"\d+", str(parameters[key])):
            found.append(f"{key} is {parameters[key]!r}; the driver wants a number")
    start, end = parameters.get("gidRangeStart", ""), parameters.get("gidRangeEnd", "")
    if bool(start) != bool(end):
        found.append("only one of gidRangeStart and gidRangeEnd is given")
    elif start.isdigit() and not int(start):
        found.append(f"gidRangeStart is {start!r}; the driver wants a number greater than 0")
    elif start.isdigit() and end.isdigit() and int(end) <= int(start):
        found.append(f"gidRangeEnd {end} is not greater than gidRangeStart {start}")
    for key in ("reuseAccessPoint", "enforceZoneAffinity", "enableTagging", "ensureUniqueDirectory"):
        if key in parameters and str(parameters[key]).lower() not in ("true", "false", "t", "f", "1", "0"):
            found.append(f"{key} is {parameters[key]!r}; the driver wants true or false")
    kind = parameters.get("csi.storage.k8s.io/fstype", "")
    if kind and kind not in ("efs", "nfs", "nfs4"):
        found.append(f"csi.storage.k8s.io/fstype is {kind!r}; the driver refuses it")
    return found


def _pattern(parameters: Mapping[str, str]) -> list[str]:
    pattern = parameters.get("subPathPattern", "")
    found = [
        f"subPathPattern has ${{{e}}}; the driver knows {', '.join(sorted(PATTERN_NAMES))}"
        for e in PATTERN_ELEMENT.findall(pattern)
        if e not in PATTERN_NAMES
    ]
    base = parameters.get("basePath", "")
    # Without a pattern the directory below basePath is named after the volume.
    depth = len([p for p in f"{base}/{pattern or 'volume'}".split("/") if p])
    if depth > 4:
        found.append(f"basePath and subPathPattern make {depth} directories; EFS allows 4")
    if len(base) > 100:
        found.append(f"basePath has {len(base)} characters; EFS allows 100")
    return found
