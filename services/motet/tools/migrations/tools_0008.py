"""What recovery writes of invocations that are still to be read: nobody acts on it before."""

from alembic import op

revision = "tools_0008"
down_revision = "tools_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE intent ADD COLUMN unread boolean NOT NULL DEFAULT false")
    op.execute(
        "COMMENT ON COLUMN intent.unread IS 'Recovery found it in the topic, and the service will read it once more.'"
    )
