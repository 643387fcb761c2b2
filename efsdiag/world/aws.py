"""The live AWS source: one botocore operation for each query, pages merged, as the AWS CLI would print it.

Endpoints, profiles and credentials come from the usual chain (AWS_PROFILE, AWS_ENDPOINT_URL, ~/.aws/config, the
instance). boto3 and botocore are imported with the first query.
"""

from __future__ import annotations

import threading
from typing import Any

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS
from efsdiag.world.aws_calls import FILTER_OF, arguments_of, as_filter, in_parts, merged, plain
from efsdiag.world.aws_errors import Kind, kind_of, sentence
from efsdiag.world.errors import Unreachable
from efsdiag.world.retry import user_agent

SERVICES = ("sts", "ec2", "efs", "iam", "eks")
CONNECT_TIMEOUT_S = 5.0

# Who is asking, and IAM, can be read without a region; botocore finds that out only for its own endpoints.
_GLOBAL = {"sts": "aws-global", "iam": "aws-global"}
_NETWORK_HINT = "check the region's spelling and that the network reaches AWS (VPN, proxy, VPC endpoints)"


class AwsSource:
    """Answers the sts:, ec2:, efs:, iam: and eks: queries of operations.READS; may be shared by threads.

    Shape:   the operation's output as the AWS CLI prints it: all pages, times as ISO 8601 in UTC, IAM policy documents
             decoded, without ResponseMetadata. None where what was asked about does not exist.
    Queries: a parameter "Filter.<name>" becomes an EC2 filter; the others are the operation's own.
    Errors:  Unreadable where AWS refuses, throttles, times out or cannot be reached, and where nobody is signed in.
    """

    def __init__(
        self,
        profile: str | None = None,
        region: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        endpoint_url: str | None = None,
        timeout_s: float = 20.0,
        attempts: int = 4,
        session: Any = None,
    ) -> None:
        """`attempts` counts the first one too. `session` is a boto3.Session to use in place of `profile`."""
        self._profile = profile
        self._region = region or ""
        self._role_arn = role_arn
        self._external_id = external_id
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._session = session
        self._credentials_found = False
        self._clients: dict[str, Any] = {}
        self._out_of_reach: dict[str, str] = {}
        self._lock = threading.RLock()
        self._answered = False
        self._trouble: Unreachable | None = None
        self._requests = 0

    @property
    def requests(self) -> int:
        """HTTP requests sent to AWS so far: pages, repeated ones and those for signing in included."""
        return self._requests

    @property
    def trouble(self) -> Unreachable | None:
        """Why nothing could be asked: set where queries failed for sign-in or network and none was ever answered."""
        return None if self._answered else self._trouble

    @property
    def unauthenticated(self) -> bool:
        """True where nobody is signed in: no credentials, expired ones, or a role that cannot be assumed."""
        return self.trouble is not None and self.trouble.reference == "aws-signed-out"

    @property
    def region(self) -> str:
        """The region that was given or set, else the one of the profile and environment; "" where there is none."""
        if self._region:
            return self._region
        try:
            return str(self._signed_in(None).region_name or "")
        except Unreadable:
            return ""

    def set_region(self, region: str) -> None:
        """Asks in `region` from now on (the CLI learns it from the nodes)."""
        with self._lock:
            self._region = region
            self._clients.clear()
            self._out_of_reach.clear()

    def __call__(self, query: Query) -> Answer:
        service, _, operation = query.operation.partition(":")
        if query.operation not in READS or service not in SERVICES:
            raise ValueError(f"operation-not-a-read: {query.operation!r} is not an AWS read")
        client = self.client(service, query)
        arguments = arguments_of(query, client.meta.service_model.operation_model(operation))
        answers = [self._answer(query, client, operation, part) for part in in_parts(arguments)]
        return merged([answer for answer in answers if answer is not None])

    def _answer(self, query: Query, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """The answer for one set of arguments; where some of several ids are gone, that for the ids that are left."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer = _ask(client, operation, arguments)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            kind = kind_of(error, operation)
            if kind is not Kind.ABSENT:
                raise self._unreadable(query, kind, error) from error
            self._answered = True
            several = as_filter(arguments)
            left = self._answer(query, client, operation, several) if several else None
            return left if left and any(left.values()) else None
        self._answered = True
        return answer

    def client(self, service: str, query: Query | None = None) -> Any:
        """The signed-in botocore client of a service. Errors: Unreadable, about `query`."""
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if service in self._out_of_reach:
                raise Unreadable(query, self._out_of_reach[service], _NETWORK_HINT)
            if service in self._clients:
                return self._clients[service]
            session = self._signed_in(query)
            config = Config(
                connect_timeout=min(CONNECT_TIMEOUT_S, self._timeout_s),
                read_timeout=self._timeout_s,
                retries={"mode": "standard", "total_max_attempts": self._attempts},
                user_agent_extra=user_agent(),
            )
            region = self._region or session.region_name or _GLOBAL.get(service)
            given = {"region_name": region, "endpoint_url": self._endpoint_url}
            try:
                self._clients[service] = session.client(service, config=config, **given)
            except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is not a URL
                raise self._unreadable(query, kind_of(error, ""), error) from error
            return self._clients[service]

    def _signed_in(self, query: Query | None) -> Any:
        """The session, once credentials were found for it. Looking for them can take seconds, so it is done once."""
        import boto3
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if self._credentials_found:
                return self._session
            if self.unauthenticated and self._trouble:
                raise Unreadable(query, self._trouble.message, self._trouble.hint)
            try:
                session = self._session or boto3.Session(profile_name=self._profile)
                self._listen(session)
                found = session.get_credentials()
                if found is not None and self._role_arn:
                    session = _as_role(session, self._role_arn, self._external_id, self._endpoint_url)
                    self._listen(session)
            except BotoCoreError as error:
                raise self._unreadable(query, Kind.SIGNED_OUT, error) from error
            if found is None:
                raise self._unreadable(query, Kind.SIGNED_OUT, "no credentials were found")
            self._session, self._credentials_found = session, True
            return session

    def _listen(self, session: Any) -> None:
        session.events.register_first("before-send", self._count)
        session.events.register("before-parse", _no_html)

    def _count(self, **_: Any) -> None:
        with self._lock:
            self._requests += 1

    def _unreadable(self, query: Query | None, kind: Kind, error: Exception | str) -> Unreadable:
        """The error of `kind` as the user reads it; keeps account of whether AWS answers this caller at all."""
        said = error if isinstance(error, str) else sentence(error)
        operation = query.operation if query else "AWS"
        if kind is Kind.SIGNED_OUT:
            self._trouble = Unreachable("aws-signed-out", f"nobody is signed in to AWS: {said}", self.sign_in_hint())
            return Unreadable(query, self._trouble.message, self._trouble.hint)
        if kind is Kind.NO_REGION:
            return Unreadable(query, f"{operation} needs a region, and none is set", "give --region, or set AWS_REGION")
        if kind in (Kind.NO_CONNECTION, Kind.NO_ANSWER):
            why = f"{operation} got no answer: {said}"
            self._trouble = self._trouble or Unreachable("aws-unreachable", why, _NETWORK_HINT)
            if kind is Kind.NO_CONNECTION:
                # Each later query of the service would wait as long again, for the same.
                with self._lock:
                    self._out_of_reach[operation.partition(":")[0]] = why
            return Unreadable(query, why, _NETWORK_HINT)
        self._answered = True
        if kind is Kind.REFUSED:
            return Unreadable(query, f"AWS refuses {operation}: {said}", f"allow {READS[operation].permission}")
        if kind is Kind.THROTTLED:
            why = f"{operation} was throttled {self._attempts} times: {said}"
            return Unreadable(query, why, "try again in a minute, when fewer clients call the API")
        return Unreadable(query, f"{operation} failed: {said}")

    def sign_in_hint(self) -> str:
        """What signs the reader in to AWS."""
        profile = f" --profile {self._profile}" if self._profile else ""
        hint = f"sign in with `aws sso login{profile}` or `aws configure{profile}`"
        if self._role_arn:
            return f"allow sts:AssumeRole on {self._role_arn}, to the caller and in its trust policy; or {hint}"
        return hint


def _as_role(session: Any, role_arn: str, external_id: str | None, endpoint_url: str | None) -> Any:
    """A session like `session` that acts as the role, assumed with the first call and renewed before it expires."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import Session

    def sts(service: str, **settings: Any) -> Any:
        return session.client(service, endpoint_url=endpoint_url, **settings)

    class Provider:
        METHOD = CANONICAL_NAME = "efsdiag-role"

        def load(self) -> Any:
            extra = {"RoleSessionName": "efsdiag", **({"ExternalId": external_id} if external_id else {})}
            fetcher = AssumeRoleCredentialFetcher(sts, session.get_credentials(), role_arn, extra_args=extra)
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    acting = Session(profile=None if session.profile_name == "default" else session.profile_name)
    acting.get_component("credential_provider").providers.insert(0, Provider())
    return boto3.Session(botocore_session=acting, region_name=session.region_name)


def _no_html(response_dict: dict[str, Any], **_: Any) -> None:
    """Refuses a proxy's sign-in page, which botocore's JSON parser would read as an answer without any items."""
    from botocore.parsers import ResponseParserError

    start = response_dict["body"][:100].lstrip().lower()
    if start.startswith((b"<html", b"<!doctype html")):
        raise ResponseParserError(f"the answer is a web page ({response_dict['status_code']}), not one of AWS")


def _ask(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
    """The whole answer of one operation, as JSON has it."""
    from botocore import xform_name

    method = xform_name(operation)
    if client.can_paginate(method):
        paging = {"PageSize": _page_size(client, operation)} if not FILTER_OF.keys() & arguments.keys() else {}
        pages = client.get_paginator(method).paginate(**arguments, PaginationConfig=paging)
        return plain(pages.build_full_result())
    answer = getattr(client, method)(**arguments)
    answer.pop("ResponseMetadata", None)
    return plain(answer)


def _page_size(client: Any, operation: str) -> int | None:
    """The most items that the operation gives in a page; None where its own default is as good."""
    service = client.meta.service_model.service_name
    shape = client.meta.service_model.operation_model(operation).input_shape
    most = [shape.members[name].metadata.get("max") for name in ("MaxResults", "MaxItems") if name in shape.members]
    # Without a size EC2 gives everything in one page, and times out on large accounts.
    return next((int(size) for size in most if size), 500 if service == "ec2" else None)
