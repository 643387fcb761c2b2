"""Which names of variables, keys, flags and parameters say that their value is a secret."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def one_of(words: str) -> frozenset[str]:
    """The words of the text."""
    return frozenset(words.split())


_STRONG = tuple(
    one_of(
        "password passwords passwd passwort passphrase passcode secret secrets token tokens credential credentials "
        "apikey htpasswd"
    )
)
"""A name with a word that ends so holds a secret, unless its last word is one of _OTHERWISE."""
_WEAK = one_of(
    "pass pwd pw auth authorization jwt bearer cookie cookies dsn signature creds cred userdata accesskey secretkey "
    "privatekey authkey accountkey sig sessionid jsessionid phpsessid dockerconfigjson dockercfg kubeconfig netrc"
)
"""A name that ends in one of these words holds a secret."""
_KEYS = one_of(
    "api access secret private signing signature encryption encrypt encrypted master license account storage ssh app "
    "auth client session shared ssl tls jwt hmac cookie webhook deploy rsa gpg pgp crypt crypto admin root security "
    "aes decryption service server host push project write read integration ingest"
)
"""What a key is that is no label's and no map's: "encryption key", "api key"."""
_OTHERWISE = one_of(
    "file files path paths dir directory folder name names namespace namespaces ref refs reference arn arns id ids ttl "
    "expiration expiry expires seconds minutes hours duration timeout interval period enabled enable disabled disable "
    "required allowed type types kind format version length size count policy provider providers audience audiences "
    "issuer endpoint address port region mode algorithm role roles class projection request requests rotation age "
    "store backend engine manager controller operator driver review reviews template prefix suffix field selector "
    "label labels header headers location source mount mounts volume volumes at time limit rate user username account "
    "url urls uri uris sync reloader reload checksum found cluster "
    "project service scheme method methods reuse hops hop"
)
"""A last word that says that the value is something about the secret: the name of one, the file it is in."""
_NEUTRAL = one_of("data value string text base64 plain default new old current raw encoded env json yaml")
"""Words behind the one that counts: "client-key-data", "ADMIN_AUTH_VALUE"."""
_HOLDS_VALUE = one_of("value text data plain plaintext plain_text")
_PAIRS = {("access", "key", "id"), ("secret", "id"), ("connection", "string"), ("user", "data"), ("session", "id")}
_NO_PASSWORD = one_of("bypass compass encompass trespass")
_AN_ERROR = one_of("invalid expired missing unrecognized unknown bad malformed no without wrong")
"""InvalidIdentityToken is the name of an error: what stands behind it is a sentence."""
_NO_SECRET = one_of(
    # Of AWS: what makes a call idempotent, or goes on with a list; the metadata service's way of giving tokens.
    "clienttoken creationtoken nexttoken paginationtoken continuationtoken clientrequesttoken httptokens "
    # Of Kubernetes: whether there is a token, not what it is.
    "automountserviceaccounttoken serviceaccounttoken imagepullsecrets imagepullsecret"
)


@lru_cache(maxsize=16384)
def is_secret_name(name: str) -> bool:
    """Whether a value of that name is a secret: "DB_PASSWORD", "--api-token", "clientSecret"; not "secretName"."""
    words = [word for word in (found.lower() for found in _WORD.findall(name)) if not word.isdigit()]
    while len(words) > 1 and words[-1] in _NEUTRAL and tuple(words[-2:]) not in _PAIRS:
        words.pop()
    if not words or words[0] in _AN_ERROR or "".join(words) in _NO_SECRET:
        return False
    if tuple(words[-2:]) in _PAIRS or tuple(words[-3:]) in _PAIRS:
        return True
    if words[-1] in _OTHERWISE:
        return False
    if words[-1] in ("key", "keys"):
        return len(words) > 1 and words[-2] in _KEYS
    if words[-1].endswith(("pass", "auth", "pwd")):
        return words[-1] not in _NO_PASSWORD
    return words[-1] in _WEAK or any(word.endswith(_STRONG) for word in words)


def is_value_name(name: str) -> bool:
    """Whether it is a member in which the value of what is named around it stands: "value", "text"."""
    return name.lower() in _HOLDS_VALUE
