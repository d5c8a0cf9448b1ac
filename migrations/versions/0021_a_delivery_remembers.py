"""A delivery keeps what became of its earlier attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chat_delivery_queue", sa.Column("past", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("chat_delivery_queue") as deliveries:
        deliveries.drop_column("past")
