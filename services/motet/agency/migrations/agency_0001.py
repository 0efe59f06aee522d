"""An agent's tables: conversations, open plans, messages by key."""

from alembic import op

revision = "agency_0001"
down_revision = None
branch_labels = ("agency",)
depends_on = "hop_0001"


def upgrade() -> None:
    """Creates the tables."""
    op.execute(
        """
        CREATE TABLE conversation (
            partition integer NOT NULL,
            tenant text NOT NULL,
            domain text NOT NULL,
            conversation text NOT NULL,
            state text NOT NULL,
            due_at bigint,
            PRIMARY KEY (partition, tenant, domain, conversation)
        )
        """
    )
    op.execute("COMMENT ON TABLE conversation IS 'Conversations with their state and what they wait for, as JSON.'")
    op.execute(
        "COMMENT ON COLUMN conversation.due_at IS 'When its time is over, in ms since 1970; null once it is over.'"
    )
    op.execute("CREATE INDEX ON conversation (partition, due_at) WHERE due_at IS NOT NULL")
    op.execute(
        """
        CREATE TABLE asked (
            partition integer NOT NULL,
            plan_id text NOT NULL,
            tenant text NOT NULL,
            domain text NOT NULL,
            conversation text NOT NULL,
            PRIMARY KEY (partition, plan_id)
        )
        """
    )
    op.execute("COMMENT ON TABLE asked IS 'Plans that conversations wait for.'")
    op.execute(
        """
        CREATE TABLE command (
            key_digest text PRIMARY KEY,
            partition integer NOT NULL,
            command_sha256 text NOT NULL,
            event_id text NOT NULL,
            answered_at bigint
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE command IS 'Messages by tenant, domain and idempotency key, with the event that answered each.'"
    )
    op.execute("CREATE INDEX ON command (answered_at)")
