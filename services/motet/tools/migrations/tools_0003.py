"""Intents that nobody wants any more: a new owner does not run them again."""

from alembic import op

revision = "tools_0003"
down_revision = "tools_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE intent ADD COLUMN stopped boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN intent.stopped IS 'Nobody wants it any more; what runs was told.'")
    op.execute(
        "COMMENT ON COLUMN intent.deadline_at IS "
        "'Until then it is its owner''s; milliseconds since 1970 by the clock of PostgreSQL.'"
    )
