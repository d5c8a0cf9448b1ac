"""What exists is written down, and what is written down exists."""

import re
from collections.abc import Iterable
from pathlib import Path

import click
import pytest
from flask import Flask

from realtime.handlers import EVENTS
from webapp import errors
from webapp.config import SETTINGS

DOCS = Path(__file__).parent.parent / "docs"
API, OPERATING = (DOCS / "api.md").read_text(), (DOCS / "operating.md").read_text()
FOREIGN = {"db", "openapi"}
"""Command groups that libraries bring."""


def commands(app: Flask) -> set[str]:
    found = set()
    for name, command in app.cli.commands.items():
        if name in FOREIGN:
            continue
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {each}" for each in inner} or {name}
    return found


def routes(app: Flask) -> set[str]:
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/readyz")
    }


def listed(text: str, heading: str) -> set[str]:
    """The first column of the table under a heading."""
    part = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", part, re.M))


def test_every_route_of_the_api_is_documented(app: Flask) -> None:
    assert listed(API, "Routes") == routes(app)


def test_every_refusal_is_documented() -> None:
    for status, code in errors.CODES.items():
        assert re.search(rf"^\| {status} \| [^|]*`{code}`", API, re.MULTILINE), (status, code)


def test_where_a_kept_answer_is_not_to_be_had_is_said(app: Flask) -> None:
    posts = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    views = {rule.rule: app.view_functions[rule.endpoint] for rule in posts if rule.rule.startswith("/api/")}
    without = [path.rpartition("/")[2] for path, view in views.items() if not view.keeps_answers]  # type: ignore[attr-defined]
    said = API.partition("`Idempotency-Key`")[2].partition("Errors are")[0]

    assert sorted(without) == [
        "claim",
        "comments",
        "comparison",
        "deliver",
        "events",
        "finish",
        "messages",
        "proposals",
    ]
    assert [name for name in without if f"/{name}`" not in said] == []


def unnamed(pages: Iterable[str], text: str) -> list[str]:
    """Pages that the text does not name: whole, or as what follows another page of the same point."""
    named = set()
    for point in re.split(r"^- ", text, flags=re.MULTILINE):
        names = re.findall(r"`(/[^`? ]*)`", point)
        named |= {*names, *(first + name for first in names for name in names)}
    return sorted(set(pages) - named)


def test_every_page_is_named(app: Flask) -> None:
    pages = {
        re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"<\1>", rule.rule)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith("/api/")
    } - {"/healthz", "/readyz"}
    text = API.partition("### Pages\n")[2].partition("\n## ")[0]

    assert unnamed(pages, text) == []
    assert unnamed(pages, text.replace("`/<project_key>/needs-you`", "")) == ["/<project_key>/needs-you"]
    assert unnamed([*pages, "/<project_key>/tasks/<number>/new"], text) == [
        "/<project_key>/tasks/<number>/new"
    ]


def test_every_event_is_documented() -> None:
    assert {*EVENTS} <= listed(API, "Streams over Socket.IO")


def test_every_setting_is_documented() -> None:
    assert listed(OPERATING, "Settings") == set(SETTINGS)


def test_every_command_is_documented(app: Flask) -> None:
    assert listed(OPERATING, "Commands") == commands(app)


@pytest.mark.parametrize("table", ["projects", "users", "chat_delivery_queue", "audit_log", "authz_epoch"])
def test_the_tables_are_explained(table: str) -> None:
    assert f"`{table}`" in (DOCS / "architecture.md").read_text()
