"""What the executor last found out about each skill, and a quick way to the last check."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "skills_mirror",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("setup_steps", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_on", sa.String(length=255), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('ready', 'needs_setup', 'blocked')", name=op.f("ck_skills_mirror_status")
        ),
        sa.CheckConstraint("source in ('shipped', 'project')", name=op.f("ck_skills_mirror_source")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_skills_mirror_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skills_mirror")),
        sa.UniqueConstraint(
            "project_id", "source", "path", name=op.f("uq_skills_mirror_project_id_source_path")
        ),
    )
    op.create_index("ix_executor_requests_newest", "executor_requests", ["project_id", "kind", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_executor_requests_newest", table_name="executor_requests")
    op.drop_table("skills_mirror")
