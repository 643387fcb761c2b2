"""What the errors of AWS and botocore mean for a read. Pure: errors in, kinds and sentences out, nothing imported."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Kind(Enum):
    """How a read failed."""

    ABSENT = "what was asked about does not exist"
    REFUSED = "the identity lacks a permission"
    SIGNED_OUT = "there are no credentials that AWS accepts"
    THROTTLED = "too many requests"
    NO_REGION = "no region is set"
    NO_CONNECTION = "the endpoint was never reached"
    NO_ANSWER = "the connection failed on the way, or timed out"
    OTHER = "an answer that is none of these"


_ABSENT = {
    "AccessPointNotFound",
    "FileSystemNotFound",
    "MountTargetNotFound",
    "NoSuchEntity",
    "NoSuchEntityException",
    "PolicyNotFound",
    "ResourceNotFoundException",
}
_REFUSED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "Client.UnauthorizedOperation",
    "NotAuthorized",
    "UnauthorizedOperation",
}
_SIGNED_OUT = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
_THROTTLED = {
    "429",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# Classes by name, because botocore grows new ones (LoginError) that older releases do not have.
_CLASSES = (
    (Kind.NO_REGION, {"NoRegionError"}),
    (
        Kind.SIGNED_OUT,
        {
            "ConfigNotFound",
            "ConfigParseError",
            "CredentialRetrievalError",
            "InvalidConfigError",
            "LoginError",
            "MetadataRetrievalError",
            "MissingDependencyException",
            "NoAuthTokenError",
            "NoCredentialsError",
            "PartialCredentialsError",
            "ProfileNotFound",
            "RefreshWithMFAUnsupportedError",
            "SSOError",
            "TokenRetrievalError",
            "UnknownCredentialError",
        },
    ),
    (Kind.NO_CONNECTION, {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"}),
    (Kind.NO_ANSWER, {"HTTPClientError", "ConnectionError"}),
)


def kind_of(error: Any, operation: str) -> Kind:
    """How the read of `operation` ("DescribeVpcs") failed with `error`, a ClientError or any other of botocore's."""
    if not _is_answer(error):
        names = {kind.__name__ for kind in type(error).__mro__}
        return next((kind for kind, classes in _CLASSES if names & classes), Kind.OTHER)
    if error.operation_name != operation:
        # Signing the call needed another one first: AssumeRole of a role, GetRoleCredentials of single sign-on.
        return Kind.SIGNED_OUT
    code, message = _code_and_message(error)
    if code in _ABSENT or _names_nothing(code, message):
        return Kind.ABSENT
    tables = ((Kind.REFUSED, _REFUSED), (Kind.SIGNED_OUT, _SIGNED_OUT), (Kind.THROTTLED, _THROTTLED))
    return next((kind for kind, codes in tables if code in codes), Kind.OTHER)


def sentence(error: Any) -> str:
    """What AWS or botocore says, with the code, on one line."""
    if not _is_answer(error):
        return " ".join(str(error).split())
    code, message = _code_and_message(error)
    # EC2 adds a kilobyte that only sts:DecodeAuthorizationMessage can read.
    message = " ".join(message.partition("Encoded authorization failure message")[0].split())
    return f"{message} ({code})" if message else code


def _names_nothing(code: str, message: str) -> bool:
    """True where an id belongs to nothing (InvalidVpcID.NotFound), or cannot be an id of anything at all."""
    if code.startswith("Invalid") and code.endswith((".NotFound", ".Malformed")):
        return True
    # EFS checks the pattern of an id first: a file system "fs-typo" in a volume handle does not exist.
    return code in ("ValidationException", "ValidationError") and "regular expression pattern" in message


def _is_answer(error: Any) -> bool:
    """True for a ClientError: AWS answered. (botocore's time-outs have a `response` too, that of `requests`.)"""
    return hasattr(error, "operation_name")


def _code_and_message(error: Any) -> tuple[str, str]:
    said = error.response.get("Error", {})
    return str(said.get("Code", "")), str(said.get("Message", ""))
