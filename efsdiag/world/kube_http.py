"""One API server with one identity: all that this program takes from the `kubernetes` package, imported lazily.

The package's calls differ between its versions (37 takes a whole URL, 36 a path), so they are made here only.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from efsdiag.world.errors import Unreachable
from efsdiag.world.retry import Reply, user_agent

CONNECT_TIMEOUT_S = 5.0
POOL_SIZE = 10


class Cluster:
    """One API server, asked as one identity; may be shared by threads. Errors: Unreachable on construction."""

    def __init__(
        self,
        kubeconfig: str | None,
        context: str | None,
        impersonate: str | None,
        groups: tuple[str, ...],
        timeout_s: float,
    ) -> None:
        from kubernetes import client

        self.requests = 0
        self._lock = threading.Lock()
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._as = [("Impersonate-User", impersonate)] if impersonate else []
        self._as += [("Impersonate-Group", group) for group in groups]
        configuration = client.Configuration()
        self.context, self.namespace = _configure(configuration, kubeconfig, context)
        configuration.connection_pool_maxsize = POOL_SIZE
        # urllib3 would wait for as long as any Retry-After says, and repeat what we repeat.
        configuration.retries = False
        _spare_loopback_the_proxy(configuration)
        self.host = str(configuration.host)
        self._client = client.ApiClient(configuration)

    def get(self, url: str) -> Reply:
        """The reply to one GET of `url` (path and query); asked a second time where the connection was cut.

        Errors: Unreachable.
        """
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError, ProtocolError

        try:
            try:
                return self._once("GET", url)
            except ProtocolError:  # a kept connection that the server closed meanwhile looks the same as a reset
                return self._once("GET", url)
        except (ApiException, ConfigException, HTTPError, OSError) as error:
            raise self._explained(error) from error
        except ValueError as error:  # http.client; its text holds the header, and so the credentials
            why = f"the credentials of context {self.context} have a sign in them that no header can have"
            raise Unreachable("cluster-unauthenticated", why, "a line feed at the end of a token, for one") from error

    def send(self, method: str, url: str, body: Any, content_type: str) -> Reply:
        """The reply to one request with a JSON body, sent once: a lost answer says nothing of what was done.

        Errors: Unreachable.
        """
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from urllib3.exceptions import HTTPError

        try:
            return self._once(method, url, body, content_type)
        except (ApiException, ConfigException, HTTPError, OSError) as error:
            raise self._explained(error) from error

    def _once(self, method: str, url: str, body: Any = None, content_type: str = "") -> Reply:
        from urllib3 import HTTPHeaderDict

        headers = HTTPHeaderDict(self._as)
        if content_type:
            headers["Content-Type"] = content_type
        headers["Accept"] = "application/json, */*"
        headers["Accept-Encoding"] = "gzip"
        headers["User-Agent"] = user_agent()
        with self._lock:  # a token that is about to expire is renewed here, and a plug-in is not to run eight times
            self.requests += 1
            self._client.update_params_for_auth(headers, [], ["BearerToken"], url, method, None)
        response = self._client.call_api(
            method, self.host + url, header_params=headers, body=body, _request_timeout=self._timeout
        )
        body = response.read()
        return Reply(int(response.status), body, {name.lower(): value for name, value in response.headers.items()})

    def _explained(self, error: Exception) -> Unreachable:
        """What an error of the official client, of urllib3 or of the system means. The order is that of subclasses."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException
        from urllib3 import exceptions as urllib3

        said, (connect_s, read_s) = _reason(error), self._timeout
        if isinstance(error, ConfigException):
            return Unreachable("cluster-unauthenticated", f"cannot sign in to {self.host}: {said}")
        if isinstance(error, ApiException | urllib3.SSLError):
            hint = f"compare certificate-authority and server of context {self.context} with the cluster's"
            return Unreachable("cluster-not-trusted", f"TLS with {self.host} failed: {said}", hint)
        sentences = {
            urllib3.ProtocolError: f"{self.host} cut the connection twice ({said})",
            urllib3.ProxyError: f"cannot connect to the proxy on the way to {self.host}: {said}",
            urllib3.NewConnectionError: f"cannot connect to {self.host}: {said}",
            urllib3.ConnectTimeoutError: f"{self.host} did not accept a connection within {connect_s:g} s",
            urllib3.TimeoutError: f"{self.host} did not answer within {read_s:g} s",
            Exception: f"cannot connect to {self.host}: {said}",
        }
        why = next(sentence for kind, sentence in sentences.items() if isinstance(error, kind))
        hint = f"check that the network reaches {self.host} (VPN, proxy, allowed addresses) and that the cluster runs"
        return Unreachable("cluster-unreachable", why, hint)


def json_of(reply: Reply) -> Any:
    """The body as JSON, or None where it is none."""
    try:
        return json.loads(reply.body)
    except ValueError:
        return None


def message_of(reply: Reply) -> str:
    """What the server says about a request that it did not serve: the Status' message, else the start of the text."""
    parsed = json_of(reply)
    if isinstance(parsed, dict) and isinstance(parsed.get("message"), str):
        return str(parsed["message"])
    return reply.body[:200].decode("utf-8", "replace").strip() or "no text"


def _configure(configuration: Any, kubeconfig: str | None, context: str | None) -> tuple[str, str]:
    """Fills the official client's configuration; returns the names of the context and of its namespace."""
    from kubernetes.config import incluster_config

    listed = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = [os.path.expanduser(path) for path in listed.split(os.pathsep) if path]
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME)
    if any(os.path.exists(path) for path in paths):
        return _from_files(configuration, paths, context)
    if kubeconfig or context or not token.exists():
        hint = "give --kubeconfig, or set KUBECONFIG to the file that kubectl uses"
        raise Unreachable("kubeconfig-not-found", f"there is no kubeconfig at {listed}", hint)
    try:
        incluster_config.load_incluster_config(client_configuration=configuration)
    except Exception as error:  # the loader raises its own class, and those of open() and of missing variables
        raise Unreachable("in-cluster-incomplete", f"the pod's service account cannot be used: {error}") from error
    beside = token.with_name("namespace")
    return "in-cluster", beside.read_text().strip() if beside.exists() else "default"


def _from_files(configuration: Any, paths: list[str], context: str | None) -> tuple[str, str]:
    from kubernetes.config import kube_config

    listed = os.pathsep.join(paths)
    with _logged_errors() as logged:
        try:
            merger = kube_config.KubeConfigMerger(listed)
            name = _chosen(context, listed, list(merger.config_files.values()))
            loader = kube_config.KubeConfigLoader(
                merger.config, name, config_base_path=None, config_persister=merger.save_changes
            )
            loader.load_and_set(configuration)
            settings = loader.current_context["context"]
        except Unreachable:
            raise
        except Exception as error:  # the loader trips over a broken file with almost any class
            hint = "`kubectl config view` shows what kubectl makes of it"
            raise Unreachable(
                "kubeconfig-invalid", f"kubeconfig {listed} cannot be used: {_reason(error)}", hint
            ) from error
    if logged and not configuration.api_key and not configuration.cert_file:
        # The loader only logs that a plug-in failed, and would go on as system:anonymous.
        why = f"the sign-in plug-in of context {name} failed: {'; '.join(logged)}"
        hint = f"run the command that kubeconfig {listed} names under users, exec; it has to print a token"
        raise Unreachable("kubeconfig-sign-in-failed", why, hint)
    return name, str(settings.get("namespace") or "default")


def _chosen(context: str | None, listed: str, files: list[Any]) -> str:
    """The name of the context to use. As in kubectl, the first file that names a current context decides."""
    name = context or next((file["current-context"] for file in files if file.get("current-context")), "")
    known = sorted({str(entry["name"]) for file in files for entry in file.get("contexts") or []})
    if name in known:
        return str(name)
    found = f"has {', '.join(known)}" if known else "has no contexts"
    hint = "give --context; `kubectl config get-contexts` lists them"
    if not name:
        raise Unreachable("context-not-set", f"kubeconfig {listed} has no current context; it {found}", hint)
    raise Unreachable("context-unknown", f"kubeconfig {listed} has no context {name}; it {found}", hint)


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """What is logged as an error meanwhile. The official loader reports a failing exec plug-in in no other way."""
    texts: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield texts
    finally:
        root.removeHandler(handler)


def _spare_loopback_the_proxy(configuration: Any) -> None:
    from urllib.request import getproxies  # 50 ms of imports

    # kubectl does not send loopback through HTTPS_PROXY (Go's ProxyFromEnvironment), so kind and tunnels work there.
    # A proxy-url of the kubeconfig itself stays.
    local = urlsplit(configuration.host).hostname in ("localhost", "127.0.0.1", "::1")
    if local and configuration.proxy in getproxies().values():
        configuration.proxy = None


def _reason(error: BaseException) -> str:
    """The sentence in an error that wraps others, without the connection object that urllib3 puts before it."""
    cause = getattr(error, "original_error", None) or getattr(error, "reason", None) or error
    return re.sub(r"^(HTTPS?Connection\(.*?\)|<.*?>): ", "", " ".join(str(cause).split())) or type(error).__name__
