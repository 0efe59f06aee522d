"""Motet: parallel tool calls for AI agents with one history, one state, and every effect once."""
