"""Structured logging: one JSON object a line, with the ids that lead back to the log (event, plan, call)."""

from __future__ import annotations

import logging
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(service: str, replica: int, level: str) -> Any:
    """Sets up the process's logging and returns its logger."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger().bind(service=service, replica=replica)


class KafkaLog(logging.Handler):
    """Takes librdkafka's lines into the structured log."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line. That a setting is called experimental is known: it was chosen."""
        line = record.getMessage()
        if "CONFWARN" not in line:
            self.log.warning("librdkafka", line=line)


def kafka_logger(log: Any) -> logging.Logger:
    """The logger to give to Kafka's clients."""
    logger = logging.getLogger("motet.kafka")
    logger.propagate = False
    logger.handlers = [KafkaLog(log)]
    return logger
