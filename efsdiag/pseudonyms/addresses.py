"""IP addresses that keep what they share: two that are in one network before are in one afterwards, and no others.

Bit by bit, as in Crypto-PAn: each bit is turned or not by what a keyed hash says of the bits before it.
Source: https://en.wikipedia.org/wiki/Crypto-PAn (Xu, Fan, Ammar, Moon 2002)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

_KEPT = (
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
    *("::/8", "fe80::/10", "ff00::/8", "fd00:ec2::/32"),
)
"""What every host has, or AWS gives a meaning: loopback, link-local with the metadata service, multicast."""
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "2000::/3")
"""Networks whose addresses stay in them: whether an address is a private one can matter."""

ADDRESS = re.compile(
    r"(?:(?<![\w.])(?P<four>\d{1,3}(?:\.\d{1,3}){3})(?!\.?\w)"
    r"|(?<![\w.:])(?P<six>(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{2,39})(?![\w.:]))"
    r"(?:/(?P<bits>\d{1,3})(?!\w))?"
)
"""An address or a network in a text."""
DASHED = re.compile(r"(?<![\w-])(?P<before>ip-|ec2-)(?P<four>\d{1,3}(?:-\d{1,3}){3})(?![\w-])")
"""An address in a name of EC2's: ip-10-0-1-23.eu-west-1.compute.internal."""


class Addresses:
    """The pseudonyms of addresses under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._turned = lru_cache(maxsize=1 << 16)(self._turn)

    def text(self, text: str) -> str:
        """The text with each address and each network in it replaced."""
        if text.count(".") >= 3 or text.count(":") >= 2:
            text = ADDRESS.sub(self._replaced, text)
        if "ip-" in text or "ec2-" in text:
            text = DASHED.sub(self._replaced_in_name, text)
        return text

    def address(self, address: str, bits: int | None = None) -> str:
        """The pseudonym of an address; of a network, whose bits behind its prefix stay. Errors: ValueError."""
        found = ip_address(address)
        width = found.max_prefixlen
        return str(type(found)(self._turned(width, int(found), width if bits is None else min(bits, width))))

    def _replaced(self, match: re.Match[str]) -> str:
        written, bits = match["four"] or match["six"], match["bits"]
        try:
            made = self.address(written, int(bits) if bits else None)
        except ValueError:
            return match[0]  # a time, a version
        return f"{made}/{bits}" if bits else made

    def _replaced_in_name(self, match: re.Match[str]) -> str:
        try:
            made = self.address(match["four"].replace("-", "."))
        except ValueError:
            return match[0]
        return f"{match['before']}{made.replace('.', '-')}"

    def _turn(self, width: int, number: int, bits: int) -> int:
        for network in _networks(width, _KEPT):
            if number >> (width - network.prefixlen) == int(network.network_address) >> (width - network.prefixlen):
                return number
        made = number
        for length in range(bits):
            prefix = number >> (width - length)
            if not _leads_to_a_known_network(width, prefix, length):
                seed = f"{width}/{length}/{prefix}".encode()
                turn = hmac.digest(self._key, seed, hashlib.sha256)[0] & 1
                made ^= turn << (width - 1 - length)
        return made


@lru_cache(maxsize=8)
def _networks(width: int, texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(n for n in map(ip_network, texts) if n.max_prefixlen == width)


@lru_cache(maxsize=1 << 14)
def _leads_to_a_known_network(width: int, prefix: int, length: int) -> bool:
    """Whether the bits so far are the beginning of a known network that is not yet decided on."""
    return any(
        length < n.prefixlen and int(n.network_address) >> (width - length) == prefix
        for n in _networks(width, (*_KEPT, *_PRIVATE))
    )
