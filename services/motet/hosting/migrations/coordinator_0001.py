"""The coordinator's tables: contracts as read from the log, commands by key, open plans."""

from alembic import op

revision = "coordinator_0001"
down_revision = None
branch_labels = ("coordinator",)
depends_on = "hop_0001"


def upgrade() -> None:
    """Creates the tables."""
    op.execute(
        """
        CREATE TABLE contract (
            partition integer NOT NULL,
            name text NOT NULL,
            version integer NOT NULL,
            record bytea NOT NULL,
            PRIMARY KEY (partition, name, version)
        )
        """
    )
    op.execute("COMMENT ON TABLE contract IS 'Tool contracts as a shard read them, in every version.'")
    op.execute(
        """
        CREATE TABLE command (
            key_digest text PRIMARY KEY,
            plan_id text NOT NULL,
            command_sha256 text NOT NULL,
            status text NOT NULL,
            terminal_event_id text,
            answer text
        )
        """
    )
    op.execute("COMMENT ON TABLE command IS 'Every command by tenant, domain and idempotency key, with its answer.'")
    op.execute(
        """
        CREATE TABLE open_plan (
            partition integer NOT NULL,
            plan_id text NOT NULL,
            sequence bigint NOT NULL,
            state text NOT NULL,
            PRIMARY KEY (partition, plan_id)
        )
        """
    )
    op.execute("COMMENT ON TABLE open_plan IS 'Plans that have not ended; the resource queues follow from them.'")
