"""The lease service's tables: open leases, scopes' counters, commands by key."""

from alembic import op

revision = "leases_0001"
down_revision = None
branch_labels = ("leases",)
depends_on = "hop_0001"


def upgrade() -> None:
    """Creates the tables."""
    op.execute(
        """
        CREATE TABLE open_lease (
            partition integer NOT NULL,
            lease_id text NOT NULL,
            state text NOT NULL,
            PRIMARY KEY (partition, lease_id)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE open_lease IS 'Leases that are held or wait; the lines of the resources follow from them.'"
    )
    op.execute(
        """
        CREATE TABLE scope (
            partition integer NOT NULL,
            tenant text NOT NULL,
            domain text NOT NULL,
            arrivals bigint NOT NULL,
            tokens bigint NOT NULL,
            PRIMARY KEY (partition, tenant, domain)
        )
        """
    )
    op.execute("COMMENT ON TABLE scope IS 'What each scope has given out: places in line, and tokens. Never deleted.'")
    op.execute(
        """
        CREATE TABLE command (
            key_digest text PRIMARY KEY,
            partition integer NOT NULL,
            lease_id text NOT NULL,
            command_sha256 text NOT NULL,
            status text NOT NULL,
            event_id text NOT NULL,
            answer text NOT NULL,
            answered_at bigint
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE command IS 'Commands about leases by tenant, scope and idempotency key, with their answers.'"
    )
    op.execute(
        "COMMENT ON COLUMN command.answered_at IS 'Log time from which its window runs, in ms since 1970; null while its lease is open.'"
    )
    op.execute("CREATE INDEX ON command (answered_at)")
