"""Intents with attempt, owner, fencing token and deadline; results kept for repeats of their key."""

from alembic import op

revision = "tools_0002"
down_revision = "tools_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns and the table."""
    op.execute(
        "ALTER TABLE intent ADD COLUMN attempt integer NOT NULL DEFAULT 1, ADD COLUMN owner integer NOT NULL DEFAULT 0, "
        "ADD COLUMN token bigint NOT NULL DEFAULT 0, ADD COLUMN deadline_at bigint NOT NULL DEFAULT 0"
    )
    for column, comment in {
        "attempt": "Which attempt, from 1.",
        "owner": "The replica that began it.",
        "token": "Its fencing token: the epoch of the shard times 65,536, and the attempt.",
        "deadline_at": "Until then it is its owner''s; milliseconds since 1970.",
    }.items():
        op.execute(f"COMMENT ON COLUMN intent.{column} IS '{comment}'")
    op.execute(
        """
        CREATE TABLE answer (
            partition integer NOT NULL,
            key text NOT NULL,
            arguments_sha256 text NOT NULL,
            result text NOT NULL,
            expires_at bigint NOT NULL,
            PRIMARY KEY (partition, key)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE answer IS 'Results by effect key, kept for the tool''s window: a repeat gets the first one.'"
    )
    op.execute("CREATE INDEX ON answer (partition, expires_at)")
