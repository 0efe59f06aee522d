"""Dead letters are kept by the service that wrote them, and parked records in their order, so that both can be taken again."""

from alembic import op

revision = "hop_0002"
down_revision = "hop_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table and adds the columns."""
    op.execute(
        """
        CREATE TABLE dead_letter (
            partition integer NOT NULL,
            event_id text NOT NULL,
            topic text NOT NULL,
            "offset" bigint NOT NULL,
            key bytea,
            payload bytea,
            timestamp_ms bigint NOT NULL,
            code text NOT NULL,
            parked boolean NOT NULL,
            PRIMARY KEY (partition, event_id)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE dead_letter IS 'Records that could not be handled, until somebody repairs or discards them.'"
    )
    op.execute(
        "ALTER TABLE parked_record ADD COLUMN timestamp_ms bigint NOT NULL DEFAULT 0, "
        "ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY"
    )
    op.execute("COMMENT ON COLUMN parked_record.number IS 'The order in which they were parked.'")
