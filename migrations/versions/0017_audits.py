"""Audits: their runs, and tasks that come of what they find."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

OPEN_AUDIT = sa.text("status IN ('queued', 'running') AND audit IS NOT NULL")
_KINDS = "kind in ('action', 'plan', 'execution', 'post_op'{})"
FOUND = sa.text("fingerprint IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("audit", sa.String(length=16), nullable=True))
        runs.add_column(sa.Column("result", sa.JSON(), nullable=True))
        for name in ("kind", "approved", "of_a_task"):
            runs.drop_constraint(op.f(f"ck_runs_{name}"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), _KINDS.format(", 'audit'"))
        runs.create_check_constraint(
            op.f("ck_runs_approved"), "kind in ('plan', 'audit') or approval_id is not null"
        )
        runs.create_check_constraint(
            op.f("ck_runs_of_a_task"), "kind in ('action', 'audit') or task_id is not null"
        )
        runs.create_check_constraint(op.f("ck_runs_audits"), "(kind = 'audit') = (audit is not null)")
        runs.create_index(
            "ix_runs_one_audit",
            ["project_id", "audit"],
            unique=True,
            sqlite_where=OPEN_AUDIT,
            postgresql_where=OPEN_AUDIT,
        )
        runs.create_index("ix_runs_audits", ["project_id", "audit", "created_at"])
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("fingerprint", sa.String(length=96), nullable=True))
        tasks.add_column(sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
        tasks.drop_constraint(op.f("ck_tasks_source"), type_="check")
        tasks.create_check_constraint(op.f("ck_tasks_source"), "source in ('proposal', 'message', 'finding')")
        tasks.create_check_constraint(
            op.f("ck_tasks_found"), "(source = 'finding') = (fingerprint is not null)"
        )
        tasks.create_index(
            "ix_tasks_fingerprint",
            ["project_id", "fingerprint"],
            unique=True,
            sqlite_where=FOUND,
            postgresql_where=FOUND,
        )


def downgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_index("ix_tasks_fingerprint")
        tasks.drop_constraint(op.f("ck_tasks_found"), type_="check")
        tasks.drop_constraint(op.f("ck_tasks_source"), type_="check")
        tasks.create_check_constraint(op.f("ck_tasks_source"), "source in ('proposal', 'message')")
        tasks.drop_column("gone_at")
        tasks.drop_column("fingerprint")
    with op.batch_alter_table("runs") as runs:
        runs.drop_index("ix_runs_audits")
        runs.drop_index("ix_runs_one_audit")
        for name in ("audits", "of_a_task", "approved", "kind"):
            runs.drop_constraint(op.f(f"ck_runs_{name}"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), _KINDS.format(""))
        runs.create_check_constraint(op.f("ck_runs_approved"), "kind = 'plan' or approval_id is not null")
        runs.create_check_constraint(op.f("ck_runs_of_a_task"), "kind = 'action' or task_id is not null")
        runs.drop_column("result")
        runs.drop_column("audit")
