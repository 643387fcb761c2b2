"""A plan for other tools, in the place of applying it: a shell script, Kubernetes manifests, or Terraform."""

from __future__ import annotations

import json
from typing import Any

from efsdiag.changes import Change, Plan, with_lookups
from efsdiag.report.machine import as_yaml
from efsdiag.report.text import is_invisible, safe
from efsdiag.writes import WRITES, command_of, manifest_of


def exported(plan: Plan, form: str) -> str:
    """The plan's changes as `commands`, `yaml` or `terraform`; what the form cannot say stands there as a comment."""
    return {"commands": _commands, "yaml": _yaml, "terraform": _terraform}[form](plan)


def _commands(plan: Plan) -> str:
    lines = ["#!/bin/sh", "set -eu", f"# plan {plan.digest}"]
    for change in plan.changes:
        command = safe(command_of(change.write))
        lines.append(f"# {safe(change.words)} (risk: {change.risk.value})")
        if WRITES[change.write.operation].early and change is not plan.changes[0]:
            lines.append("# what was just made is not known everywhere at once, so this is tried for two minutes")
            command = f'tries=0; until {command}; do tries=$((tries + 1)); [ "$tries" -lt 12 ]; sleep 10; done'
        lines.append(command)
        lines += [f"# undo: {safe(command_of(change.undo))}"] if change.undo else ["# cannot be undone"]
    return "\n".join(lines) + "\n"


def _yaml(plan: Plan) -> str:
    """Manifests of what is created; a patch and a call of AWS are no manifests."""
    parts = [f"# plan {plan.digest}\n"]
    for change in plan.changes:
        if change.write.operation.startswith("kube:create"):
            parts.append(f"---\n# {safe(change.words)}\n{as_yaml(manifest_of(change.write))}")
        else:
            parts.append(f"# {safe(change.words)}; no manifest says it:\n#   {safe(command_of(change.write))}\n")
    return "".join(parts)


def _terraform(plan: Plan) -> str:
    parts = [f"# plan {plan.digest}\n"]
    for number, change in enumerate(plan.changes, 1):
        made = _resource(change, f"efsdiag_{number}")
        words, command = safe(change.words), safe(command_of(change.write))
        elsewhere = f"# {words}: set it where the resource is defined; the command is\n#   {command}\n"
        parts.append(f"\n# {words}\n{made}" if made else f"\n{elsewhere}")
    return "".join(parts)


def _resource(change: Change, name: str) -> str:
    given: Any = change.write.parameters
    operation = change.write.operation
    if operation.startswith("ec2:AuthorizeSecurityGroup"):
        return _rule(given, operation.removeprefix("ec2:AuthorizeSecurityGroup").lower(), name)
    if operation == "efs:CreateMountTarget":
        return _block(
            "aws_efs_mount_target",
            name,
            {
                "file_system_id": given["FileSystemId"],
                "subnet_id": given["SubnetId"],
                "security_groups": given["SecurityGroups"],
            },
        )
    if operation == "iam:AttachRolePolicy":
        return _block(
            "aws_iam_role_policy_attachment", name, {"role": given["RoleName"], "policy_arn": given["PolicyArn"]}
        )
    if operation == "helm:upgrade":
        return _release(given, name)
    return ""


def _release(given: Any, name: str) -> str:
    """A Helm release; "" where a value of it is looked up when it is made."""
    values = with_lookups(given["values"], lambda _: None)
    if values != given["values"]:
        return ""
    arguments = {key: given[key] for key in ("repository", "version") if given[key]}
    more = {
        "name": given["release"],
        "namespace": given["namespace"],
        "create_namespace": given["createNamespace"],
        "chart": given["chart"],
        "values": [json.dumps(values, sort_keys=True)],
    }
    return _block("helm_release", name, {**more, **arguments})


def _rule(given: Any, direction: str, name: str) -> str:
    """One rule about one other group; "" for others, of which one resource cannot say all."""
    pairs = [pair for rule in given["IpPermissions"] for pair in rule.get("UserIdGroupPairs", ())]
    others = any(
        rule.get(key) for rule in given["IpPermissions"] for key in ("IpRanges", "Ipv6Ranges", "PrefixListIds")
    )
    if len(pairs) != 1 or len(given["IpPermissions"]) != 1 or others:
        return ""
    rule = given["IpPermissions"][0]
    return _block(
        f"aws_vpc_security_group_{direction}_rule",
        name,
        {
            "security_group_id": given["GroupId"],
            "referenced_security_group_id": pairs[0]["GroupId"],
            "description": pairs[0].get("Description", ""),
            "ip_protocol": rule["IpProtocol"],
            "from_port": rule["FromPort"],
            "to_port": rule["ToPort"],
        },
    )


def _block(kind: str, name: str, arguments: dict[str, Any]) -> str:
    widest = max(map(len, arguments))
    body = "".join(f"  {key:<{widest}} = {_literal(value)}\n" for key, value in arguments.items())
    return f'resource "{kind}" "{name}" {{\n{body}}}\n'


def _literal(value: Any) -> str:
    """The value as HCL has it: as JSON, but "${" and "%{" begin an expression unless they are doubled."""
    text = json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    return "".join(_escaped(c) if is_invisible(c) else c for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
