"""Alertmanager: alerts go there by its API v2. Nothing of the cluster or the account is changed by it.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

TIMEOUT_S = 10.0
MOST_ANSWER = 300
"""Bytes of an answer that are shown where Alertmanager refuses."""


class NotSent(Exception):
    """The alerts did not arrive, and why. The text names no password of the URL."""


def why_not_a_url(url: str) -> str:
    """What is wrong with the URL of an Alertmanager; "" where nothing is."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname and (parts.port is None or parts.port))
    except ValueError:
        named = False
    if not named or parts.scheme not in ("http", "https"):
        return "it is not http://HOST or https://HOST, with :PORT and a path where there are such"
    return "it has a query or a fragment" if parts.query or parts.fragment else ""


def send_alerts(url: str, alerts: Sequence[Mapping[str, Any]], timeout_s: float = TIMEOUT_S, token: str = "") -> None:
    """Sends the alerts to the Alertmanager whose start page is at the URL.

    A user and a password in the URL sign in, or the bearer token.

    Errors: NotSent, where it cannot be reached within `timeout_s`, or answers with anything but success.
    """
    parts = urlsplit(url)
    place = urlunsplit((parts.scheme, _host(parts), parts.path.rstrip("/") + "/api/v2/alerts", "", ""))
    request = urllib.request.Request(place, json.dumps(list(alerts)).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("User-Agent", "efsdiag")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    elif parts.username is not None:
        signed = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(signed.encode()).decode()}")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout_s) as answer:
            answer.read(MOST_ANSWER)
    except urllib.error.HTTPError as error:
        said = _text_of(error)
        said = said.replace(token, "…") if token else said
        raise NotSent(f"{place} answers {error.code} {error.reason}{': ' if said else ''}{said}") from error
    except TimeoutError as error:
        raise NotSent(f"{place} did not answer within {timeout_s:g} s") from error
    except urllib.error.URLError as error:
        why = f"did not answer within {timeout_s:g} s" if isinstance(error.reason, TimeoutError) else ""
        raise NotSent(f"{place} {why or f'cannot be reached: {error.reason}'}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NotSent(f"{place} cannot be reached: {error or type(error).__name__}") from error


def _text_of(error: urllib.error.HTTPError) -> str:
    """The start of what stands in the answer; "" where the connection ends before it."""
    try:
        return error.read(MOST_ANSWER).decode("utf-8", "replace").strip()
    except (OSError, HTTPException):
        return ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the request into one without alerts, and its answer into a success."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _host(parts: SplitResult) -> str:
    """The host and port, without user and password."""
    return parts.netloc.rpartition("@")[2]
