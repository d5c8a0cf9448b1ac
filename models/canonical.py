"""The one form of bytes in which something is shown, hashed, approved and carried out."""

import hashlib
import json
from typing import Any, NoReturn

from models.errors import Invalid
from models.text import invalid

LARGEST = 2**53
DEPTH = 16


def canonical(value: dict[str, Any]) -> bytes:
    """UTF-8 JSON with sorted ASCII keys and no spaces; Invalid for what two programs could read differently.

    Without floats, integers beyond 2^53, NUL and halves of surrogate pairs there is one way to write a value.
    """
    _check("", value, 1)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(data: bytes) -> dict[str, Any]:
    """The value of canonical bytes; Invalid when they are not canonical to the last byte."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"these are not canonical bytes: {error}") from None
    if not isinstance(value, dict) or canonical(value) != data:
        raise Invalid("these are not canonical bytes")
    return value


def digest_of(kind: str, data: bytes) -> str:
    """SHA-256 of the bytes under their kind, so that a digest of one kind is none of another."""
    return hashlib.sha256(f"teamroom/{kind}/v1\n".encode() + data).hexdigest()


def _check(field: str, value: Any, depth: int) -> None:
    if depth > DEPTH:
        raise invalid(field, "is nested too deeply")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not (isinstance(key, str) and key.isascii() and key.isprintable() and key):
                raise invalid(field or "keys", "must have keys of printable ASCII")
            _check(f"{field}.{key}" if field else key, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(field, inner, depth + 1)
    elif isinstance(value, str):
        _check_text(field, value)
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise invalid(field, "is a number out of range")
    elif value is not None:
        raise invalid(field, f"must not be a {type(value).__name__}")


def _check_text(field: str, text: str) -> None:
    if "\0" in text:
        raise invalid(field, "must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(field, "must be valid Unicode (it holds half of a surrogate pair)") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
