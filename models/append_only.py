"""Tables that only grow, held by triggers in both databases (I8)."""

from sqlalchemy import Connection, text

TABLES = ("audit_log",)


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
    verbs = ("update", "delete") if dialect == "sqlite" else ("update", "delete", "truncate")
    return [f"{table}_no_{verb}" for table in TABLES for verb in verbs]


def _SQLITE(table: str) -> list[str]:
    return [
        part
        for verb in ("update", "delete")
        for part in (
            f"DROP TRIGGER IF EXISTS {table}_no_{verb}",
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END",
        )
    ]


def _POSTGRESQL(table: str) -> list[str]:
    refuse = (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME; END $$"
    )
    each = {"update": "ROW", "delete": "ROW", "truncate": "STATEMENT"}
    return [refuse] + [
        part
        for verb, level in each.items()
        for part in (
            f"DROP TRIGGER IF EXISTS {table}_no_{verb} ON {table}",
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
            f"FOR EACH {level} EXECUTE FUNCTION refuse_change()",
        )
    ]
