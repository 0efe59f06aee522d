"""The highest fencing token that was seen for each leased resource."""

from alembic import op

revision = "tools_0005"
down_revision = "tools_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
        CREATE TABLE lease_fence (
            scope text NOT NULL,
            resource text NOT NULL,
            token bigint NOT NULL,
            PRIMARY KEY (scope, resource)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE lease_fence IS 'The highest token that was seen, by tenant/scope and resource; a call with a lower one fails.'"
    )
