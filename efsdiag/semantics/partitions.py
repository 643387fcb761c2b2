"""The partitions of AWS: how ARNs begin there, and how the names of services end.

Source: botocore's endpoints.json (partitions, regionRegex and dnsSuffix), and for EC2 as a principal
        https://github.com/aws/aws-cdk/blob/main/packages/@aws-cdk/region-info/lib/default.ts
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Partition:
    """One partition."""

    name: str
    """As in its ARNs: "aws", "aws-cn"."""
    dns_suffix: str
    regions: str
    """How its regions begin; "" for those that no other partition has."""


PARTITIONS = (
    Partition("aws-cn", "amazonaws.com.cn", "cn-"),
    Partition("aws-us-gov", "amazonaws.com", "us-gov-"),
    Partition("aws-iso-b", "sc2s.sgov.gov", "us-isob-"),
    Partition("aws-iso-e", "cloud.adc-e.uk", "eu-isoe-"),
    Partition("aws-iso-f", "csp.hci.ic.gov", "us-isof-"),
    Partition("aws-iso", "c2s.ic.gov", "us-iso-"),
    Partition("aws-eusc", "amazonaws.eu", "eusc-"),
    Partition("aws", "amazonaws.com", ""),
)


def partition_of(region: str) -> Partition:
    """The partition that has the region; that of most accounts for one that is not known here."""
    return next(p for p in PARTITIONS if region.startswith(p.regions))


def partition_in(arn: str) -> Partition:
    """The partition of the thing that has the ARN; that of most accounts where the ARN is not known."""
    name = arn.split(":")[1] if arn.startswith("arn:") else ""
    return next((p for p in PARTITIONS if p.name == name), PARTITIONS[-1])
