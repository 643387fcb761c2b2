"""What efsdiag does not get right. Each entry is asserted to be wrong still, so that mending one must shrink this."""

KNOWN_GAPS: dict[str, str] = {}
"""Fault → what is missing."""

TRUE_THEN: dict[tuple[str, str], str] = {
    ("iam.role-without-policy", "aws/iam/list-attached-role-policies#"): "a role with one policy less",
    ("pod.pvc-not-found", "cluster-resources/pvcs#"): "the claim was deleted",
    ("csi.driver-object-missing", "cluster-resources/csidrivers#"): "the object was deleted",
    ("ebs.no-csi-driver", "cluster-resources/csidrivers#"): "the driver was removed",
    ("efs.access-point-not-found", "aws/efs/describe-access-points#"): "the access point was deleted",
    ("iam.irsa-oidc-provider-missing", "aws/iam/list-open-id-connect-providers#"): "the provider was deleted",
    ("iam.instance-profile-not-associated", "cluster-resources/pods#"): "the other controller pod is gone",
    ("iam.instance-profile-not-associated", "cluster-resources/nodes#"): "the other controller's node is gone",
    ("iam.instance-profile-not-associated", "aws/ec2/describe-iam-instance-profile-associations#"): "no node has one",
    ("prometheus.lock-held", "cluster-resources/replicasets#"): "a pod whose owner is gone",
}
"""(Mode, place) → the world without that object, in which that cause is the true one."""

ABLATION_GAPS: dict[tuple[str, str], tuple[str, str]] = {
    ("csi.controller-not-running", "cluster-resources/deployments#"): (
        "iam.imds-hop-limit:metadata_answers_one_hop_far-dynamic",
        "the controller's pods are there and its Lease is held, and only its Deployment is not in the list",
    ),
    ("pod.pvc-not-found", "cluster-resources/pvcs"): (
        "helm.existing-claim-in-other-namespace:claim_is_in_another_namespace",
        "where other namespaces were not read, that the claim is in one of them is not ruled out",
    ),
    ("pod.pvc-not-found", "cluster-resources/namespaces"): (
        "helm.existing-claim-in-other-namespace:claim_is_in_another_namespace",
        "where the namespaces were not read, that the claim is in one of them is not ruled out",
    ),
    ("csi.node-daemonset-not-on-node", "cluster-resources/pods#"): (
        "csi.node-plugin-oom:node_plugin_is_killed_for_its_memory",
        "the DaemonSet's status counts a pod on every node, and one is not in the list",
    ),
}
"""(Mode, place) → (a fault that shows it, what is missing)."""
