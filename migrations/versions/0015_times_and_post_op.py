"""Plans and executions at a chosen time, the look that follows an execution, and how far it is."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KINDS = "kind in ('action', 'plan', 'execution'{})"


def upgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("scheduled_time", sa.DateTime(timezone=True), nullable=True))
        tasks.add_column(sa.Column("run_post_op", sa.Boolean(), nullable=False, server_default=sa.false()))
        tasks.add_column(sa.Column("step", sa.Integer(), nullable=True))
        tasks.add_column(sa.Column("steps", sa.Integer(), nullable=True))
        tasks.create_check_constraint(
            op.f("ck_tasks_scheduled"), "status <> 'scheduled' or scheduled_time is not null"
        )
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("run_after", sa.DateTime(timezone=True), nullable=True))
        runs.drop_constraint(op.f("ck_runs_kind"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), _KINDS.format(", 'post_op'"))


def downgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.drop_constraint(op.f("ck_runs_kind"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_kind"), _KINDS.format(""))
        runs.drop_column("run_after")
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_constraint(op.f("ck_tasks_scheduled"), type_="check")
        tasks.drop_column("steps")
        tasks.drop_column("step")
        tasks.drop_column("run_post_op")
        tasks.drop_column("scheduled_time")
