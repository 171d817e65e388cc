"""Where a process serves HTTP, and what others call it."""

import socket

from app.config import Settings
from app.errors import SetupError


def listen(settings: Settings) -> socket.socket:
    """Listens on `ORDERFLOW_HOST`:`ORDERFLOW_PORT`; a `SetupError` when nobody can."""
    try:
        listening = socket.create_server((settings.host, settings.port))
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise SetupError(f"nothing can listen on {where}: {error}; choose another ORDERFLOW_PORT") from None
    # inherited by what it accepts: asyncio leaves it out here, and answers would then wait 40 ms for an ACK
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def reached_at(settings: Settings) -> str:
    """The URL that others find this process at: one that listens everywhere goes by its machine's name."""
    everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    host = socket.gethostname() if everywhere else settings.host
    return settings.advertised_url or f"http://{host}:{settings.port}"
