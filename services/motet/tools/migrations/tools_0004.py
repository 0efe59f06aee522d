"""Versions of resources, and who wrote them: optimistic concurrency."""

from alembic import op

revision = "tools_0004"
down_revision = "tools_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table. Domains of a tenant share a resource's version, so it belongs to no shard."""
    op.execute(
        """
        CREATE TABLE resource_version (
            tenant text NOT NULL,
            resource text NOT NULL,
            version bigint NOT NULL,
            plan_id text NOT NULL,
            index integer NOT NULL,
            key text NOT NULL,
            written_at bigint NOT NULL,
            PRIMARY KEY (tenant, resource)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE resource_version IS 'How often a resource was written under a version, and by which call last.'"
    )
    op.execute(
        "COMMENT ON COLUMN resource_version.written_at IS 'When Kafka had that call, in milliseconds since 1970.'"
    )
