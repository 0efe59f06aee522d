"""An auditor may read what a tool service keeps of its effects, and reports that it has not published yet: who is granted `motet_reader`."""

from alembic import op

revision = "tools_0007"
down_revision = "tools_0006"
branch_labels = None
depends_on = None

# The role belongs to the whole server, and the projector makes it too; a login that may make no roles leaves the granting to its administrator.
ROLE = """DO $$ BEGIN
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'motet_reader') THEN CREATE ROLE motet_reader NOLOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $$"""
GRANT = """DO $$ BEGIN
EXECUTE format('GRANT USAGE ON SCHEMA %I TO motet_reader', current_schema());
GRANT SELECT ON answer, outbox TO motet_reader;
EXCEPTION WHEN undefined_object OR insufficient_privilege THEN NULL; END $$"""


def upgrade() -> None:
    """Grants it."""
    op.execute(ROLE)
    op.execute(GRANT)
