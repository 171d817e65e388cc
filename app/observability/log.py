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

AGAIN_S = 10.0
REMEMBERED = 1000


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
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _Seldom(logging.Filter):
    """Libraries say the same thing, whatever it is about, once in 10 s: without a broker, else, 20 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in QUIET:
            return True
        what = (record.name, str(record.msg))
        if record.created - self._said.get(what, 0.0) < AGAIN_S:
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[what] = record.created
        return True


def _rendering(as_json: bool) -> list[Processor]:
    # tracebacks without local variables: those hold passwords and customers' data
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        return [without_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    return [without_meta, plain]
