"""The socket that a process serves HTTP on."""

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
