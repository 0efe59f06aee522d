"""The index for forgetting begins with the time: one that begins with the shard was taken for finding a key, and read the whole shard."""

from alembic import op

revision = "tools_0006"
down_revision = "tools_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the other index."""
    op.execute("CREATE INDEX answer_expires ON answer (expires_at, partition)")
    op.execute("DROP INDEX answer_partition_expires_at_idx")
