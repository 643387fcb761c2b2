"""What Prometheus 2.42, 3.5 and 3.14 and the driver print."""

from __future__ import annotations

from worlds.ids import NOW

_STAMP = NOW.strftime("%Y-%m-%dT%H:%M")
SOURCES = {"2.42": "v2.42.0", "3.5": "v3.5.0", "3.14": "v3.14.0"}
"""The version of Prometheus → its image tag."""


def line(version: str, second: float, level: str, message: str, /, **fields: str) -> str:
    """One line of Prometheus's log, in the format of its version."""
    more = "".join(f' {k}="{v}"' if " " in v or ":" in v else f" {k}={v}" for k, v in fields.items())
    if version == "2.42":
        return f'ts={_STAMP}:{second:06.3f}Z caller=main.go:551 level={level} msg="{message}"{more}'
    return f'time={_STAMP}:{second:06.3f}Z level={level.upper()} source=main.go:718 msg="{message}"{more}'


def begin(version: str) -> list[str]:
    """What it prints before it opens anything."""
    return [
        line(version, 1.2, "info", "No time or size retention was set so using the default time retention"),
        line(version, 1.3, "info", "Starting Prometheus Server", mode="server", version=SOURCES[version]),
    ]


def opening(version: str) -> list[str]:
    """The same, and that it has opened its query log and comes to its storage."""
    return [
        *begin(version),
        line(version, 1.5, "info", "Start listening for connections", address="0.0.0.0:9090"),
        line(version, 1.6, "info", "Starting TSDB ..."),
    ]


def serving(version: str, *, on_nfs: bool) -> list[str]:
    """A start that went well."""
    storage = (
        line(
            version,
            2.4,
            "warn",
            "This filesystem is not supported and may lead to data corruption and data loss. Please carefully read "
            "https://prometheus.io/docs/prometheus/latest/storage/ to learn more about supported filesystems.",
            fs_type="NFS_SUPER_MAGIC",
        )
        if on_nfs
        else line(version, 2.4, "info", "filesystem information", fs_type="EXT4_SUPER_MAGIC")
    )
    return [
        *opening(version),
        line(version, 2.1, "info", "Replaying WAL, this may take a while", component="tsdb"),
        line(version, 2.2, "info", "WAL segment loaded", component="tsdb", segment="0", maxSegment="0"),
        line(version, 2.3, "info", "WAL replay completed", component="tsdb", total_replay_duration="385.395µs"),
        storage,
        line(version, 2.5, "info", "TSDB started"),
        line(version, 2.6, "info", "Server is ready to receive web requests."),
    ]


def failing(version: str, error: str) -> list[str]:
    """A start that ends with an error from the storage."""
    return [*opening(version), line(version, 2.2, "error", "Fatal error", err=error)]


def query_log_refused(version: str, directory: str, why: str = "permission denied", *, parent: bool) -> list[str]:
    """The query log cannot be opened: the directory above it cannot be reached (`parent`), or not be written."""
    path = f"{directory}/queries.active"
    if version == "3.14":
        cause = f"create active query log directory: mkdir {directory}" if parent else None
        error = f"{cause or f'create mmap-ed active query log: open {path}'}: {why}"
        return [*begin(version), line(version, 1.4, "error", "failed to initialize active query tracker", err=error)]
    found = begin(version)
    if parent:
        found.append(
            line(version, 1.4, "error", "Failed to create directory for logging active queries", component="queries")
        )
    return [
        *found,
        line(version, 1.5, "error", "Error opening query log file", file=path, err=f"open {path}: {why}"),
        "panic: Unable to create mmap-ed active query log",
        "",
        "goroutine 1 [running]:",
        "main.main()",
    ]


def failed_mount(file_system: str, options: str, target: str, output: str, status: int = 32) -> str:
    """How the driver words a mount command that failed."""
    return (
        f'rpc error: code = Internal desc = Could not mount "{file_system}" at "{target}": '
        f"mount failed: exit status {status}\nMounting command: mount\n"
        f"Mounting arguments: -t efs -o {options} {file_system} {target}\nOutput: {output}\n"
    )


def unresolved(file_system: str, region: str, fallback: str) -> str:
    """What mount.efs prints of a name that does not resolve; `fallback` says how asking the API went."""
    return (
        f'Failed to resolve "{file_system}.efs.{region}.amazonaws.com" - check that your file system ID is correct, '
        "and ensure that the VPC has an EFS mount target for this file system ID.\n"
        "See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.\n"
        f"Attempting to lookup mount target ip address using botocore. {fallback}"
    )


REFUSED_BY_SERVER = (
    'Could not start amazon-efs-mount-watchdog, unrecognized init system "aws-efs-csi-dri"\n'
    "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'"
)
