"""The words of names: which are to be replaced, and by what."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from efsdiag.pseudonyms.addresses import Addresses
from efsdiag.pseudonyms.vocabulary import WORD, vocabulary

_NAMED_BY = frozenset(
    """
    namespace nodeName serviceAccountName serviceAccount claimName volumeName storageClassName secretName hostname host
    hostName subdomain priorityClassName generateName externalName clusterName ClusterName RoleName InstanceProfileName
    GroupName PolicyName UserName KeyName RoleSessionName SessionName context PrivateDnsName PublicDnsName
    persistentVolume
    """.split()  # noqa: SIM905
)
"""Fields that hold a name."""
_HOLDERS = re.compile(r"metadata|ownerReferences|.*Ref|.*Reference|configMap|involvedObject|regarding|related|subjects")
"""Objects whose field "name" is a name of an object."""
_VALUES_OF = frozenset(("labels", "matchLabels", "nodeSelector"))
_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z]{1,10}-[0-9a-f]{8}(?:[0-9a-f]{9})?(?![\w-])"
    r"|[0-9a-f]{14,}"
)
"""A UUID, an id of AWS (fs-, sg-, i-), a checksum: what a machine chose, and says nothing."""
_ARN = re.compile(r"arn:aws[\w-]*:[\w-]*:[\w-]*:(?P<account>\d{12}):(?P<name>[\w/.:@+=,-]*)")
_HOST = re.compile(r"://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2,})")
_IMAGE = re.compile(r"[\w.-]+(?::\d+)?(?:/[\w.-]+)*")
_ACCOUNT_FIELDS = frozenset(("Account", "OwnerId", "AccountId", "accountId", "UserId"))
_ACCOUNT = re.compile(r"\d{12}")
_OF_AWS = frozenset(("602401143452", "800184023465", "877085696533", "918309763551"))
"""Accounts from which AWS gives images to everybody."""
_PATTERN = re.compile(r"([A-Za-z0-9]+)[*?]|[*?]([A-Za-z0-9]+)")
_AMOUNT = re.compile(r"\d+[a-z]{0,2}")
LEAST = 3
"""Letters of the shortest word that is replaced: a shorter one would be found in any sentence."""
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


class Names:
    """What is replaced: words of names, and account ids; collected from answers, then looked for everywhere."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._patterns: set[str] = set()
        self.accounts: set[str] = set()

    def collect(self, value: Any, holder: str = "") -> None:
        """The names in an answer, at whatever depth."""
        if isinstance(value, Mapping):
            self._collect_fields(value, holder)
        elif isinstance(value, list | tuple):
            for item in value:
                self.collect(item, holder)
        elif isinstance(value, str):
            self._collect_text(value)

    def collect_name(self, name: str) -> None:
        """The words of one name, less the ids in it."""
        self._words.update(word.lower() for word in WORD.findall(_ID.sub(" ", name)))

    @property
    def words(self) -> frozenset[str]:
        """The words to be replaced, in lower case."""
        known = vocabulary()
        return frozenset(
            word
            for word in self._words
            if word not in known
            and len(word) >= LEAST
            and not _AMOUNT.fullmatch(word)
            and not any(word.startswith(p) or word.endswith(p) for p in self._patterns)
        )

    def _collect_fields(self, fields: Mapping[str, Any], holder: str) -> None:
        if "Statement" in fields:
            self._collect_patterns(fields)
        for field, value in fields.items():
            if isinstance(value, str):
                named = field in _NAMED_BY or (field == "name" and _HOLDERS.fullmatch(holder))
                if named or holder in _VALUES_OF or (field == "Value" and "Key" in fields) or field == "Name":
                    self.collect_name(value)
                elif field in ("image", "imageID") and _IMAGE.match(value):
                    self.collect_name(_IMAGE.match(value)[0])  # type: ignore[index]
                elif field in _ACCOUNT_FIELDS and _ACCOUNT.fullmatch(value):
                    self.accounts.add(value)
                elif field == "address" and fields.get("type") in ("Hostname", "InternalDNS", "ExternalDNS"):
                    self.collect_name(value)
            self.collect(value, field)

    def _collect_text(self, text: str) -> None:
        if "arn:aws" in text:
            for found in _ARN.finditer(text):
                self.accounts.add(found["account"])
                self.collect_name(found["name"])
        if "://" in text:
            for found in _HOST.finditer(text):
                self.collect_name(found["host"])
        if '"Statement"' in text:
            try:
                self.collect(json.loads(text))
            except ValueError:
                return

    def _collect_patterns(self, policy: Mapping[str, Any]) -> None:
        """A pattern that ends inside a word would not fit the pseudonym of that word any more."""
        for before, behind in _PATTERN.findall(json.dumps(policy)):
            self._patterns.add((before or behind).lower())


class Pseudonyms:
    """Text and values with pseudonyms, under one key, for the names that were collected."""

    def __init__(self, key: bytes, names: Names) -> None:
        self._key = key
        self._addresses = Addresses(key)
        self._words = names.words
        self._accounts = names.accounts - _OF_AWS
        self._of = lru_cache(maxsize=1 << 16)(self._pseudonym)
        self.text = lru_cache(maxsize=1 << 14)(self._text)

    def value(self, value: Any) -> Any:
        """The value with pseudonyms in all its texts, and in the names of its fields."""
        if isinstance(value, str):
            return self.text(value) if len(value) < 1000 else self._text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(held) for name, held in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value

    def _text(self, text: str) -> str:
        return WORD.sub(lambda match: self._of(match[0]), self._addresses.text(text))

    def _pseudonym(self, word: str) -> str:
        if word in self._accounts:
            return str(self._number(f"account/{word}") % 9 * 10**11 + self._number(f"rest/{word}") % 10**11 + 10**11)
        low = word.lower()
        if low not in self._words:
            return word
        number, made = self._number(f"word/{low}"), ""
        for _ in range(6):
            number, rest = divmod(number, len(_SYLLABLES))
            made += _SYLLABLES[rest]
        return made.upper() if word.isupper() else made.capitalize() if word[0].isupper() else made

    def _number(self, what: str) -> int:
        return int.from_bytes(hmac.digest(self._key, what.encode(), hashlib.sha256)[:12], "big")


def pseudonyms_for(key: bytes, values: Iterable[Any]) -> Pseudonyms:
    """The pseudonyms for all names in the values."""
    names = Names()
    for value in values:
        names.collect(value)
    return Pseudonyms(key, names)
