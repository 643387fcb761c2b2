"""A chart's archive (.tgz), read without unpacking it: its values, schema and templates, and those of its subcharts."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from efsdiag.changes import Trouble
from efsdiag.semantics.chart_values import Chart
from efsdiag.world.helm import HelmError
from efsdiag.yaml_files import RuleError, documents_of

MOST_BYTES = 64 * 2**20
"""More than this no chart has, unpacked; Helm itself stops at 100 MiB."""


def read_chart(path: Path) -> Chart:
    """The chart in the archive. Errors: HelmError chart-unreadable."""
    try:
        files = _files(path.read_bytes())
        tops = {name.partition("/")[0] for name in files if name.endswith("/Chart.yaml") and name.count("/") == 1}
        if len(tops) != 1:
            raise ValueError("it has no Chart.yaml in a folder of its own")
        return _chart(_below(files, tops.pop()))
    except (OSError, tarfile.TarError, EOFError, ValueError, RuleError) as error:
        raise HelmError("chart-unreadable", Trouble.INVALID, f"{path} is no chart that can be read: {error}") from error


def _files(packed: bytes) -> dict[str, bytes]:
    """The regular files of a gzipped tar. Errors: ValueError where there is more than a chart can have."""
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        for entry in tar:
            if not entry.isfile():
                continue
            left -= entry.size
            if left < 0:
                raise ValueError(f"it has more than {MOST_BYTES} bytes")
            opened = tar.extractfile(entry)
            found[entry.name.removeprefix("./")] = opened.read() if opened else b""
    return found


def _below(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name[len(folder) + 1 :]: content for name, content in files.items() if name.startswith(f"{folder}/")}


def _chart(files: Mapping[str, bytes]) -> Chart:
    head = _document(files, "Chart.yaml")
    text = files.get("values.yaml", b"").decode("utf-8", "replace")
    values = _document(files, "values.yaml")
    schema = json.loads(files["values.schema.json"]) if "values.schema.json" in files else {}
    templates = (f for name, f in sorted(files.items()) if name.startswith("templates/"))
    body = "\n".join(f.decode("utf-8", "replace") for f in templates)
    below = {name: _chart(part) for name, part in _parts(files).items()}
    named = _names(head, below)
    return Chart(str(head.get("name", "")), str(head.get("version", "")), values, text, schema, body, named)


def _parts(files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The files of each subchart, which is a folder below charts/ or an archive in it."""
    inner = _below(files, "charts")
    found: dict[str, dict[str, bytes]] = {}
    for name, content in inner.items():
        if name.endswith(".tgz") and "/" not in name:
            unpacked = _files(content)
            folder = next((n.partition("/")[0] for n in unpacked if n.endswith("/Chart.yaml")), "")
            found[folder] = _below(unpacked, folder)
        elif name.count("/") == 1 and name.endswith("/Chart.yaml"):
            folder = name.partition("/")[0]
            found[folder] = _below(inner, folder)
    return found


def _names(head: Mapping[str, Any], below: Mapping[str, Chart]) -> dict[str, Chart]:
    """The subcharts by the key of their values: an alias, where Chart.yaml gives one, else their name."""
    by_name = {chart.name: chart for chart in below.values()}
    wanted = [d for d in head.get("dependencies") or [] if isinstance(d, dict)]
    aliased = {str(d.get("alias") or d.get("name")): by_name[d["name"]] for d in wanted if d.get("name") in by_name}
    plain = {name: chart for name, chart in by_name.items() if name not in {d.get("name") for d in wanted}}
    return {**plain, **aliased}


def _document(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    found = documents_of(files.get(name, b"").decode("utf-8", "replace"))
    return found[0] if found and isinstance(found[0], dict) else {}
