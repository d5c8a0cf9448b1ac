"""Documents that agents read, with all their versions, and what the last look at the audit log found."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brain_docs",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("agent_key", sa.String(length=32), nullable=False),
        sa.Column("doc_type", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("by_agent", sa.String(length=32), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_brain_docs_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_brain_docs_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brain_docs")),
        sa.UniqueConstraint(
            "project_id", "agent_key", "doc_type", name=op.f("uq_brain_docs_project_id_agent_key_doc_type")
        ),
    )
    op.create_table(
        "brain_doc_versions",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("doc_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("base_digest", sa.String(length=64), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("by_agent", sa.String(length=32), nullable=True),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(by_agent is null) = (approval_id is null)", name=op.f("ck_brain_doc_versions_approved")
        ),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name=op.f("fk_brain_doc_versions_approval_id")
        ),
        sa.ForeignKeyConstraint(["doc_id"], ["brain_docs.id"], name=op.f("fk_brain_doc_versions_doc_id")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_brain_doc_versions_project_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_brain_doc_versions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brain_doc_versions")),
        sa.UniqueConstraint("doc_id", "version", name=op.f("uq_brain_doc_versions_doc_id_version")),
    )
    op.add_column("audit_head", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audit_head", sa.Column("checked_seq", sa.Integer(), nullable=True))
    op.add_column("audit_head", sa.Column("broken_at", sa.Integer(), nullable=True))


def downgrade() -> None:
    for column in ("broken_at", "checked_seq", "checked_at"):
        op.drop_column("audit_head", column)
    op.drop_table("brain_doc_versions")
    op.drop_table("brain_docs")
