"""A HealthReport as JUnit XML, for CI systems that show test results.

The attributes and elements are those that both the schema of Ant's reports and that of Jenkins' xunit plugin know.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.report.refs import how_many, ref_in, targets_text
from efsdiag.report.text import safe

SUITE = "efsdiag check"


def junit(document: Mapping[str, Any]) -> str:
    """One suite. Something failed or in error is in it exactly where the status is not healthy.

    A root cause is a failure. What is not well without a known cause, or was not looked at and could be one, is an
    error. What is wrong but in nobody's
    way, suppressed, or not looked at without an effect on the answer is skipped, with what it is as the message. The
    first case is the look itself.
    """
    cases = [_look(document)]
    cases += [_root_cause(item) for item in document["rootCauses"]]
    cases += [_unexplained(item) for item in document["unexplained"]]
    cases += [_suspect(item) for item in document["suspects"]]
    cases += [_skipped("latent", item, item["summary"]) for item in document["latent"]]
    for item in document.get("suppressed", ()):
        cases.append(_skipped("suppressed", item, f"suppressed until {item['expires']}: {item['reason']}"))
    for item in document["notChecked"]:
        cases.append(_skipped("notChecked", item, f"not looked at: {item['reason']}"))
    took_ms = document["usage"].get("durationMs") or 0
    return _text(cases, document["checkedAt"], took_ms, _properties(document))


def junit_error(reference: str, message: str, hint: str, now: str) -> str:
    """The document of a run that came to no report: one case, in error. `now` is a time in UTC."""
    case = _case("check", reference)
    _told(case, "error", reference, message, [hint] if hint else [])
    return _text([case], now, 0, {})


def _look(document: Mapping[str, Any]) -> ET.Element:
    """The case that is in error where no cause was found and something could not be looked at."""
    case = _case("check", "every workload with storage in scope was looked at")
    status, workloads = document["status"], document["workloads"]
    told = [f"workloads {what}: {n}" for key, what in _COUNTED.items() if (n := workloads[key])]
    told += [f"{r['operation']} was refused; grant: {r['grant']}" for r in document["coverage"]["refused"]]
    told += [f"{u['operation']}: {u['reason']}" for u in document["coverage"]["unlisted"]]
    if document["coverage"]["timedOut"]:
        told.append("the time was over before everything was looked at")
    if status == "inconclusive":
        _told(case, "error", status, "no cause was found, and not everything could be looked at", told)
    return case


_COUNTED = {"inconclusive": "that are not well without a known cause", "notLooked": "that were not looked at"}


def _root_cause(item: Mapping[str, Any]) -> ET.Element:
    case = _case("rootCause", _name(item))
    more = [
        f"on {ref_in(item.get('object'))}",
        f"fingerprint {item['fingerprint']}",
        f"{how_many(item)}: {targets_text(item)}",
        "chain: " + " > ".join(item["chain"]),
        *(f"remedy: {remedy['text']} (risk: {remedy['risk']})" for remedy in item["remedies"]),
        *(f"by hand: {command}" for command in item["byHand"]),
    ]
    _told(case, "failure", item["confidence"], item["summary"], more)
    return case


def _suspect(item: Mapping[str, Any]) -> ET.Element:
    case = _case("suspect", _name(item))
    grant = [f"grant: {item['grant']}"] if item.get("grant") else []
    _told(case, "error", "not-looked-at", item["reason"], grant)
    return case


def _unexplained(item: Mapping[str, Any]) -> ET.Element:
    case = _case("unexplained", _name(item))
    _told(case, "error", "no-cause-found", item["summary"], [f"workloads: {targets_text(item)}"])
    return case


def _skipped(role: str, item: Mapping[str, Any], message: str) -> ET.Element:
    case = _case(role, _name(item))
    # Ant's schema knows a message alone here, and no text.
    ET.SubElement(case, "skipped", message=_legal(message))
    return case


def _name(item: Mapping[str, Any]) -> str:
    """ "network.nacl on NetworkAcl/acl-1", or the check where there is no mode."""
    thing = str(ref_in(item.get("object")))
    return f"{item.get('id') or item['check']}{' on ' if thing else ''}{thing}"


def _case(role: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=f"efsdiag.{role}", name=_legal(name), time="0")


def _told(case: ET.Element, element: str, kind: str, message: str, more: Iterable[str] = ()) -> None:
    told = ET.SubElement(case, element, message=_legal(message), type=_legal(kind))
    told.text = "\n".join(_legal(line) for line in (message, *more))


def _properties(document: Mapping[str, Any]) -> dict[str, str]:
    environment = {k: v for k, v in document["environment"].items() if v}
    return {"status": document["status"], "exitCode": str(document["exitCode"]), **environment}


def _text(cases: list[ET.Element], now: str, took_ms: int, properties: Mapping[str, str]) -> str:
    count = {kind: str(sum(case.find(kind) is not None for case in cases)) for kind in ("failure", "error", "skipped")}
    counts = {"tests": str(len(cases)), "failures": count["failure"], "errors": count["error"]}
    took = f"{took_ms / 1000:g}"
    root = ET.Element("testsuites", {"name": SUITE, "time": took, **counts})
    suite = ET.SubElement(root, "testsuite", name=SUITE, id="0", package="efsdiag", hostname="localhost", time=took)
    # Ant's schema has no zone in its timestamp; it is UTC.
    suite.attrib |= {"timestamp": now.removesuffix("Z"), **counts, "skipped": count["skipped"]}
    listed = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", name=name, value=_legal(value))
    suite.extend(cases)
    for name in ("system-out", "system-err"):
        ET.SubElement(suite, name)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _legal(text: object) -> str:
    """The text as XML may hold it. What XML has no place for, and what nobody sees, stands as an escape."""
    return safe(text).translate({0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"})
