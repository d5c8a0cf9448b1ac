"""One way to write a value: who reads the bytes of a decision reads what was decided."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.canonical import LARGEST, canonical, digest_of, parse
from models.errors import Invalid

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXT
VALUES = st.recursive(SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(KEYS, of, max_size=3))
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


@given(OBJECTS)
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert parse(canonical(value)) == value


@given(OBJECTS)
def test_the_order_of_keys_says_nothing(value: dict[str, Any]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(OBJECTS, OBJECTS)
def test_another_value_has_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (digest_of("x", canonical(one)) == digest_of("x", canonical(other))) == same


def test_a_digest_of_one_kind_is_none_of_another() -> None:
    assert digest_of("proposal", b"{}") != digest_of("plan", b"{}")


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), LARGEST + 1, "a\0b", "\ud800", {"ä": 1}, {"": 1}, {1: 1}, b"x", {1, 2}, (1,)],
    ids=repr,
)
def test_what_could_be_read_in_two_ways_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        canonical({"a": [value]})


def test_endless_nesting_is_refused() -> None:
    value: Any = {}
    for _ in range(20):
        value = {"a": value}

    with pytest.raises(Invalid, match="nested"):
        canonical(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":"\\u0062"}',
        b'{"a":"\xff"}',
        b'{"a":1}\n',
        b'{"a":"\\ud800"}',
        b"[" * 5000,
    ],
    ids=repr,
)
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse(data)


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("a", "\u0430"), ("a\n", "a\r\n"), ("a ", "a")])
def test_texts_that_look_alike_are_different(one: str, other: str) -> None:
    assert digest_of("x", canonical({"a": one})) != digest_of("x", canonical({"a": other}))
