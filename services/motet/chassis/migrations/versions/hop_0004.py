"""What a fact says of how it was decided, where it waits: to be published again, or to be taken again."""

from alembic import op

revision = "hop_0004"
down_revision = "hop_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; what is there already has none."""
    op.execute("ALTER TABLE outbox ADD COLUMN decided_by text")
    op.execute("COMMENT ON COLUMN outbox.decided_by IS 'The header ce_decidedby, of facts that others read.'")
    for table in ("dead_letter", "parked_record"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN decided_by text")
        op.execute(f"COMMENT ON COLUMN {table}.decided_by IS 'The header ce_decidedby that the record had.'")
