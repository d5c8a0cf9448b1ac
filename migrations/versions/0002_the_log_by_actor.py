"""What an actor did lately is found in the audit log without reading all of it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_audit_log_actor", "audit_log", ["actor", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_audit_log_actor", "audit_log")
