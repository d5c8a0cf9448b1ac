"""Runs of a project's own skills, whose keys are longer, and how urgent an audit found something last."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _lengths((16, 64), (96, 144))
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("found_priority", sa.String(length=8), nullable=True))


def downgrade() -> None:
    """PostgreSQL refuses while a longer key is there: nothing is cut off."""
    with op.batch_alter_table("tasks") as tasks:
        tasks.drop_column("found_priority")
    _lengths((64, 16), (144, 96))


def _lengths(audit: tuple[int, int], fingerprint: tuple[int, int]) -> None:
    for table, column, (old, new) in (("runs", "audit", audit), ("tasks", "fingerprint", fingerprint)):
        with op.batch_alter_table(table) as batch:
            batch.alter_column(column, existing_type=sa.String(length=old), type_=sa.String(length=new))
