"""Logs: an event name plus fields, one line each, on stderr; as JSON unless a person looks at a terminal.

log = logger(__name__)
log.warning("record.dead_lettered", event_id=event.event_id, reason="poison")
"""

import logging
import sys
from typing import cast

import structlog
from structlog.typing import Processor

# what these say at info is about their own insides
QUIET = ("aiokafka", "asyncio", "faust", "mode", "uvicorn")


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry `name`; made at import, set up later."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def setup(level: str, *, json: bool | None = None) -> None:
    """Sends the lines of this process, and those of its libraries, to stderr in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    as_json = not sys.stderr.isatty() if json is None else json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(as_json)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _rendering(as_json: bool) -> list[Processor]:
    # tracebacks without local variables: those hold passwords and customers' data
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        return [without_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    return [without_meta, plain]
