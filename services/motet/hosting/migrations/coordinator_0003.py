"""What plans of other hosts have of a shard's resources, or wait for."""

from alembic import op

revision = "coordinator_0003"
down_revision = "coordinator_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
        CREATE TABLE reservation (
            partition integer NOT NULL,
            plan_id text NOT NULL,
            entered bigint NOT NULL,
            state text NOT NULL,
            PRIMARY KEY (partition, plan_id)
        )
        """
    )
    op.execute("COMMENT ON TABLE reservation IS 'Resources of plans that another service hosts, as they got in line.'")
