"""Rows of the two older tables of tasks, which nothing in the application can add any more."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, create_engine, text
from sqlalchemy.pool import NullPool

from models import Task, TaskComment, TaskOutput, append_only, db
from tests.support.databases import Database


def comment(database: Database, task: Task, content: str, at: datetime, agent: str | None = None) -> UUID:
    return _insert(database, TaskComment.__table__, task, at, author_agent_key=agent, content=content)


def output(database: Database, task: Task, title: str, at: datetime, **said: Any) -> UUID:
    usual = {"created_by": None, "output_type": "link", "storage_path": None, "link_url": None}
    return _insert(database, TaskOutput.__table__, task, at, title=title, **(usual | said))


def _insert(database: Database, table: Any, task: Task, at: datetime, **said: Any) -> UUID:
    """As the tables' owner, before the trigger that refuses it: what an earlier version did."""
    assert isinstance(table, Table)
    row = {"id": uuid4(), "project_id": task.project_id, "task_id": task.id, "created_at": at, **said}
    db.session.commit()  # who still reads holds SQLite's lock
    engine = create_engine(database.owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        on = "" if database.kind == "sqlite" else f" ON {table.name}"
        connection.execute(text(f"DROP TRIGGER {table.name}_no_insert{on}"))
        connection.execute(table.insert().values(**row))
        append_only.protect(connection)
    return UUID(str(row["id"]))
