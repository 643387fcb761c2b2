"""The only writes: the changes of a plan that was agreed to, in Kubernetes, in AWS and by Helm.

A `Writer` is made for one plan and one consent, and refuses whatever is not in that plan. Each call is made once: what
a second call would do is for whoever reads the journal to decide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from efsdiag.changes import (
    Change,
    Consent,
    ConsentError,
    Lookup,
    Plan,
    Trouble,
    Write,
    WriteFailed,
    verify_consent,
    with_lookups,
)
from efsdiag.model import Source, Unreadable
from efsdiag.redaction import is_redacted, redacted_text
from efsdiag.world.aws import AwsSource
from efsdiag.world.aws_errors import Kind, kind_of, sentence
from efsdiag.world.errors import Unreachable
from efsdiag.world.helm import Helm
from efsdiag.world.helm_writes import rehearse_release, release_holds, write_release
from efsdiag.world.json_patch import contains, holds_already
from efsdiag.world.kube_http import Cluster, message_of
from efsdiag.world.retry import Reply
from efsdiag.writes import MANAGED, WRITES, WriteOperation

FIELD_MANAGER = "efsdiag"
_SUCCESS = range(200, 300)
_LACKS_RIGHT = '" cannot '
"""What stands in a 403 for a missing right (`User "jane" cannot create …`). Quotas, Pod Security, webhooks, and a
namespace that is being deleted are answered by 403 too, and no right mends them.
https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/responsewriters/errors.go"""


class Writer:
    """Carries out the writes of one plan. `cluster` and `aws` may act as other identities than those that read.

    Errors: ConsentError for a consent to another plan, and for a write that the plan does not have.
    """

    def __init__(
        self,
        plan: Plan,
        consent: Consent,
        cluster: Cluster,
        aws: AwsSource,
        read: Source,
        helm: Helm | None = None,
        *,
        undoing: bool = False,
    ) -> None:
        """With `undoing`, the plan's undo is what was agreed to, and the only thing that is carried out."""
        verify_consent(plan, consent)
        writes: Iterable[Write | None] = (c.undo if undoing else c.write for c in plan.changes)
        known = [w for w in writes if w is not None]
        self._allowed = [w.as_json() for w in known]
        made = [w.parameters["object"] for w in known if w.operation == "kube:create namespaces"]
        # Nothing can be rehearsed in a namespace that is only to be made.
        self._new_namespaces = {str(thing["metadata"]["name"]) for thing in made}
        self._cluster = cluster
        self._aws = aws
        self._read = read
        self._helm = helm

    def rehearse(self, write: Write) -> None:
        """A dry run where there is one: all of Kubernetes and Helm, and the EC2 operations that have DryRun."""
        self._verify(write)
        try:
            self._rehearse(write)
        except WriteFailed as failure:
            if failure.trouble not in (Trouble.THERE, Trouble.GONE):
                raise

    def _rehearse(self, write: Write) -> None:
        if write.operation.startswith("kube:"):
            if write.parameters.get("namespace") not in self._new_namespaces and self._is_known(write):
                self._kube(write, dry=True)
            return
        if write.operation.startswith("helm:"):
            if self._is_known(write):
                rehearse_release(self._program(), write, self._parameters(write))
            return
        client, operation = self._client(write)
        model = client.meta.service_model.operation_model(operation)
        if model.input_shape is not None and "DryRun" in model.input_shape.members and self._is_known(write):
            self._call(write, client, operation, {**self._parameters(write), "DryRun": True})

    def write(self, write: Write) -> Any:
        """Carries it out, once."""
        self._verify(write)
        if write.operation.startswith("kube:"):
            return self._kube(write, dry=False)
        if write.operation.startswith("helm:"):
            return write_release(self._program(), write, self._parameters(write))
        client, operation = self._client(write)
        return self._call(write, client, operation, self._parameters(write))

    def holds(self, change: Change) -> bool | None:
        """Whether the world is as the change would make it; None where that cannot be told."""
        if change.write.operation.startswith("kube:"):
            return self._kube_holds(change.write)
        if change.write.operation.startswith("helm:"):
            return release_holds(self._program(), change.write, change.write.parameters)
        lookups = [v for v in (change.undo.parameters.values() if change.undo else ()) if isinstance(v, Lookup)]
        return all(self._looked_up(lookup) is not None for lookup in lookups) if lookups else None

    def _verify(self, write: Write) -> None:
        if write.as_json() not in self._allowed:
            raise ConsentError(f"{write.operation} with these parameters is not part of what was agreed to")
        if is_redacted(write.parameters):
            says = f"{write.operation}: what is to be written was redacted, and is not known"
            raise WriteFailed(Trouble.INVALID, says)

    def _parameters(self, write: Write) -> dict[str, Any]:
        """The parameters with what is looked up. Errors: WriteFailed where there is nothing to be found."""
        found: dict[str, Any] = {}
        takes_away = write.operation.startswith("kube:delete") or bool(WRITES[write.operation].gone)
        missing = Trouble.GONE if takes_away else Trouble.INVALID
        for name, given in write.parameters.items():

            def look(lookup: Lookup, name: str = name) -> Any:
                value = self._looked_up(lookup)
                if value is None:
                    raise WriteFailed(missing, f"{write.operation}: there is no {name} left")
                return value

            found[name] = with_lookups(given, look)
        return found

    def _is_known(self, write: Write) -> bool:
        """Whether all that is looked up for the write is there, and not yet to be made by a change before it."""
        try:
            self._parameters(write)
        except WriteFailed as failure:
            if failure.trouble is Trouble.INVALID:
                return False
            raise
        return True

    def _program(self) -> Helm:
        if self._helm is None:
            raise WriteFailed(Trouble.REFUSED, "helm is not at hand here, and releases are made by it")
        return self._helm

    def _looked_up(self, lookup: Lookup) -> Any:
        import jmespath

        try:
            answer = self._read(lookup.query)
        except Unreadable as error:
            raise WriteFailed(Trouble.REFUSED, error.why, error.grant) from error
        return jmespath.search(lookup.path, answer) if answer is not None else None

    def _client(self, write: Write) -> tuple[Any, str]:
        service, _, operation = write.operation.partition(":")
        try:
            return self._aws.client(service), operation
        except Unreadable as error:
            raise WriteFailed(Trouble.REFUSED, error.why, error.grant) from error

    def _call(self, write: Write, client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer = getattr(client, xform_name(operation))(**parameters)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise self._aws_failure(WRITES[write.operation], error, operation) from error
        answer.pop("ResponseMetadata", None)
        return answer

    def _aws_failure(self, known: WriteOperation, error: Exception, operation: str) -> WriteFailed:
        from botocore.parsers import ResponseParserError

        response = getattr(error, "response", None) or {}
        code = str(response.get("Error", {}).get("Code", ""))
        says = redacted_text(f"{known.operation}: {sentence(error)}")
        if code == "DryRunOperation" or code in known.already:
            return WriteFailed(Trouble.THERE, says)
        if code in known.gone:
            return WriteFailed(Trouble.GONE, says)
        if any(code == known_code and words in str(error) for known_code, words in known.early):
            return WriteFailed(Trouble.EARLY, says)
        if code in ("DependencyViolation", "FileSystemInUse"):
            return WriteFailed(Trouble.IN_USE, says, "go on when it is used no more")
        kind = kind_of(error, operation)
        if kind is Kind.REFUSED:
            return WriteFailed(Trouble.REFUSED, says, f"allow {', '.join(known.permissions)}")
        if kind is Kind.SIGNED_OUT:
            return WriteFailed(Trouble.REFUSED, says, self._aws.sign_in_hint())
        if kind is Kind.THROTTLED:
            return WriteFailed(Trouble.THROTTLED, says, "try again in a minute")
        # An answer that cannot be read, or that says that AWS itself failed, leaves open whether it happened.
        failed = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
        if failed or kind in (Kind.NO_CONNECTION, Kind.NO_ANSWER) or isinstance(error, ResponseParserError):
            return WriteFailed(Trouble.LOST, says)
        return WriteFailed(Trouble.INVALID, says)

    def _kube(self, write: Write, *, dry: bool) -> Any:
        verb, given = write.operation.removeprefix("kube:").partition(" ")[0], write.parameters
        query = f"?fieldManager={FIELD_MANAGER}{'&dryRun=All' if dry else ''}"
        path = _path(write, WRITES[write.operation])
        if verb == "create":
            reply = self._send("POST", path + query, self._parameters(write)["object"], "application/json")
        elif verb == "patch":
            reply = self._send("PATCH", path + query, given["patch"], "application/json-patch+json")
        else:
            uid = self._parameters(write)["uid"]
            options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
            options |= {"dryRun": ["All"]} if dry else {}
            reply = self._send("DELETE", path, options, "application/json")
        if reply.status not in _SUCCESS:
            raise self._kube_failure(write, reply)
        try:
            return json.loads(reply.body)
        except ValueError as error:
            message = redacted_text(message_of(reply))
            says = f"{write.operation}: {reply.status}, but no answer of Kubernetes: {message}"
            raise WriteFailed(Trouble.LOST, says) from error

    def _kube_failure(self, write: Write, reply: Reply) -> WriteFailed:
        name = write.parameters.get("name", "")
        says = redacted_text(f"{write.operation} {name}: {reply.status} {message_of(reply)}")
        if reply.status == 409 and write.operation.startswith("kube:create") and self._kube_holds(write):
            return WriteFailed(Trouble.THERE, says)
        if reply.status in (409, 422) and "patch" in write.parameters and self._kube_holds(write):
            return WriteFailed(Trouble.THERE, says)
        if reply.status == 404 and write.operation.startswith("kube:delete"):
            return WriteFailed(Trouble.GONE, says)
        if reply.status == 401:
            hint = (
                f"sign in again: the token or certificate of context {self._cluster.context} is not accepted any more"
            )
            return WriteFailed(Trouble.REFUSED, says, hint)
        if reply.status == 403:
            grant = f"allow {', '.join(WRITES[write.operation].permissions)}"
            return WriteFailed(Trouble.REFUSED, says, grant if _LACKS_RIGHT in message_of(reply) else "")
        if reply.status == 409 or (reply.status == 422 and "patch" in write.parameters):
            return WriteFailed(Trouble.CONFLICT, says)
        if reply.status == 429:
            return WriteFailed(Trouble.THROTTLED, says, "try again in a minute")
        return WriteFailed(Trouble.LOST if reply.status >= 500 else Trouble.INVALID, says)

    def _kube_holds(self, write: Write) -> bool | None:
        verb = write.operation.removeprefix("kube:").partition(" ")[0]
        if verb == "delete":
            return None
        name = write.parameters.get("name") or write.parameters["object"]["metadata"]["name"]
        path = _path(write, WRITES[write.operation]).removesuffix(f"/{name}")
        reply = self._send("GET", f"{path}/{quote(name, safe='')}", None, "")
        if reply.status == 404:
            return False
        if reply.status not in _SUCCESS:
            return None
        found = json.loads(reply.body)
        if verb == "create":
            labels = (found.get("metadata") or {}).get("labels") or {}
            # What is not there to be looked up is null, and no object holds that.
            wanted = with_lookups(write.parameters["object"], self._looked_up)
            return MANAGED.items() <= labels.items() and contains(found, wanted)
        return holds_already(found, write.parameters["patch"])

    def _send(self, method: str, url: str, body: Any, content_type: str) -> Reply:
        try:
            return self._cluster.send(method, url, body, content_type)
        except Unreachable as error:
            raise WriteFailed(Trouble.LOST, error.message) from error


def _path(write: Write, known: WriteOperation) -> str:
    """The API path of the write: of the object, or of the collection for a create."""
    verb, _, resource = write.operation.removeprefix("kube:").partition(" ")
    root = "/api/v1" if known.group == "v1" else f"/apis/{known.group}"
    scope = f"/namespaces/{quote(write.parameters['namespace'], safe='')}" if known.namespaced else ""
    tail = "" if verb == "create" else f"/{quote(write.parameters['name'], safe='')}"
    return f"{root}{scope}/{resource}{tail}"
