"""What a run knows of its worker, tasks with their events, and schedules."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("late_report", sa.Text(), nullable=True))
    op.create_table(
        "tasks",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=9), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("assignee_agent_key", sa.String(length=32), nullable=True),
        sa.Column("proposal_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'planning', 'review', 'scheduled', 'executing', 'completed', 'failed',"
            " 'cancelled')",
            name=op.f("ck_tasks_status"),
        ),
        sa.CheckConstraint("source in ('proposal', 'message')", name=op.f("ck_tasks_source")),
        sa.CheckConstraint("source <> 'proposal' or proposal_id is not null", name=op.f("ck_tasks_proposed")),
        sa.CheckConstraint("source <> 'message' or message_id is not null", name=op.f("ck_tasks_promoted")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tasks_project_id")),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name=op.f("fk_tasks_proposal_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["project_chat_messages.id"], name=op.f("fk_tasks_message_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_tasks_project_id_number")),
        sa.UniqueConstraint("proposal_id", name=op.f("uq_tasks_proposal_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_tasks_message_id")),
    )
    op.create_table(
        "task_events",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("author", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_task_events_project_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_events_task_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_task_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_events")),
        sa.UniqueConstraint("task_id", "seq", name=op.f("uq_task_events_task_id_seq")),
    )
    op.create_table(
        "schedules",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("schedule_kind", sa.String(length=5), nullable=False),
        sa.Column("schedule_expr", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("target_agent_key", sa.String(length=32), nullable=False),
        sa.Column("output", sa.String(length=8), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_fire_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("schedule_kind in ('every', 'cron')", name=op.f("ck_schedules_schedule_kind")),
        sa.CheckConstraint("output in ('activity', 'thread', 'task')", name=op.f("ck_schedules_output")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_schedules_project_id")),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name=op.f("fk_schedules_proposal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("proposal_id", name=op.f("uq_schedules_proposal_id")),
    )
    op.create_index("ix_schedules_project_id", "schedules", ["project_id", "created_at"], unique=False)


def downgrade() -> None:
    for table in ("schedules", "task_events", "tasks"):
        op.drop_table(table)
    for column in ("late_report", "losses"):
        op.drop_column("runs", column)
