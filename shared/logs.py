"""Structured logs: one JSON object per line, with the correlation id of what is being done."""

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

import orjson

correlation: ContextVar[UUID | None] = ContextVar("correlation", default=None)

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (correlation_id := correlation.get()) is not None:
            line["correlation_id"] = str(correlation_id)
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


QUIET = ("aiokafka", "faststream", "httpx", "uvicorn.access", "asyncio")


def configure(*, service: str, level: str) -> None:
    """Log to standard output; the libraries' chatter only from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
