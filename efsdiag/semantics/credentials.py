"""Whether the two ways in which a role's credentials reach the driver are open: the instance's, and its own token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.model import Ref, Unread, Verdict, failed, passed, unknown
from efsdiag.semantics.driver import CredentialPath
from efsdiag.semantics.iam import Context, PolicyError, Principal, parse_policy, trusts
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.partitions import PARTITIONS
from efsdiag.semantics.roles import Role

EC2 = tuple(sorted({f"ec2.{p.dns_suffix}" for p in PARTITIONS}))
"""What the service is called, and what it is called in China; either will do."""
PODS = "pods.eks.amazonaws.com"
PODS_ACTIONS = ("sts:AssumeRole", "sts:TagSession")
"""As whom EKS takes a role for a pod, and what the role has to allow it.
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html"""


def judge_trust_in_ec2(role: Mapping[str, Any]) -> Verdict:
    """Whether EC2 may take the role (raw, as an instance profile lists it) for its instances."""
    name = role["RoleName"]
    try:
        policy = parse_policy(role["AssumeRolePolicyDocument"], "trust policy")
    except PolicyError as error:
        return unknown(f"the trust policy of {name} cannot be understood: {error}")
    decisions = [trusts(policy, Principal.service(s), "sts:AssumeRole", Context()) for s in EC2]
    if any(d.allowed for d in decisions):
        return passed(f"role {name} trusts ec2.amazonaws.com")
    if any(not d.denied for d in decisions):
        return unknown(f"whether {name} trusts EC2 depends on {', '.join(decisions[0].missing_keys)}")
    says = f"role {name} does not trust ec2.amazonaws.com"
    return failed("iam.trust-policy-not-ec2", says, Ref("Role", name), *decisions[0].because)


def judge_trust_in_service_account(role: Role, path: CredentialPath, issuer: str) -> Verdict:
    """Whether the pod's service account may take the role with the token that the cluster's issuer signs."""
    account = role.arn.split(":")[4] if role.arn.count(":") >= 5 else ""
    partition = role.arn.split(":")[1] if role.arn else "aws"
    subject = f"system:serviceaccount:{path.namespace}:{path.service_account}"
    known = {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}
    try:
        policy = parse_policy(role.trust, "trust policy")
    except PolicyError as error:
        return unknown(f"the trust policy of {role.name} cannot be understood: {error}")
    provider = Principal.federated(f"arn:{partition}:iam::{account}:oidc-provider/{issuer}")
    decision = trusts(policy, provider, "sts:AssumeRoleWithWebIdentity", Context(known, closed=True))
    if decision.allowed:
        return passed(f"role {role.name} trusts {subject}")
    if not decision.denied:
        return unknown(f"whether {role.name} trusts {subject} depends on {', '.join(decision.missing_keys)}")
    says = f"role {role.name} does not trust {subject} of {issuer}"
    return failed("iam.irsa-trust-mismatch", says, Ref("Role", role.name), *decision.because)


def judge_trust_in_pod_identity(role: Role, path: CredentialPath, cluster_arn: str) -> Verdict:
    """Whether EKS may take the role for the pod's service account, with the tags that it gives such a session."""
    tags = {
        "aws:RequestTag/kubernetes-namespace": path.namespace,
        "aws:RequestTag/kubernetes-service-account": path.service_account,
        "aws:RequestTag/eks-cluster-arn": cluster_arn,
        "aws:RequestTag/eks-cluster-name": cluster_arn.rpartition("/")[2],
    }
    try:
        policy = parse_policy(role.trust, "trust policy")
    except PolicyError as error:
        return unknown(f"the trust policy of {role.name} cannot be understood: {error}")
    known = Context({key: value for key, value in tags.items() if value})
    decisions = [trusts(policy, Principal.service(PODS), action, known) for action in PODS_ACTIONS]
    if all(d.allowed for d in decisions):
        return passed(f"role {role.name} trusts EKS Pod Identity for service account {path.service_account}")
    denied = [line for d in decisions if d.denied for line in d.because]
    if not any(d.denied for d in decisions):
        keys = sorted({key for d in decisions for key in d.missing_keys})
        return unknown(f"whether {role.name} trusts EKS Pod Identity depends on {', '.join(keys)}")
    says = f"role {role.name} does not let EKS Pod Identity take it for service account {path.service_account}"
    return failed("iam.pod-identity-missing", says, Ref("Role", role.name), *denied)


def own_association(associations: Any, path: CredentialPath) -> dict[str, Any] | None:
    """The Pod Identity association of the path's service account, of those of eks:ListPodIdentityAssociations."""
    own = (path.namespace, path.service_account)
    return next((a for a in associations if (a.get("namespace"), a.get("serviceAccount")) == own), None)


def judge_pod_identity(path: CredentialPath, associations: Any) -> Verdict:
    """Whether EKS associates a role with the service account whose pod asks for one.

    Shape:   associations are those of eks:ListPodIdentityAssociations, or `Unread`, or None without an EKS cluster.
    """
    if isinstance(associations, Unread) or associations is None:
        why = associations.why if isinstance(associations, Unread) else "the EKS cluster is not known"
        return unknown(why, getattr(associations, "grant", ""))
    if own_association(associations, path) is not None:
        return passed(f"EKS associates a role with service account {path.service_account}")
    says = f"no Pod Identity association names service account {path.service_account} of {path.namespace}"
    on = Ref("ServiceAccount", path.service_account, path.namespace)
    return failed("iam.pod-identity-missing", says, on, f"associations of the cluster: {len(associations)}")


def unread_among(*evidence: Any) -> Verdict | None:
    """Unknown where one of these could not be read; None where all were.

    For checks that do not apply to every way of getting credentials: those skip before they ask what was read.
    """
    unread = next((e for e in evidence if isinstance(e, Unread)), None)
    return unknown(unread.why, unread.grant) if unread is not None else None


def metadata_fault(instance: Mapping[str, Any], path: CredentialPath) -> Verdict | None:
    """Why the instance's own settings keep the pod from its metadata service; None where they do not."""
    options = instance.get("MetadataOptions") or {}
    name, on = instance_name(dict(instance)), Ref("Instance", instance["InstanceId"])
    if options.get("HttpEndpoint") == "disabled":
        says = f"the metadata service of instance {name} is disabled"
        return failed("iam.imds-disabled", says, on, "MetadataOptions.HttpEndpoint: disabled")
    # Without tokens the first version of the service answers, however many hops away the pod is.
    if (
        options.get("HttpTokens") == "required"
        and options.get("HttpPutResponseHopLimit") == 1
        and not path.host_network
    ):
        says = (
            f"instance {name} wants IMDSv2 tokens and answers 1 hop far; the controller's pod {path.pod} is 2 hops away"
        )
        return failed(
            "iam.imds-hop-limit", says, on, "MetadataOptions.HttpTokens: required", "HttpPutResponseHopLimit: 1"
        )
    return None


def judge_metadata(instance: Mapping[str, Any], path: CredentialPath, *, silent: bool) -> Verdict:
    """Whether the pod can ask the instance's metadata service; `silent` where the pod says that it got no answer."""
    if fault := metadata_fault(instance, path):
        return fault
    options, name = instance.get("MetadataOptions") or {}, instance_name(dict(instance))
    limit = options.get("HttpPutResponseHopLimit")
    if silent:
        says = f"the controller's pod {path.pod} gets no answer from the metadata service, which instance {name} offers"
        on = Ref("Pod", path.pod, path.namespace)
        return failed("network.pod-imds-blocked", says, on, f"hop limit: {limit}", sure=False)
    if limit is None:
        return unknown(f"what instance {name} says of itself lacks MetadataOptions", "allow ec2:DescribeInstances")
    far = f"{limit} hop{'' if limit == 1 else 's'} far"
    return passed(f"instance {name} answers metadata requests {far}", f"HttpTokens: {options.get('HttpTokens')}")


def judge_mount_credentials(
    instance: Mapping[str, Any], association: Mapping[str, Any] | None, profile: Mapping[str, Any] | None
) -> Verdict:
    """Whether the instance hands credentials to the node plugin, which is on the host's network: one hop is enough."""
    name, on = instance_name(dict(instance)), Ref("Instance", instance["InstanceId"])
    if (instance.get("MetadataOptions") or {}).get("HttpEndpoint") == "disabled":
        return failed("mount.iam-no-credentials", f"the metadata service of instance {name} is disabled", on)
    if association is None and instance.get("IamInstanceProfile"):
        return unknown(f"no association of instance {name} was found, but the instance says that it has a profile")
    if association is None:
        return failed("mount.iam-no-credentials", f"instance {name} has no instance profile", on, "mountOptions: iam")
    if profile is None:
        return unknown(f"the profile of instance {name} is associated, but was not found among the account's")
    if not (profile or {}).get("Roles"):
        says = f"the profile of instance {name} holds no role"
        return failed("mount.iam-no-credentials", says, on, "mountOptions: iam")
    return passed(f"instance {name} hands out credentials")
