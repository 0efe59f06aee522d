"""The checkpoint service's table: every checkpoint, and what is kept beside the newest."""

from alembic import op

revision = "checkpoints_0001"
down_revision = None
branch_labels = ("checkpoints",)
depends_on = "hop_0001"


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
        CREATE TABLE checkpoint (
            number bigint PRIMARY KEY,
            note text NOT NULL,
            beside bytea,
            published boolean NOT NULL DEFAULT false
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE checkpoint IS 'Every checkpoint that was signed. The newest is where the next one goes on.'"
    )
    op.execute(
        "COMMENT ON COLUMN checkpoint.beside IS 'Roots and entries of its trees; null once it is kept and not the newest.'"
    )
    op.execute("CREATE INDEX ON checkpoint (number) WHERE NOT published")
