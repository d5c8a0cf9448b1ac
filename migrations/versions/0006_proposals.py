"""What agents propose, what people decide on it, and the runs that carry it out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("uq_user_sessions_id_user_id", "user_sessions", ["id", "user_id"], unique=True)
    op.create_table(
        "approvals",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("subject_type", sa.String(length=8), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.String(length=200), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "decision <> 'approved' or (user_id is not null and session_id is not null)",
            name=op.f("ck_approvals_by_a_person"),
        ),
        sa.CheckConstraint("decision in ('approved', 'rejected')", name=op.f("ck_approvals_decision")),
        sa.CheckConstraint("subject_type in ('proposal', 'plan')", name=op.f("ck_approvals_subject_type")),
        sa.CheckConstraint("(voided_at is null) = (void_reason is null)", name=op.f("ck_approvals_voided")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_approvals_project_id")),
        sa.ForeignKeyConstraint(
            ["session_id", "user_id"],
            ["user_sessions.id", "user_sessions.user_id"],
            name=op.f("fk_approvals_session_id_user_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_approvals_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("id", "subject_id", "digest", name=op.f("uq_approvals_id_subject_id_digest")),
        sa.UniqueConstraint(
            "subject_id", "digest", "attempt", name=op.f("uq_approvals_subject_id_digest_attempt")
        ),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_user_id"), ["user_id"], unique=False)
        batch_op.create_index(
            "uq_approvals_in_force",
            ["subject_id", "digest"],
            unique=True,
            sqlite_where=sa.text("voided_at IS NULL"),
            postgresql_where=sa.text("voided_at IS NULL"),
        )

    op.create_table(
        "proposals",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("action_type", sa.String(length=16), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("risk_level", sa.String(length=4), nullable=False),
        sa.Column("rules_shown", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("proposed_by", sa.String(length=32), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_by", sa.Uuid(), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execution_result", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status in ('approved', 'executed', 'failed')) = (approval_id is not null)",
            name=op.f("ck_proposals_decided"),
        ),
        sa.CheckConstraint(
            "action_type in ('create_task', 'schedule_job', 'edit_doc', 'send_message', 'api_call', 'file_write')",
            name=op.f("ck_proposals_action_type"),
        ),
        sa.CheckConstraint(
            "executed_at is null or status in ('executed', 'failed')", name=op.f("ck_proposals_executed")
        ),
        sa.CheckConstraint("risk_level in ('low', 'med', 'high')", name=op.f("ck_proposals_risk_level")),
        sa.CheckConstraint(
            "status in ('proposed', 'approved', 'rejected', 'executed', 'failed')",
            name=op.f("ck_proposals_status"),
        ),
        sa.CheckConstraint(
            "(approval_id is null) = (approved_by is null) and (approval_id is null) = (approved_at is null)",
            name=op.f("ck_proposals_by_somebody"),
        ),
        sa.ForeignKeyConstraint(
            ["approval_id", "id", "digest"],
            ["approvals.id", "approvals.subject_id", "approvals.digest"],
            name=op.f("fk_proposals_approval_id_id_digest"),
        ),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_proposals_approved_by")),
        sa.ForeignKeyConstraint(["edited_by"], ["users.id"], name=op.f("fk_proposals_edited_by")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["project_chat_messages.id"], name=op.f("fk_proposals_message_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_proposals_project_id")),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["project_chat_threads.id"], name=op.f("fk_proposals_thread_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sa.UniqueConstraint("message_id", name=op.f("uq_proposals_message_id")),
    )
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.create_index("ix_proposals_project_id", ["project_id", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_proposals_status", ["project_id", "status", "created_at", "id"], unique=False
        )

    op.create_table(
        "runs",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=11), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=True),
        sa.Column("retry_of", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=80), nullable=True),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("desired_status", sa.String(length=10), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind <> 'action' or approval_id is not null", name=op.f("ck_runs_approved")),
        sa.CheckConstraint("kind in ('action')", name=op.f("ck_runs_kind")),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'success', 'error', 'cancelled', 'interrupted')",
            name=op.f("ck_runs_status"),
        ),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_runs_approval_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_runs_project_id")),
        sa.ForeignKeyConstraint(["retry_of"], ["runs.id"], name=op.f("fk_runs_retry_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("approval_id", "kind", name=op.f("uq_runs_approval_id_kind")),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_runs_open",
            ["created_at"],
            unique=False,
            sqlite_where=sa.text("status IN ('queued', 'running')"),
            postgresql_where=sa.text("status IN ('queued', 'running')"),
        )

    op.create_table(
        "proposal_folds",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_proposal_folds_project_id")),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_proposal_folds_proposal_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_proposal_folds_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_folds")),
        sa.UniqueConstraint("user_id", "proposal_id", name=op.f("uq_proposal_folds_user_id_proposal_id")),
    )


def downgrade() -> None:
    for table in ("proposal_folds", "runs", "proposals", "approvals"):
        op.drop_table(table)
    op.drop_index("uq_user_sessions_id_user_id", "user_sessions")
