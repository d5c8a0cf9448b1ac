"""What of a task is urgent, and words to find it by."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("priority", sa.String(length=6), nullable=False, server_default="normal"))
        tasks.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
        tasks.create_check_constraint(
            op.f("ck_tasks_priority"), "priority in ('low', 'normal', 'high', 'urgent')"
        )


def downgrade() -> None:
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_constraint(op.f("ck_tasks_priority"), type_="check")
        tasks.drop_column("tags")
        tasks.drop_column("priority")
