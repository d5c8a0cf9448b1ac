"""The known devices of a person end together, and the sign-ins that failed lately are found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("device_epoch", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_login_attempts_created_at", "login_attempts", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_login_attempts_created_at", "login_attempts")
    op.drop_column("users", "device_epoch")
