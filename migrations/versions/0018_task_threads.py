"""What agents and people add to a task's timeline, and the two older tables that it is read from, too."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("proposals") as proposals:
        proposals.alter_column("thread_id", existing_type=sa.Uuid(), nullable=True)
        proposals.alter_column("message_id", existing_type=sa.Uuid(), nullable=True)
        proposals.create_check_constraint(
            op.f("ck_proposals_said"), "(message_id is null) = (thread_id is null)"
        )
    with op.batch_alter_table("task_events") as events:
        events.add_column(sa.Column("text", sa.Text(), nullable=False, server_default=""))
        events.add_column(sa.Column("legacy_ref", sa.String(length=64), nullable=True))
        events.add_column(sa.Column("proposal_id", sa.Uuid(), nullable=True))
        events.create_foreign_key(op.f("fk_task_events_proposal_id"), "proposals", ["proposal_id"], ["id"])
        events.create_unique_constraint(op.f("uq_task_events_legacy_ref"), ["legacy_ref"])
    op.create_index("ix_task_events_created_at", "task_events", ["task_id", "created_at", "seq"])
    _unique_where("ix_task_events_of_agent", ["task_id", "author", "client_id"], "user_id IS NULL")
    _unique_where("ix_task_events_proposal_id", ["proposal_id"], "event_type = 'approval_request'")
    op.create_table(
        "task_comments",
        *_of_a_task("task_comments"),
        sa.Column("author_agent_key", sa.String(length=32), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_table(
        "task_outputs",
        *_of_a_task("task_outputs"),
        sa.Column("created_by", sa.String(length=32), nullable=True),
        sa.Column("output_type", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("storage_path", sa.Text(), nullable=True),
        sa.Column("link_url", sa.Text(), nullable=True),
    )
    for table in ("task_comments", "task_outputs"):
        op.create_index(f"ix_{table}_task_id", table, ["task_id", "created_at"])


def _unique_where(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "task_events", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _of_a_task(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f(f"fk_{table}_project_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f(f"fk_{table}_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def downgrade() -> None:
    for table in ("task_outputs", "task_comments"):
        op.drop_table(table)
    for name in ("proposal_id", "of_agent", "created_at"):
        op.drop_index(f"ix_task_events_{name}", table_name="task_events")
    with op.batch_alter_table("task_events") as events:
        events.drop_constraint(op.f("uq_task_events_legacy_ref"), type_="unique")
        events.drop_constraint(op.f("fk_task_events_proposal_id"), type_="foreignkey")
        for column in ("proposal_id", "legacy_ref", "text"):
            events.drop_column(column)
    with op.batch_alter_table("proposals") as proposals:
        proposals.drop_constraint(op.f("ck_proposals_said"), type_="check")
        proposals.alter_column("message_id", existing_type=sa.Uuid(), nullable=False)
        proposals.alter_column("thread_id", existing_type=sa.Uuid(), nullable=False)
