"""The registry: every table is published or private on purpose, and what is said of a row holds no secret."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from models import (
    Agent,
    AgentStatus,
    AllowedHost,
    ApiToken,
    AuditEntry,
    Delivery,
    ExecutorRequest,
    Invite,
    Membership,
    Message,
    Project,
    ProjectSecret,
    ProjectSetting,
    ProposalFold,
    Reaction,
    Schedule,
    Task,
    Thread,
    ThreadRead,
    User,
    UserSession,
    audit,
    db,
)
from models.base import Model, utcnow
from realtime.registry import PRIVATE, PUBLISHED, plain
from tests import factories
from tests.realtime.world import World

SECRETS = {"password_hash", "token_hash", "lease_token", "hash", "previous_hash", "partial", "sealed"}


def test_every_table_is_published_or_private_and_never_both() -> None:
    tables = set(Model.metadata.tables)

    assert set(PUBLISHED) | PRIVATE == tables
    assert set(PUBLISHED) & PRIVATE == set()


def test_everything_said_is_an_attribute_and_no_secret() -> None:
    for table, published in PUBLISHED.items():
        assert published.table == table
        assert published.streams
        for name in published.says:
            assert hasattr(published.model, name), f"{table}.{name}"
        assert not SECRETS & set(published.says), table


def test_every_column_is_said_or_held_back_on_purpose() -> None:
    held_back = {
        "project_chat_messages": {"content_html", "first_digest", "meta"},
        "reactions": {"project_id"},
        "chat_delivery_queue": {"losses", "past"},
        "agents": {"persona"},
        "agent_status": {"created_at"},
        "thread_reads": {"created_at"},
        "users": {"deactivated_at"},
        "executor_requests": set(),
        "brain_docs": {"content"},
        "task_events": {"content_html", "meta"},
        "proposals": {"canonical"},
        "runs": {"worker", "result"},
    }
    for table, published in PUBLISHED.items():
        columns = {attribute.key for attribute in published.model.__mapper__.column_attrs}
        left = columns - set(published.says) - published.quiet - SECRETS - {"id"}
        assert left == held_back.get(table, set()), table


def message(world: World) -> Message:
    return Message(
        project_id=world.project.id,
        thread_id=world.room.id,
        seq=900,
        author_kind="system",
        content="x",
        content_html="x",
    )


ROWS: dict[str, Callable[[World, Message], Any]] = {
    "project_chat_messages": lambda world, said: message(world),
    "reactions": lambda world, said: Reaction(
        project_id=world.project.id, message_id=said.id, user_id=world.mara.id, emoji="👍"
    ),
    "chat_delivery_queue": lambda world, said: Delivery(
        project_id=world.project.id,
        thread_id=world.room.id,
        message_id=said.id,
        target_agent_key="trunks",
        lease_token="a secret lease",
    ),
    "project_chat_threads": lambda world, said: Thread(
        project_id=world.project.id, title="Second", kind="room"
    ),
    "thread_reads": lambda world, said: ThreadRead(
        project_id=world.project.id, thread_id=world.room.id, user_id=world.mara.id
    ),
    "agents": lambda world, said: Agent(
        project_id=world.project.id,
        key="gohan",
        name="Gohan",
        state=AgentStatus(project_id=world.project.id),
    ),
    "agent_status": lambda world, said: (
        Agent(
            project_id=world.project.id,
            key="goten",
            name="Goten",
            state=AgentStatus(project_id=world.project.id),
        ).state
    ),
    "projects": lambda world, said: Project(key="mine", name="Mine"),
    "memberships": lambda world, said: Membership(
        project_id=world.project.id, role="viewer", user=User(email="m@x.y", handle="m", name="M")
    ),
    "users": lambda world, said: User(email="u@x.y", handle="u", name="U", password_hash="a secret hash"),
    "project_settings": lambda world, said: ProjectSetting(
        project_id=world.project.id, key="mission", value={}
    ),
    "proposals": lambda world, said: world.propose(),
    "runs": lambda world, said: world.approved().run,
    "proposal_folds": lambda world, said: ProposalFold(
        project_id=world.project.id, proposal_id=world.propose().id, user_id=world.mara.id
    ),
    "tasks": lambda world, said: Task(
        project_id=world.project.id, number=1, title="Look", source="message", message_id=said.id
    ),
    "task_events": lambda world, said: Task.promote(said, world.jonas).record("noted", "bulma"),
    "run_events": lambda world, said: factories.event(Task.promote(said, world.jonas), world.mara),
    "schedules": lambda world, said: Schedule(
        project_id=world.project.id,
        name="Disk",
        schedule_kind="every",
        schedule_expr="1d",
        time_zone="UTC",
        instructions="Look.",
        target_agent_key="bulma",
        output="activity",
        proposal_id=world.propose().id,
    ),
    "executor_requests": lambda world, said: ExecutorRequest.ask(
        world.project.id, "agent_provision", {"key": "x"}, None
    ),
    "brain_docs": lambda world, said: world.write("a secret document"),
    "skills_mirror": lambda world, said: factories.skill(world.project),
    "invites": lambda world, said: Invite(
        project_id=world.project.id,
        role="viewer",
        token_hash="a secret hash",
        created_by=world.mara.id,
        expires_at=utcnow() + timedelta(hours=1),
    ),
    "api_tokens": lambda world, said: ApiToken.create(world.project.id, "worker", "w")[0],
    "allowed_hosts": lambda world, said: AllowedHost.add(world.project.id, "api.example.org", world.mara),
    "project_secrets": lambda world, said: ProjectSecret(
        project_id=world.project.id, name="x", origin="y", sealed=b"a secret value", created_by=world.mara.id
    ),
    "user_sessions": lambda world, said: UserSession(user_id=world.mara.id, token_hash="a secret hash"),
    "audit_log": lambda world, said: audit.record("system", "x", "y", project_id=world.project.id),
}


@pytest.mark.parametrize("table", PUBLISHED)
def test_a_row_of_every_published_table_reaches_the_page(world: World, table: str) -> None:
    said = world.say("hello @jonas")
    db.session.commit()
    row = ROWS[table](world, said)
    db.session.add(row)
    db.session.flush()
    published, row_id = PUBLISHED[table], row.id
    names = published.streams(row)
    pump = world.pump(lambda: names)
    pump.turn()
    db.session.commit()
    pump.turn()

    items = [item for packet in world.packets for item in packet["items"]]
    [item] = [one for one in items if one["table"] == table and one["id"] == str(row_id)]
    assert names
    assert item["op"] == "insert"
    assert item["row"]["id"] == str(row_id)
    assert ("html" in item) == (published.partial is not None)
    assert "a secret" not in json.dumps(item)
    assert [one.id for one in published.load([row_id])] == [row_id]
    if row.__class__ is Agent:
        assert f'id="agent_{row_id}"' in item["html"]


def test_values_are_said_as_json_knows_them() -> None:
    noon = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

    assert plain(noon) == "2026-05-01T12:00:00.000000Z"
    assert plain(noon.astimezone(timezone(timedelta(hours=2)))) == "2026-05-01T12:00:00.000000Z"
    assert plain(UUID(int=1)) == "00000000-0000-0000-0000-000000000001"
    assert plain(None) is None


def test_narrow_rows_are_on_narrow_streams(world: World) -> None:
    admin, mara = f"admin:{world.project.id}", f"user:{world.mara.id}"
    mission = ProjectSetting(project_id=world.project.id, key="mission", value={})

    assert PUBLISHED["project_settings"].streams(mission) == [admin]
    assert PUBLISHED["audit_log"].streams(AuditEntry(project_id=None)) == []
    assert PUBLISHED["project_chat_threads"].streams(world.dm) == [mara]
    for table in ("invites", "api_tokens", "audit_log", "allowed_hosts", "project_secrets"):
        assert PUBLISHED[table].streams(PUBLISHED[table].model(project_id=world.project.id)) == [admin]
    for table in ("user_sessions", "thread_reads"):
        assert PUBLISHED[table].streams(PUBLISHED[table].model(user_id=world.mara.id)) == [mara]
