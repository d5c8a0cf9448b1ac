"""What a card shows of an action: every parameter in full, and the form that changes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Flask

from models.actions import Params
from models.hidden import made_visible
from models.text import file_size

PREVIEWS = ("content_preview", "body_preview")
"""They are the beginning of what the card shows in full."""
MADE_HERE = (*PREVIEWS, "recipient_id")
"""What the server makes of the other parameters: nobody types it."""
LONG = 200
A_TEXT = 4000
"""What may have more characters than this is written in a field of several lines."""


def install(app: Flask) -> None:
    app.jinja_env.filters.update(visible=made_visible, file_size=file_size)
    app.jinja_env.globals.update(parameters=parameters)


@dataclass(frozen=True)
class Parameter:
    name: str
    value: Any

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def lines(self) -> list[str]:
        """The entries of a map, as they are sent."""
        return [f"{name}: {text}" for name, text in self.value.items()]

    @property
    def long(self) -> bool:
        return isinstance(self.value, str) and (len(self.value) > LONG or "\n" in self.value)


def parameters(action: Params) -> list[Parameter]:
    """Every parameter as the action has it; nothing is cut."""
    return [Parameter(name, value) for name, value in action.as_json().items() if name not in PREVIEWS]


@dataclass(frozen=True)
class Field(Parameter):
    """How a person changes one parameter."""

    kind: str
    """line, text, number, choice or map; a map is written as JSON."""
    optional: bool
    hint: str
    longest: int | None
    choices: tuple[str, ...]

    @property
    def text(self) -> str:
        """What the field begins with."""
        if self.kind == "map":
            return json.dumps(self.value, ensure_ascii=False, indent=2)
        return "" if self.value is None else str(self.value)


def fields_of(action: Params) -> list[Field]:
    """The form of an action, made from what its parameters declare."""
    declared = type(action).model_json_schema()["properties"]
    return [
        _field(name, value, declared[name])
        for name, value in action.as_json().items()
        if name not in MADE_HERE
    ]


def _field(name: str, value: Any, declared: dict[str, Any]) -> Field:
    kinds = declared.get("anyOf", [declared])
    of = next(each for each in kinds if each.get("type") != "null")
    longest, choices = of.get("maxLength"), tuple(of.get("enum", ()))
    return Field(
        name=name,
        value=value,
        kind=_kind(of["type"], longest or 0, choices),
        optional={"type": "null"} in kinds,
        hint=declared.get("description", ""),
        longest=longest,
        choices=choices,
    )


def _kind(of_type: str, longest: int, choices: tuple[str, ...]) -> str:
    if choices:
        return "choice"
    if of_type == "string":
        return "text" if longest > A_TEXT else "line"
    return {"integer": "number", "object": "map"}[of_type]


def editable(action: Params) -> dict[str, Any]:
    """The parameters that a form begins with and sends back."""
    return {name: value for name, value in action.as_json().items() if name not in MADE_HERE}
