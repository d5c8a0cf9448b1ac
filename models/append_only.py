"""Tables that only grow, and older ones that are only read, held by triggers in both databases (I8)."""

from sqlalchemy import Connection, text

from models.base import Model

READ_ONLY = ("task_comments", "task_outputs")
"""What an earlier version wrote: it is read, and nothing is added any more."""
TABLES = (
    "audit_log", "approvals", "plans", "task_events", "run_events", "brain_doc_versions", *READ_ONLY,
)  # fmt: skip
ONCE = {"approvals": ("voided_at", "void_reason")}
"""Columns of them that are empty at first, and are then written once."""


def statements(dialect: str) -> list[str]:
    """The DDL that (re)creates every trigger; run after each migration, which may have dropped them."""
    return [sql for table in TABLES for sql in (_SQLITE if dialect == "sqlite" else _POSTGRESQL)(table)]


def protect(connection: Connection) -> None:
    for sql in statements(connection.dialect.name):
        connection.execute(text(sql))


def missing(connection: Connection) -> list[str]:
    """The triggers that should be there and are not."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    there = set(connection.execute(text(query)).scalars())
    return sorted(set(names(connection.dialect.name)) - there)


def names(dialect: str) -> list[str]:
    return [f"{table}_no_{verb}" for table in TABLES for verb in _events(table, dialect)]


def _events(table: str, dialect: str) -> dict[str, str]:
    """The end of each trigger's name, and the event and condition that it refuses."""
    events = {"update": f"UPDATE ON {table}", "delete": f"DELETE ON {table}"}
    if table in READ_ONLY:
        events["insert"] = f"INSERT ON {table}"
    if table in ONCE:
        once = ONCE[table]
        others = [column.name for column in Model.metadata.tables[table].columns if column.name not in once]
        written = " OR ".join(f"OLD.{name} IS NOT NULL" for name in once)
        events["update"] = f"UPDATE OF {', '.join(others)} ON {table}"
        events["second_update"] = f"UPDATE OF {', '.join(once)} ON {table} FOR EACH ROW WHEN ({written})"
    if dialect != "sqlite":
        events["truncate"] = f"TRUNCATE ON {table} FOR EACH STATEMENT"
    return {
        verb: event if " FOR EACH " in event else f"{event} FOR EACH ROW" for verb, event in events.items()
    }


def _rule(table: str) -> str:
    return "is only read" if table in READ_ONLY else "only grows"


def _SQLITE(table: str) -> list[str]:
    return [
        part
        for verb, event in _events(table, "sqlite").items()
        for part in (
            f"DROP TRIGGER IF EXISTS {table}_no_{verb}",
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {event} "
            f"BEGIN SELECT RAISE(ABORT, '{table} {_rule(table)}'); END",
        )
    ]


def _POSTGRESQL(table: str) -> list[str]:
    refuse = (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% %', TG_TABLE_NAME, TG_ARGV[0]; END $$"
    )
    return [refuse] + [
        part
        for verb, event in _events(table, "postgresql").items()
        for part in (
            f"DROP TRIGGER IF EXISTS {table}_no_{verb} ON {table}",
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {event} "
            f"EXECUTE FUNCTION refuse_change('{_rule(table)}')",
        )
    ]
