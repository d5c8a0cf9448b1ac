"""Addresses that two programs cannot read differently; what else is written is refused."""

import re
from collections.abc import Collection
from typing import NamedTuple

LONGEST = 2000
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?P<port>:[1-9][0-9]{0,4})?(?P<rest>[/?][!$-;=?-Z_a-z~\[\]%]*)?"
)
_PART = re.compile(r"[!$-;=?-Z_a-z~%#]*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"0|[1-9]\d{0,2}")
_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A clean address in its parts; `target` is what the request asks for there."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """The server alone, in one spelling: the port only where it is not the usual one."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def clean_url(text: str) -> str:
    """An http(s) address without name, password, fragment or odd spelling; ValueError says what is wrong."""
    address_of(text)
    return text


def clean_link(text: object) -> str:
    """An address for a person to open: as clean_url, and it may name a part of the page."""
    if not isinstance(text, str):
        raise ValueError("must be an http or https address")
    address, mark, part = text.partition("#")
    if len(text) > LONGEST or not _PART.fullmatch(part):
        raise ValueError("must be a plain http or https address")
    return clean_url(address) + mark + part


def address_of(text: str) -> Address:
    """The parts of an address that clean_url takes; nothing else ever takes one apart."""
    if len(text) > LONGEST:
        raise ValueError(f"must be {LONGEST:,} characters at most")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("must be a plain http or https address: lower-case host, no name, no password, no #")
    if found["port"] and int(found["port"][1:]) > 65_535:
        raise ValueError("has a port that cannot be")
    if not _is_host(found["host"]):
        raise ValueError("has a host that is neither a name nor four plain numbers")
    port = int(found["port"][1:]) if found["port"] else _PORTS[found["scheme"]]
    rest = found["rest"] or "/"
    return Address(found["scheme"], found["host"], port, rest if rest.startswith("/") else f"/{rest}")


def origin_of(url: str) -> str:
    """The server that an address leads to, as AllowedHost writes it."""
    return address_of(url).origin


def not_listed(url: str, servers: Collection[str]) -> str | None:
    """The sentence for the person who decides, when the server is none of these origins."""
    origin = origin_of(url)
    return None if origin in servers else f"{origin} is not on this project's list of servers: it will fail."


def host_of(url: str) -> str:
    """The host and, where it is written, the port."""
    return url.split("//", 1)[1].split("/", 1)[0].split("?", 1)[0]


def _is_host(host: str) -> bool:
    labels = host.split(".")
    if all(_NUMBER.fullmatch(label) and int(label) < 256 for label in labels) and len(labels) == 4:
        return True
    # A last label that begins with a digit would be read as a number by some resolvers.
    named = all(_LABEL.fullmatch(label) for label in labels) and len(host) < 254
    return named and labels[-1][0].isalpha()
