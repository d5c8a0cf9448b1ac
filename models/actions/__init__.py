"""The six things that an agent can ask for; each says its parameters, its risk and its effect."""

from typing import Any

from pydantic import ValidationError

from models.actions.action import LEVELS, Params, highest
from models.actions.api_call import ApiCall
from models.actions.create_task import CreateTask
from models.actions.edit_doc import EditDoc
from models.actions.file_write import FileWrite
from models.actions.schedule_job import ScheduleJob
from models.actions.send_message import SendMessage
from models.actions.unreadable import Unreadable
from models.canonical import parse
from models.errors import Invalid
from models.text import invalid

ACTIONS: dict[str, type[Params]] = {
    action.action_type: action
    for action in (CreateTask, ScheduleJob, EditDoc, SendMessage, ApiCall, FileWrite)
}


def params_of(action_type: object, given: object) -> Params:
    """The parameters if they are exactly what the action takes; Invalid names each field that is not."""
    if not isinstance(action_type, str) or action_type not in ACTIONS:
        raise invalid("action_type", f"must be one of {', '.join(ACTIONS)}")
    try:
        return ACTIONS[action_type].model_validate(given)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for found in error.errors(include_url=False, include_input=False):
            name = ".".join(map(str, ("params", *found["loc"])))
            fields.setdefault(name, []).append(found["msg"].removeprefix("Value error, "))
        first = next(iter(fields))
        raise Invalid(f"{first}: {fields[first][0]}", fields=fields) from None


def read_back(canonical: bytes) -> Params:
    """What stored bytes say, for who looks at it: Unreadable when they say no action."""
    try:
        said = parse(canonical)
        return params_of(said.get("action_type"), said.get("params"))
    except Invalid as error:
        return Unreadable(why=error.message)


def assess(params: Params, raised: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """The level of risk and the rules that set it; `raised` says who wants it how high."""
    rules: list[dict[str, Any]] = [
        {"level": rule.level, "rule": rule.sentence, "by": None} for rule in params.floor()
    ]
    floor = highest([rule["level"] for rule in rules])
    for by, level in raised.items():
        if level not in LEVELS:
            raise invalid("risk_level", f"must be one of {', '.join(LEVELS)}")
        if LEVELS.index(level) > LEVELS.index(floor):
            rules.append({"level": level, "rule": f"@{by} thinks so.", "by": by})
    return highest([rule["level"] for rule in rules]), rules
