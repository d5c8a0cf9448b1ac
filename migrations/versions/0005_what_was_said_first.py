"""An edited or deleted message knows the digest of what it said first, so that a repeat is told from news."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project_chat_messages", sa.Column("first_digest", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("project_chat_messages", "first_digest")
