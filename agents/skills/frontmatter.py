"""The frontmatter of a SKILL.md: YAML, or line by line where it is none; `metadata` may be JSON5."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

import json5
import yaml

LONGEST = 64 << 10
"""Characters of a frontmatter."""
LONGEST_JSON = 8 << 10
"""Characters of `metadata` as JSON5, whose parser is slow."""
DEEPEST = 20
_FENCE = "---"
_FIELD = re.compile(r"([A-Za-z][\w-]*):(?:[ \t]+(.*)|)")
_BLOCK = re.compile(r"[|>][+-]?[0-9]?[+-]?")


class Unreadable(Exception):
    """The text says what is wrong, for the person who wrote the file."""


@dataclass
class Frontmatter:
    fields: dict[str, Any]
    body: str
    warnings: list[str] = field(default_factory=list)


def parse(content: bytes) -> Frontmatter:
    """The fields before the body; Unreadable where there are none, or `metadata` cannot be understood."""
    head, body = _split(content)
    warnings: list[str] = []
    try:
        fields = _yaml(head)
    except yaml.YAMLError as error:
        warnings.append(f"The frontmatter is not valid YAML{_where(error)}: it was read line by line")
        fields = _by_line(head)
    if not isinstance(fields, dict):
        raise Unreadable("The frontmatter has no fields: it begins like `name: my-skill`")
    fields = {str(name): value for name, value in fields.items()}
    if "metadata" in fields:
        fields["metadata"] = _metadata(fields["metadata"], _by_line(head).get("metadata", ""))
    return Frontmatter(fields, body, warnings)


def _split(content: bytes) -> tuple[str, str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"SKILL.md is not valid UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise Unreadable("SKILL.md holds a NUL character")
    lines = re.split(r"\r\n|\r|\n", text)
    if lines[0].rstrip() != _FENCE:
        raise Unreadable("SKILL.md does not begin with a line --- and its fields")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise Unreadable("The frontmatter of SKILL.md has no end: a second line --- is missing")
    head = "\n".join(lines[1:end])
    if len(head) > LONGEST:
        raise Unreadable(f"The frontmatter is longer than {LONGEST:,} characters")
    return head, "\n".join(lines[end + 1 :])


# --- YAML ---


class _Loader(yaml.SafeLoader):
    """Text, true, false and null alone: `no` stays a word and 1.10 a version. No aliases, no depth."""

    # By first character, as PyYAML keeps them; the class's own, so that no other loader has them.
    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable(f"The frontmatter nests deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)


def _yaml(text: str) -> Any:
    """What the text says; YAMLError where it is no YAML that is read here."""
    try:
        return yaml.load(text, _Loader)  # a loader that is safe, and stricter than PyYAML's own
    except RecursionError:
        raise Unreadable(f"The frontmatter nests deeper than {DEEPEST} levels") from None
    except (ValueError, TypeError) as error:  # a key that is a list
        raise yaml.YAMLError(str(error)) from None


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 2})" if mark is not None else ""


# --- line by line ---


def _by_line(text: str) -> dict[str, Any]:
    """Fields that begin a line, each with the indented lines beneath it."""
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.split("\n"):
        begins = _FIELD.fullmatch(line)
        if begins:
            current = fields[begins[1]] = [begins[2] or ""]
        elif current is not None and (not line.strip() or line[0] in " \t{}[]"):
            current.append(line)
    return {name: _value(name, lines) for name, lines in fields.items()}


def _value(name: str, lines: list[str]) -> Any:
    first, rest = lines[0].strip(), textwrap.dedent("\n".join(lines[1:])).strip("\n")
    if name == "metadata":
        return "\n".join((first, rest)).strip()
    if _BLOCK.fullmatch(first):
        return rest if first[0] == "|" else " ".join(rest.split())
    if not first and rest.startswith("- "):
        return [_unquoted(line[2:].strip()) for line in rest.split("\n") if line.startswith("- ")]
    return _unquoted(" ".join(f"{first} {rest}".split()))


def _unquoted(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


# --- metadata ---


def _metadata(value: Any, text: str) -> dict[str, Any]:
    """The map, whichever way it is written: `value` as YAML read it, where it could, and its text.

    What it requires must not be lost: Unreadable, not empty.
    """
    if text.startswith("{"):
        value = _flow(value, text)
    elif isinstance(value, str) and value.strip():
        value = _block(value)
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise Unreadable("`metadata` is no map")
    return {str(name): said for name, said in value.items()}


def _flow(value: Any, text: str) -> Any:
    """JSON5 first: to YAML, a comment is the beginning of the key after it."""
    if len(text) > LONGEST_JSON:
        raise Unreadable(f"`metadata` is longer than {LONGEST_JSON:,} characters")
    try:
        return json5.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(value, dict) and not _has_comments(value):
            return value
        raise Unreadable(f"`metadata` is neither YAML nor JSON5: {str(error)[:200]}") from None


def _has_comments(value: Any) -> bool:
    """Whether a key of the map, or of one in it, begins as a comment does."""
    if isinstance(value, list):
        return any(map(_has_comments, value))
    if not isinstance(value, dict):
        return False
    return any(str(name).startswith("/") or _has_comments(inner) for name, inner in value.items())


def _block(text: str) -> Any:
    """`metadata` as block YAML in a frontmatter of which another line is none."""
    try:
        return _yaml(text)
    except yaml.YAMLError as error:
        raise Unreadable(f"`metadata` is neither YAML nor JSON5{_where(error)}") from None
