"""A person comments on a task, once for each client_id."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("task_events", sa.Column("content_html", sa.Text(), nullable=False, server_default=""))
    op.add_column("task_events", sa.Column("client_id", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_task_events_client_id", "task_events", ["task_id", "user_id", "client_id"], unique=True
    )


def downgrade() -> None:
    op.drop_index("ix_task_events_client_id", table_name="task_events")
    op.drop_column("task_events", "client_id")
    op.drop_column("task_events", "content_html")
