"""A pause of the agents knows where it began: what was held back since then is found, however much it is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project_chat_threads", sa.Column("paused_seq", sa.Integer(), nullable=True))
    op.execute("UPDATE project_chat_threads SET paused_seq = 1 WHERE paused_at IS NOT NULL")


def downgrade() -> None:
    op.drop_column("project_chat_threads", "paused_seq")
