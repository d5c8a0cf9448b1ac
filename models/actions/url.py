"""Addresses that two programs cannot read differently; what else is written is refused."""

import re

LONGEST = 2000
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?P<port>:[1-9]\d{0,4})?(?P<rest>[/?][!$-;=?-Z_a-z~\[\]%]*)?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"0|[1-9]\d{0,2}")


def clean_url(text: str) -> str:
    """An http(s) address without name, password, fragment or odd spelling; ValueError says what is wrong."""
    if len(text) > LONGEST:
        raise ValueError(f"must be {LONGEST:,} characters at most")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("must be a plain http or https address: lower-case host, no name, no password, no #")
    if found["port"] and int(found["port"][1:]) > 65_535:
        raise ValueError("has a port that cannot be")
    if not _is_host(found["host"]):
        raise ValueError("has a host that is neither a name nor four plain numbers")
    return text


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
