"""The hop's tables: how far a shard is, what it sends, and the lanes."""

from alembic import op

revision = "hop_0001"
down_revision = None
branch_labels = ("hop",)
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE shard (
        partition integer PRIMARY KEY,
        next_position bigint NOT NULL DEFAULT 0,
        hlc bigint NOT NULL DEFAULT 0,
        epoch bigint NOT NULL DEFAULT 0,
        starts integer NOT NULL DEFAULT 0,
        suspect text,
        suspect_deaths integer NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE shard_offset (
        partition integer NOT NULL,
        topic text NOT NULL,
        next_offset bigint NOT NULL,
        PRIMARY KEY (partition, topic)
    )
    """,
    # id, aggregatetype, aggregateid, type and payload are Debezium's outbox columns, so that its router can relay instead.
    """
    CREATE TABLE outbox (
        partition integer NOT NULL,
        position bigint NOT NULL,
        id text NOT NULL,
        aggregatetype text NOT NULL,
        aggregateid text NOT NULL,
        type text NOT NULL,
        payload bytea NOT NULL,
        key bytea NOT NULL,
        destination integer NOT NULL,
        lane bytea NOT NULL,
        traceparent text,
        PRIMARY KEY (partition, position)
    )
    """,
    """
    CREATE TABLE lane_out (
        partition integer NOT NULL,
        topic text NOT NULL,
        destination integer NOT NULL,
        number bigint NOT NULL,
        digest bytea NOT NULL,
        PRIMARY KEY (partition, topic, destination)
    )
    """,
    """
    CREATE TABLE lane_in (
        partition integer NOT NULL,
        topic text NOT NULL,
        service text NOT NULL,
        shard integer NOT NULL,
        number bigint NOT NULL,
        digest bytea NOT NULL,
        PRIMARY KEY (partition, topic, service, shard)
    )
    """,
    """
    CREATE TABLE parked_key (
        partition integer NOT NULL,
        key bytea NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (partition, key)
    )
    """,
    """
    CREATE TABLE parked_record (
        partition integer NOT NULL,
        topic text NOT NULL,
        "offset" bigint NOT NULL,
        key bytea NOT NULL,
        payload bytea,
        PRIMARY KEY (partition, topic, "offset")
    )
    """,
)
COMMENTS = {
    "shard": "One row a shard: everything up to next_position is decided; epoch counts owners, starts counts claims without progress.",
    "shard_offset": "Up to where a shard has taken each of its input topics.",
    "outbox": "What a shard publishes, until the position that the group committed covers it.",
    "lane_out": "The last number and digest that a shard sent to a partition.",
    "lane_in": "The last number and digest that a shard took from another.",
    "parked_key": "Keys whose order would break if a later record were taken.",
    "parked_record": "Records of parked keys, whole, in order.",
}


def upgrade() -> None:
    """Creates the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
    for table, comment in COMMENTS.items():
        op.execute(f"COMMENT ON TABLE {table} IS '{comment}'")
