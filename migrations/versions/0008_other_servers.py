"""The servers that a project may ask, and the secrets that it tells them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allowed_hosts",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.String(length=280), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_allowed_hosts_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_allowed_hosts_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allowed_hosts")),
        sa.UniqueConstraint("project_id", "origin", name=op.f("uq_allowed_hosts_project_id_origin")),
    )
    op.create_table(
        "project_secrets",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=280), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_project_secrets_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_project_secrets_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_secrets")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_project_secrets_project_id_name")),
    )


def downgrade() -> None:
    op.drop_table("project_secrets")
    op.drop_table("allowed_hosts")
