"""Plans of tasks, the runs that make them and carry them out, and what happens in a run."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(run_id is null) <> (user_id is null)", name=op.f("ck_plans_made_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_plans_project_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_plans_task_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_plans_run_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_plans_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("task_id", "version", name=op.f("uq_plans_task_id_version")),
    )
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("approval_status", sa.String(length=16), nullable=True))
        tasks.add_column(sa.Column("plan_version", sa.Integer(), nullable=True))
        tasks.add_column(sa.Column("plan_digest", sa.String(length=64), nullable=True))
        tasks.add_column(sa.Column("waits_since", sa.DateTime(timezone=True), nullable=True))
        tasks.create_check_constraint(
            op.f("ck_tasks_waits"),
            "waits_since is null and status <> 'review' or"
            " waits_since is not null and status in ('review', 'executing')",
        )
        tasks.create_check_constraint(
            op.f("ck_tasks_approval_status"),
            "approval_status in ('pending_plan', 'pending_approval', 'approved', 'rejected')",
        )
        tasks.create_check_constraint(
            op.f("ck_tasks_planned"), "(plan_version is null) = (plan_digest is null)"
        )
        tasks.create_check_constraint(
            op.f("ck_tasks_reviewed"), "status <> 'review' or plan_version is not null"
        )
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("task_id", sa.Uuid(), nullable=True))
        runs.add_column(sa.Column("params", sa.JSON(), nullable=False, server_default="{}"))
        runs.add_column(sa.Column("usage", sa.JSON(), nullable=True))
        runs.create_foreign_key(op.f("fk_runs_task_id"), "tasks", ["task_id"], ["id"])
        runs.drop_constraint(op.f("ck_runs_kind"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), "kind in ('action', 'plan', 'execution')")
        runs.drop_constraint(op.f("ck_runs_approved"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_approved"), "kind = 'plan' or approval_id is not null")
        runs.create_check_constraint(op.f("ck_runs_of_a_task"), "kind = 'action' or task_id is not null")
        runs.create_index("ix_runs_task_id", ["task_id", "created_at"])
    op.create_table(
        "run_events",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind in ('command', 'output', 'said', 'note')", name=op.f("ck_run_events_kind")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_run_events_project_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_events")),
        sa.UniqueConstraint("run_id", "seq", name=op.f("uq_run_events_run_id_seq")),
    )


def downgrade() -> None:
    op.drop_table("run_events")
    with op.batch_alter_table("runs") as runs:
        runs.drop_index("ix_runs_task_id")
        runs.drop_constraint(op.f("ck_runs_approved"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_approved"), "kind <> 'action' or approval_id is not null")
        runs.drop_constraint(op.f("ck_runs_of_a_task"), type_="check")
        runs.drop_constraint(op.f("ck_runs_kind"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), "kind in ('action')")
        runs.drop_constraint(op.f("fk_runs_task_id"), type_="foreignkey")
        for column in ("usage", "params", "task_id"):
            runs.drop_column(column)
    with op.batch_alter_table("tasks") as tasks:
        for name in ("waits", "reviewed", "planned", "approval_status"):
            tasks.drop_constraint(op.f(f"ck_tasks_{name}"), type_="check")
        for column in ("waits_since", "plan_digest", "plan_version", "approval_status"):
            tasks.drop_column(column)
    op.drop_table("plans")
