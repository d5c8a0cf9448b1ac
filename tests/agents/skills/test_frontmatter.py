"""Frontmatter as people write it: both dialects, what is nearly YAML, and what only wants to hurt."""

import time

import pytest

from agents.skills.frontmatter import DEEPEST, LONGEST, Frontmatter, Unreadable, parse
from tests.agents.skills.shelf import DIALECTS


def fields(head: str) -> Frontmatter:
    return parse(f"---\n{head}\n---\nbody\n".encode())


@pytest.mark.parametrize("write", DIALECTS)
def test_every_dialect_says_the_same(write: object) -> None:
    manifest = {"requires": {"bins": ["jq", "yq"], "env": ["TOKEN"]}, "always": True, "os": ["linux"]}

    said = parse(write(manifest).encode())  # type: ignore[operator]

    assert said.fields["metadata"] == {"openclaw": manifest}
    assert said.body.startswith("# Tool")


def test_words_stay_words() -> None:
    """YAML 1.1 makes `no` false, 1.10 a fraction and a day a date; a skill means the words."""
    said = fields("name: on\nversion: 1.10\nday: 2026-01-02\nempty:\nyes: no\nuser-invocable: true").fields

    assert said == {
        "name": "on",
        "version": "1.10",
        "day": "2026-01-02",
        "empty": None,
        "yes": "no",
        "user-invocable": True,
    }


@pytest.mark.parametrize(
    ("head", "name", "value"),
    [
        ("name: a\ndescription: Use it when: always", "description", "Use it when: always"),
        ("name: a\ndescription: 'It's here: look'", "description", "It's here: look"),
        ("name: a\ndescription: @team: ask\nlicense: MIT", "license", "MIT"),
        ("description: one: a\n  two\n  three", "description", "one: a two three"),
        ("b: x: y\ndescription: |\n  one\n  two", "description", "one\ntwo"),
        ("b: x: y\ndescription: >-\n  one\n  two", "description", "one two"),
        ("b: x: y\nallowed-tools:\n  - Bash\n  - Read", "allowed-tools", ["Bash", "Read"]),
        ("b: x: y\nuser-invocable: false", "user-invocable", False),
        (
            "b: x: y\nmetadata: {openclaw: {\n  // needs\n  requires: {bins: ['jq']}}}",
            "metadata",
            {"openclaw": {"requires": {"bins": ["jq"]}}},
        ),
        (
            "b: x: y\nmetadata:\n  openclaw:\n    requires:\n      bins: [jq]",
            "metadata",
            {"openclaw": {"requires": {"bins": ["jq"]}}},
        ),
        ("b: x: y\nmetadata: {openclaw: {os: ['linux'],},}", "metadata", {"openclaw": {"os": ["linux"]}}),
        ("a: &x [1]\nb: *x", "b", "*x"),
        ("a: !!python/object/apply:os.system ['true']", "a", "!!python/object/apply:os.system ['true']"),
    ],
)
def test_what_is_no_yaml_is_read_line_by_line(head: str, name: str, value: object) -> None:
    said = fields(head)

    assert said.fields[name] == value
    assert "was read line by line" in said.warnings[0]


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf---\r\nname: a\r\n---\r\nbody", b"---  \nname: a\n--- \nbody"]
)
def test_other_line_ends_and_a_mark_at_the_beginning_are_fine(content: bytes) -> None:
    assert parse(content).fields == {"name": "a"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin"),
        (b"# Only text", "does not begin"),
        (b"---\nname: a\n", "has no end"),
        (b"---\n- a\n---\n", "has no fields"),
        (b"---\nname: \xff\n---\n", "not valid UTF-8"),
        (b"---\nname: a\0\n---\n", "NUL"),
        (b"---\nx: " + b"y" * LONGEST + b"\n---\n", "longer than"),
        (b"---\nmetadata: [a]\n---\n", "no map"),
        (b"---\nmetadata: some words\n---\n", "no map"),
        (b"---\nb: x: y\nmetadata: {openclaw: [}\n---\n", "neither YAML nor JSON5"),
        (
            b"---\nmetadata: {openclaw: {\n // needs\n requires: {bins: [jq]}}}\n---\n",
            "neither YAML nor JSON5",
        ),
        (b"---\nb: x: y\nmetadata:\n  openclaw:\n   - a\n  b: c: d\n---\n", "neither YAML nor JSON5"),
        (b"---\nmetadata: {a: '" + b"x" * 9000 + b"'}\n---\n", "longer than"),
    ],
)
def test_what_cannot_be_understood_says_why(content: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse(content)


@pytest.mark.parametrize(
    "head",
    [
        "a: " + "[" * 5000,
        "a: " + "{a: " * 60 + "1" + "}" * 60,
        "b: x: y\nmetadata: {a: " + "[" * 4000,
        "b: x: y\nmetadata: {a: " + "[1," * 2000 + "]" * 2000 + "}",
        "\n".join(f"{' ' * depth}a:" for depth in range(DEEPEST * 3)),
    ],
)
def test_bombs_are_refused_soon(head: str) -> None:
    begun = time.monotonic()

    with pytest.raises(Unreadable):
        fields(head)

    assert time.monotonic() - begun < 20
