"""The hop's tables, brought up to date by Alembic when a service starts."""
