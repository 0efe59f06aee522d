"""Who leads the service's singleton jobs."""

from alembic import op

revision = "hop_0003"
down_revision = "hop_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
        CREATE TABLE leader (
            job text PRIMARY KEY,
            partition integer NOT NULL,
            token bigint NOT NULL,
            replica integer NOT NULL,
            since timestamptz NOT NULL,
            acted_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE leader IS 'Who leads each singleton job: the owner of its partition, whose epoch is the token.'"
    )
