"""What helm says without changing anything: a release's revisions, a chart's archive, and what a dry run would make."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from efsdiag.changes import Trouble, Write
from efsdiag.releases import ANY_MARK, Rendered, Revision
from efsdiag.world.helm import Done, Helm, HelmError
from efsdiag.world.helm_failures import failure_of
from efsdiag.writes import helm_arguments, is_archive, label_of
from efsdiag.yaml_files import documents_of

PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
"""States of a release at which helm is at work, or was killed."""
AT_REST = ("deployed", "superseded")
"""States of a revision that came to its end."""


def revisions(helm: Helm, release: str, namespace: str) -> tuple[Revision, ...]:
    """The revisions of the release, the oldest first; empty where there is none. Errors: HelmError.

    helm itself reads them from its Secrets.
    """
    done = helm.run(["history", release, "--namespace", namespace, "--max", "256", "--output", "json"])
    if done.code != 0 and re.search(r"release: not found\s*$", done.err):
        return ()
    found = [_revision(item) for item in _json(done, f"helm history {release}")]
    return tuple(sorted(found, key=lambda revision: revision.number))


def is_marked(helm: Helm, release: str, namespace: str, mark: str) -> bool:
    """Whether the newest revision has the mark as its label, or any one of ours for `ANY_MARK`; it has that as soon as
    it exists. Errors: HelmError.
    """
    words = ["list", "--namespace", namespace, "--filter", f"^{re.escape(release)}$"]
    # Helm 4 lists releases of every state, and has no option that says so.
    words += ["--all"] if helm.version < (4, 0) else []
    selector = label_of("").rstrip("=") if mark == ANY_MARK else label_of(mark)
    done = helm.run([*words, "--selector", selector, "--output", "json"])
    return bool(_json(done, f"helm list {release}"))


def archive(helm: Helm, given: Mapping[str, Any]) -> Path:
    """The archive of an upgrade's chart: the file itself, or what was fetched from the repository.

    Errors: HelmError chart-not-found, repository-unreachable, chart-changed for another archive than the one agreed to.
    """
    chart = str(given["chart"])
    path = Path(chart) if is_archive(chart) else _fetched(helm, given)
    try:
        found = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise HelmError("chart-not-found", Trouble.REFUSED, f"{path} cannot be read: {error.strerror}") from error
    if given["digest"] and found != given["digest"]:
        message = f"the archive of {chart} has the digest {found}; {given['digest']} was agreed to"
        raise HelmError("chart-changed", Trouble.CONFLICT, message, "look at the chart, and make the plan again")
    return path


def _fetched(helm: Helm, given: Mapping[str, Any]) -> Path:
    named = hashlib.sha256(json.dumps([given[k] for k in ("chart", "repository", "version")]).encode()).hexdigest()
    folder = Path(helm.home) / "charts" / named[:16]
    if not list(folder.glob("*.tgz")):
        folder.mkdir(parents=True, exist_ok=True)
        words = ["pull", given["chart"], "--destination", str(folder)]
        words += ["--repo", given["repository"]] if given["repository"] else []
        words += ["--version", given["version"]] if given["version"] else []
        done = helm.run(words, own_home=bool(given["repository"]))
        if done.code != 0:
            raise failure_of(done, f"helm pull {given['chart']} {given['version']}".strip())
    found = sorted(folder.glob("*.tgz"))
    if not found:
        raise HelmError("chart-not-found", Trouble.REFUSED, f"helm pull {given['chart']} left no archive behind")
    return found[0]


def dry_run(helm: Helm, write: Write, given: Mapping[str, Any], chart: Path) -> Rendered:
    """What the upgrade would make. Nothing is changed. Errors: HelmError.

    Where the cluster refuses what the charts look up in it, they are rendered here.
    """
    words = with_chart(helm_arguments(write), str(given["chart"]), chart)
    for way in ("server", "client"):
        done = helm.run([*words, f"--dry-run={way}", "--output", "json", "--values", "-"], given=values_text(given))
        if done.code == 0:
            return _rendered(_json(done, "helm upgrade --dry-run"), way == "server")
        failure = failure_of(done, f"helm upgrade {given['release']} --dry-run")
        if failure.reference != "helm-refused":
            break
    raise failure


def with_chart(words: Sequence[str], named: str, path: Path) -> list[str]:
    """The words of an upgrade with the fetched archive in the place of the chart's name, and no repository."""
    made = [str(path) if word == named and at == 2 else word for at, word in enumerate(words)]
    for option in ("--repo", "--version"):
        if option in made:
            at = made.index(option)
            made = made[:at] + made[at + 2 :]
    return made


def values_text(given: Mapping[str, Any]) -> str:
    """The values as helm reads them from its standard input."""
    return json.dumps(given["values"], sort_keys=True)


def digest_of(path: str | os.PathLike[str]) -> str:
    """ "sha256:…" of a file. Errors: OSError."""
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"


def _rendered(document: Mapping[str, Any], server: bool) -> Rendered:
    made = tuple(_named(thing) for thing in documents_of(str(document.get("manifest") or "")) if thing)
    hooks = tuple(f"{h.get('kind')}/{h.get('name')}" for h in document.get("hooks") or ())
    return Rendered(made, hooks, server)


def _named(thing: Any) -> str:
    if not isinstance(thing, dict):
        return "?"
    return f"{thing.get('kind', '?')}/{(thing.get('metadata') or {}).get('name', '?')}"


def _revision(item: Mapping[str, Any]) -> Revision:
    # Nine digits of a second are more than Python reads before 3.11.4, and more than anybody needs.
    updated = re.sub(r"(\.\d{6})\d+", r"\1", str(item["updated"]).replace("Z", "+00:00"))
    return Revision(
        int(item["revision"]),
        str(item["status"]),
        str(item.get("chart", "")),
        str(item.get("description", "")),
        datetime.fromisoformat(updated),
    )


def _json(done: Done, what: str) -> Any:
    if done.code != 0:
        raise failure_of(done, what)
    try:
        return json.loads(done.out)
    except ValueError as error:
        message = f"{what} printed what is no JSON: {done.out[:80]!r}"
        raise HelmError("helm-unreadable", Trouble.LOST, message) from error
