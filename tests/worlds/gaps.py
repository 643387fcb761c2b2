"""What efsdiag does not get right. Each entry is asserted to be wrong still, so that mending one must shrink this."""

KNOWN_GAPS: dict[str, str] = {
    "nfs.root-squash:nfs_server_squashes_root": (
        "a refused uid 0 on an NFS server's volume is called permission.data-dir-not-writable"
    ),
    "pv.volume-handle-invalid:handle_has_four_fields": (
        "the fourth field is taken for an access point, and efs.access-point-not-found is blamed as well"
    ),
    "mount.hang-existing:mount_hangs_after_the_driver_restarted": (
        "no check compares the node plugin's restart with the start of a pod that runs and does not answer"
    ),
}
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
    ("permission.data-dir-not-writable", "aws/efs/describe-access-points#"): (
        "network.nacl:network_acl_denies_nfs-eks-dynamic",
        "where the access point of the handle is not there, the process's own user is compared with the listing",
    ),
    ("permission.data-dir-not-writable", "volumes#"): (
        "permission.parent-not-searchable:parent_is_for_root_only-directories-3.14",
        "a directory that is not listed is taken for one that is not there, although one inside it is listed",
    ),
    ("mount.iam-no-credentials", "aws/ec2/describe-iam-instance-profile-associations#"): (
        "iam.client-mount-missing:role_may_not_mount",
        "DescribeInstances shows the profile of the instance, and node-has-credentials does not look",
    ),
    ("mount.iam-no-credentials", "aws/iam/list-instance-profiles#"): (
        "iam.client-mount-missing:role_may_not_mount",
        "the association names the profile, so a list of profiles without it is not whole",
    ),
    ("mount.iam-no-credentials", "cluster-resources/nodes#"): (
        "iam.client-mount-missing:role_may_not_mount",
        "where the node cannot be found, its instance is not known; that is not an instance without a profile",
    ),
    ("csi.node-daemonset-not-on-node", "cluster-resources/pods#"): (
        "csi.node-plugin-oom:node_plugin_is_killed_for_its_memory",
        "the DaemonSet's status counts a pod on every node, and one is not in the list",
    ),
    ("efs.file-system-not-found", "aws/efs/describe-file-systems#"): (
        "network.no-mount-target:file_system_has_no_mount_target",
        "DescribeMountTargets answers for the file system that DescribeFileSystems does not list",
    ),
}
"""(Mode, place) → (a fault that shows it, what is missing)."""
