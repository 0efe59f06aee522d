"""The tool host's tables: intents of calls outside the transaction, and the contracts that were published."""

from alembic import op

revision = "tools_0001"
down_revision = None
branch_labels = ("tools",)
depends_on = "hop_0001"


def upgrade() -> None:
    """Creates the tables."""
    op.execute(
        """
        CREATE TABLE intent (
            partition integer NOT NULL,
            plan_id text NOT NULL,
            index integer NOT NULL,
            key text NOT NULL,
            invocation bytea NOT NULL,
            PRIMARY KEY (partition, plan_id, index)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE intent IS 'Calls that may have begun outside the transaction and are not answered yet.'"
    )
    op.execute(
        """
        CREATE TABLE published (
            partition integer NOT NULL,
            name text NOT NULL,
            version integer NOT NULL,
            sha256 text NOT NULL,
            PRIMARY KEY (partition, name, version)
        )
        """
    )
    op.execute("COMMENT ON TABLE published IS 'Contracts that a shard published, with the digest of their content.'")
