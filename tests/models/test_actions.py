"""The six actions: what they take, what they refuse and why, how risky they are, and what they say."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from models.actions import ACTIONS, LEVELS, Params, assess, params_of
from models.errors import Invalid
from models.hidden import hidden, made_visible
from models.thread import Thread
from models.workspace import digest_of
from tests.models.conftest import Room

GOOD: dict[str, dict[str, Any]] = {
    "create_task": {
        "title": "Look at the disk",
        "description": "It is full.",
        "assignee_agent_key": "trunks",
    },
    "schedule_job": {
        "name": "Morning",
        "schedule_expr": "0 9 * * mon-fri",
        "instructions": "Look around.",
        "target_agent_key": "bulma",
    },
    "edit_doc": {"doc_type": "memory", "agent_key": "bulma", "content_preview": "Be kind."},
    "send_message": {"channel": "room", "recipient": "Team Room", "content": "Done."},
    "api_call": {"url": "https://example.org/a?b=1", "method": "POST", "body_preview": "{}"},
    "file_write": {"path": "notes/a.txt", "content_preview": "one\n"},
}
SEED = {
    "create_task": ("title", "description", "assignee_agent_key"),
    "schedule_job": ("name", "schedule_expr", "instructions", "target_agent_key"),
    "edit_doc": ("doc_type", "agent_key", "content_preview"),
    "send_message": ("channel", "recipient", "content"),
    "api_call": ("url", "method", "body_preview"),
    "file_write": ("path", "content_preview"),
}


def refused(action_type: Any, params: Any) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as error:
        params_of(action_type, params)
    return error.value.fields


def risk(action_type: str, **params: Any) -> str:
    return assess(params_of(action_type, GOOD[action_type] | params), {})[0]


def test_there_are_six() -> None:
    assert set(ACTIONS) == set(SEED)


@pytest.mark.parametrize("action_type", SEED)
def test_the_seeds_parameters_are_enough_and_are_said_to_the_letter(action_type: str) -> None:
    assert GOOD[action_type].keys() == set(SEED[action_type])
    assert params_of(action_type, GOOD[action_type]).as_seed() == GOOD[action_type]


@pytest.mark.parametrize("action_type", SEED)
def test_what_is_kept_is_taken_again_and_means_the_same(action_type: str) -> None:
    params = params_of(action_type, GOOD[action_type])

    assert params_of(action_type, params.as_json()) == params


@pytest.mark.parametrize("action_type", SEED)
def test_every_action_says_what_it_is_in_one_line(action_type: str) -> None:
    params = params_of(action_type, GOOD[action_type])

    assert params.headline
    assert "\n" not in params.headline
    assert params.effect.endswith(".")
    assert params.object_name


@pytest.mark.parametrize("action_type", SEED)
def test_a_field_that_is_unknown_is_named(action_type: str) -> None:
    assert refused(action_type, GOOD[action_type] | {"approved": True}).keys() == {"params.approved"}


@pytest.mark.parametrize(
    ("action_type", "name"), [(each, name) for each, names in SEED.items() for name in names]
)
def test_a_field_that_is_missing_is_named(action_type: str, name: str) -> None:
    params = {key: value for key, value in GOOD[action_type].items() if key != name}
    if name == "body_preview":  # a request may have no body
        assert params_of(action_type, params).as_json()["body"] == ""
        return

    assert [field.removesuffix("_preview") for field in refused(action_type, params)] == [
        f"params.{name}".removesuffix("_preview")
    ]


@pytest.mark.parametrize("value", [None, True, 5, 1.5, [], {}, "a\0b", "\ud800"], ids=repr)
@pytest.mark.parametrize("action_type", SEED)
def test_no_field_takes_another_type(action_type: str, value: Any) -> None:
    for name in set(SEED[action_type]) - {"assignee_agent_key"}:
        fields = refused(action_type, GOOD[action_type] | {name: value})
        assert any(field.startswith(f"params.{name}".removesuffix("_preview")) for field in fields)


@pytest.mark.parametrize("value", [None, [], "x", 5, [["title", "x"]]], ids=repr)
def test_parameters_are_an_object(value: Any) -> None:
    assert list(refused("create_task", value)) == ["params"]


@pytest.mark.parametrize("action_type", ["", "approve", "CREATE_TASK", None, 5, ["create_task"]], ids=repr)
def test_an_unknown_action_is_refused(action_type: Any) -> None:
    assert list(refused(action_type, {})) == ["action_type"]


def test_a_preview_is_the_beginning_of_the_whole_and_nothing_else() -> None:
    long = "word " * 200
    params = params_of("file_write", {"path": "a", "content": long}).as_json()

    assert params["content"] == long
    assert params["content_preview"] == long[:280]
    assert list(refused("file_write", {"path": "a", "content": "rm", "content_preview": "ls"})) == [
        "params.content_preview"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@good.example/", "https://a@b.example/", "https://a:b@c.example/", "ftp://a.example/",
        "https://a.example/#x", "https://A.example/", "https://a.example:0/", "https://a.example:99999/",
        "https://a b.example/", "https://a.example/ä", "https://①②⑦.⓪.⓪.①/", "https://2130706433/", "https://0x7f.1/",
        "https://127.1/", "https://017.0.0.1/", "https://[::1]/", "https://a..example/", "https://-a.example/",
        "https://",
        "//a.example/", "javascript:alert(1)", "https://a.example/\tx", "https://a.example/%00\n", "file:///etc/passwd",
        "https://a.example:80:81/", "https://a.example:8٣/", "https://a.example?\\", "",
    ],
)  # fmt: skip
def test_an_address_that_two_programs_read_differently_is_refused(url: str) -> None:
    assert list(refused("api_call", {"url": url, "method": "GET"})) == ["params.url"]


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"content-length": "1"}, {"Proxy-Authorization": "x"}, {"Accept-Encoding": "gzip"},
     {"X-HTTP-Method-Override": "DELETE"}, {"x-http-method": "PUT"}, {"X-Method-Override": "POST"},
     {"idempotency-key": "x"}, {"a b": "x"}, {"": "x"},
     {"A": "x\r\nB: y"}, {"A": "ä"}, {"A": "x", "a": "y"}],
    ids=repr,
)  # fmt: skip
def test_headers_that_change_how_a_request_is_sent_are_refused(headers: dict[str, str]) -> None:
    fields = refused("api_call", GOOD["api_call"] | {"headers": headers})

    assert all(field.startswith("params.headers") for field in fields)


def test_a_secret_does_not_replace_a_header() -> None:
    both = {"headers": {"X-Key": "a"}, "secret_headers": {"x-key": "b"}}

    assert list(refused("api_call", GOOD["api_call"] | both)) == ["params.secret_headers"]


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../a", "a/../../b", "a//b", "./a", "a/.", "a/", "a\\b", "C:a", "a\0b", "a\nb",
     "x" * 256, "é" * 128, "a./b", "a /b", " "],
    ids=repr,
)  # fmt: skip
def test_a_path_that_could_lead_out_is_refused(path: str) -> None:
    assert list(refused("file_write", {"path": path, "content": ""})) == ["params.path"]


@pytest.mark.parametrize(
    "text", ["* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
             "5-1 * * * *", "a * * * *", "*  * * * *", "1, * * * *", "15m", "@daily"]
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(text: str) -> None:
    assert list(refused("schedule_job", GOOD["schedule_job"] | {"schedule_expr": text})) == [
        "params.schedule_expr"
    ]


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6,12 1 jan-mar sun", "0 0 1 1 *", "59 23 31 12 7", "0 9 * * MON"]
)
def test_times_that_can_be(text: str) -> None:
    assert params_of("schedule_job", GOOD["schedule_job"] | {"schedule_expr": text})


@pytest.mark.parametrize(("text", "good"), [("15m", True), ("1d", True), ("0m", False), ("0 9 * * *", False)])
def test_every_is_written_otherwise(text: str, good: bool) -> None:
    params = GOOD["schedule_job"] | {"schedule_kind": "every", "schedule_expr": text}

    if good:
        assert params_of("schedule_job", params)
    else:
        assert refused("schedule_job", params)


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "", "utc\0"])
def test_a_time_zone_must_be_one(name: str) -> None:
    assert refused("schedule_job", GOOD["schedule_job"] | {"time_zone": name})


# Risk (T-AP7: it is the server's to say).


@pytest.mark.parametrize(
    ("action_type", "params", "level"),
    [
        ("create_task", {}, "low"),
        ("schedule_job", {}, "med"),
        ("edit_doc", {}, "med"),
        ("edit_doc", {"agent_key": "project"}, "high"),
        ("send_message", {}, "low"),
        ("send_message", {"channel": "webhook", "recipient": "https://a.example/"}, "high"),
        ("api_call", {"method": "GET", "body_preview": ""}, "med"),
        ("api_call", {}, "high"),
        ("api_call", {"method": "GET", "body_preview": "", "url": "http://a.example/"}, "high"),
        ("api_call", {"method": "GET", "body_preview": "", "secret_headers": {"X-Key": "k"}}, "high"),
        ("file_write", {}, "med"),
        ("file_write", {"path": ".git/config"}, "high"),
        ("file_write", {"path": "a/.bashrc"}, "high"),
        ("file_write", {"path": "sub/Makefile"}, "high"),
        ("create_task", {"description": "plain\u202eniatnialp"}, "high"),
        ("create_task", {"title": "a\u200bb"}, "high"),
        ("file_write", {"content_preview": "ls\r\x1b[2K"}, "high"),
        ("file_write", {"path": "p\u0430ss.txt"}, "high"),
        ("file_write", {"path": "cafe\u0301.txt"}, "high"),
        ("file_write", {"path": "\u0437\u0430\u043c\u0435\u0442\u043a\u0438/caf\u00e9-日本.txt"}, "med"),
        ("send_message", {"recipient": "Te\u0430m Room"}, "high"),
    ],
)
def test_the_floor_of_risk(action_type: str, params: dict[str, Any], level: str) -> None:
    assert risk(action_type, **params) == level


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("pass.txt", "p\u0430ss.txt", "Cyrillic letters"),
        ("cop", "\u0441\u043e\u0440", "Cyrillic letters"),
        ("AB", "\u0391\u0412", "Greek letters"),
        ("caf\u00e9", "cafe\u0301", "accents stand apart"),
    ],
)
def test_of_two_names_that_look_alike_the_effect_says_which(one: str, other: str, words: str) -> None:
    """T-AP11: of a file and of a room."""
    for action_type, name in (("file_write", "path"), ("send_message", "recipient")):
        plain, alike = (params_of(action_type, GOOD[action_type] | {name: each}) for each in (one, other))
        assert "The name" not in plain.effect
        assert "n the name" not in plain.effect
        assert words in alike.effect


@pytest.mark.parametrize("said", LEVELS)
def test_an_agent_can_only_raise_it(said: str) -> None:
    level, rules = assess(params_of("schedule_job", GOOD["schedule_job"]), {"trunks": said})

    assert level == ("high" if said == "high" else "med")
    assert [rule["by"] for rule in rules] == ([None, "trunks"] if said == "high" else [None])


def test_another_level_is_none() -> None:
    with pytest.raises(Invalid, match="risk_level"):
        assess(params_of("create_task", GOOD["create_task"]), {"trunks": "none"})


@pytest.mark.parametrize(
    "char",
    [
        "\u202e",
        "\u200b",
        "\u2066",
        "\ufeff",
        "\x1b",
        "\r",
        "\u00a0",
        "\u2028",
        "\u3164",
        "\x7f",
        "\U000e0100",
        "\ufe00",
        "\U000e0041",
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(char: str) -> None:
    number = f"U+{ord(char):04X}"

    assert hidden(f"a{char}b{char}") == [number]
    assert made_visible(f"a{char}b") == f"a⟨{number}⟩b"


def test_ordinary_text_is_left_alone() -> None:
    text = "Grüße, 日本語 – “x” 👍\n\tنص"

    assert hidden(text) == []
    assert made_visible(text) == text


# What names mean in a project.


def resolved(room: Room, action_type: str, **params: Any) -> dict[str, Any]:
    return params_of(action_type, GOOD[action_type] | params).resolve(room.project.id).as_json()


def unresolved(room: Room, action_type: str, **params: Any) -> list[str]:
    with pytest.raises(Invalid) as error:
        resolved(room, action_type, **params)
    return list(error.value.fields)


def test_a_recipient_is_kept_by_id(room: Room, db: SQLAlchemy) -> None:
    assert resolved(room, "send_message")["recipient_id"] == str(room.thread.id)
    person = resolved(room, "send_message", channel="dm", recipient="@jonas")
    assert (person["recipient"], person["recipient_id"]) == ("jonas", str(room.jonas.id))


def test_a_name_that_two_rooms_have_means_none_of_them(room: Room, db: SQLAlchemy) -> None:
    """T-AP11."""
    db.session.add(Thread(project_id=room.project.id, title="Team Room", kind="room"))
    db.session.flush()

    assert unresolved(room, "send_message") == ["params.recipient"]
    assert unresolved(room, "send_message", recipient_id=str(room.thread.id)) == ["params.recipient"]


def test_what_is_not_there_is_named(room: Room) -> None:
    assert unresolved(room, "create_task", assignee_agent_key="nobody") == ["params.assignee_agent_key"]
    assert unresolved(room, "schedule_job", target_agent_key="nobody") == ["params.target_agent_key"]
    assert unresolved(room, "edit_doc", agent_key="nobody") == ["params.agent_key"]
    assert unresolved(room, "send_message", recipient="Another") == ["params.recipient"]
    assert unresolved(room, "send_message", channel="dm", recipient="nobody") == ["params.recipient"]
    assert unresolved(room, "send_message", recipient_id=str(room.jonas.id)) == ["params.recipient_id"]


def test_nobody_needs_to_be_assigned_and_a_project_has_documents(room: Room) -> None:
    assert resolved(room, "create_task", assignee_agent_key=None)["assignee_agent_key"] is None
    assert resolved(room, "edit_doc", agent_key="project")["agent_key"] == "project"


# A file as it is now.


@pytest.fixture
def folder(app: Flask, room: Room) -> Path:
    made = Path(app.config["WORKSPACES_FOLDER"]) / "oasis"
    made.mkdir(parents=True)
    return made


def file(room: Room, **params: Any) -> Params:
    return params_of("file_write", {"path": "a.txt", "content": "one\ntwo\n", **params}).resolve(
        room.project.id
    )


def test_the_base_of_a_file_is_filled_in_where_nobody_said_it(room: Room, folder: Path) -> None:
    assert file(room).as_json()["base_digest"] is None
    (folder / "a.txt").write_text("one\n")

    assert file(room).as_json()["base_digest"] == digest_of(b"one\n")
    assert file(room, base_digest=None).as_json()["base_digest"] is None
    assert file(room, base_digest="0" * 64).as_json()["base_digest"] == "0" * 64
    assert params_of("file_write", file(room).as_json()).resolve(room.project.id) == file(room)


def test_a_path_that_leads_through_a_link_is_named(room: Room, folder: Path) -> None:
    (folder / "a.txt").symlink_to("/etc/passwd")

    assert unresolved(room, "file_write", path="a.txt") == ["params.path"]


def test_a_change_is_shown_line_by_line(room: Room, folder: Path) -> None:
    assert file(room).diff(room.project.id) is None
    (folder / "a.txt").write_text("one\n")
    change = file(room)

    assert change.diff(room.project.id) == ["@@ -1,2 +1,3 @@", " one", "+two", " "]


def test_what_is_not_there_any_more_is_not_compared(room: Room, folder: Path) -> None:
    (folder / "a.txt").write_text("one\n")
    change = file(room)

    for content in (b"three", None):
        (folder / "a.txt").unlink()
        if content:
            (folder / "a.txt").write_bytes(content)
        assert change.diff(room.project.id) is None


def test_a_file_that_is_no_text_is_not_compared(room: Room, folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"\xff\xfe")

    assert file(room).diff(room.project.id) is None


# What is in the way.


@pytest.mark.parametrize(
    ("action_type", "params"),
    [
        ("api_call", {"url": "https://api.example.org:443/a?b"}),
        ("send_message", {"channel": "webhook", "recipient": "https://api.example.org/hook"}),
    ],
)
def test_a_server_that_is_not_listed_is_said(action_type: str, params: dict[str, Any]) -> None:
    action = params_of(action_type, GOOD[action_type] | params)

    assert action.hindrance([]) == (
        "https://api.example.org is not on this project's list of servers: it will fail."
    )
    assert action.hindrance(["https://api.example.org:8443", "http://api.example.org"])
    assert action.hindrance(["https://api.example.org"]) is None


@pytest.mark.parametrize("action_type", sorted({*SEED} - {"api_call"}))
def test_nothing_is_in_the_way_of_others(action_type: str) -> None:
    assert params_of(action_type, GOOD[action_type]).hindrance([]) is None
