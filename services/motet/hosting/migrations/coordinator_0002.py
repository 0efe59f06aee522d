"""Agents' budgets, tools' breakers, and when a command was answered: its repeats are known for so long."""

from alembic import op

revision = "coordinator_0002"
down_revision = "coordinator_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables and the column."""
    op.execute(
        """
        CREATE TABLE budget (
            partition integer NOT NULL,
            tenant text NOT NULL,
            domain text NOT NULL,
            agent text NOT NULL,
            state text NOT NULL,
            PRIMARY KEY (partition, tenant, domain, agent)
        )
        """
    )
    op.execute("COMMENT ON TABLE budget IS 'What agents may spend, have reserved and spent, as JSON.'")
    op.execute(
        """
        CREATE TABLE breaker (
            partition integer NOT NULL,
            tool text NOT NULL,
            failures integer NOT NULL,
            until bigint NOT NULL,
            probe text NOT NULL,
            PRIMARY KEY (partition, tool)
        )
        """
    )
    op.execute("COMMENT ON TABLE breaker IS 'Circuit breakers of tools that failed; until in milliseconds since 1970.'")
    op.execute("ALTER TABLE command ADD COLUMN partition integer, ADD COLUMN answered_at bigint")
    op.execute("COMMENT ON COLUMN command.answered_at IS 'Log time of its answer, in milliseconds since 1970.'")
    op.execute("CREATE INDEX ON command (partition, answered_at)")
