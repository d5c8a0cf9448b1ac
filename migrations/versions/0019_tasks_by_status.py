"""Quick ways to a project's tasks of one status, and to those that wait for a person."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_tasks_status", "tasks", ["project_id", "status", "number"])
    waiting = sa.text("waits_since IS NOT NULL")
    op.create_index(
        "ix_tasks_waiting", "tasks", ["project_id", "waits_since"],
        sqlite_where=waiting, postgresql_where=waiting,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_tasks_waiting", table_name="tasks")
    op.drop_index("ix_tasks_status", table_name="tasks")
