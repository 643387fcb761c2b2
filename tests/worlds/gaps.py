"""What efsdiag does not get right. Each entry is asserted to be wrong still, so that mending one must shrink this."""

KNOWN_GAPS: dict[str, str] = {}
"""Fault → what is missing."""

TRUE_THEN: dict[tuple[str, str], str] = {
    ("iam.role-without-policy", "aws/iam/list-attached-role-policies#"): "a role with one policy less",
    ("pod.pvc-not-found", "cluster-resources/pvcs#"): "the claim of a pod without a node was deleted",
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
    ("csi.node-daemonset-not-on-node", "cluster-resources/pods#"): (
        "csi.node-plugin-oom:node_plugin_is_killed_for_its_memory",
        "the DaemonSet's status counts a pod on every node, and one is not in the list",
    ),
}
"""(Mode, place) → (a fault that shows it, what is missing)."""
