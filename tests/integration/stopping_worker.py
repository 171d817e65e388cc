"""A worker of payments that stops by SIGSTOP when it is about to charge the order that it is told. Continued, it makes
the call, and says how that was answered."""

import os
import signal
import sys
from typing import Any

from app.cli.worker import worker
from app.domain.calls import Charge
from app.gateways.provider import HttpProvider

perform = HttpProvider.perform


async def stop_first(self: HttpProvider, call: Any) -> Any:
    if not isinstance(call, Charge) or call.order_id != sys.argv[1]:
        return await perform(self, call)
    os.kill(os.getpid(), signal.SIGSTOP)
    answer = await perform(self, call)
    sys.stdout.write(f"answered {type(answer).__name__}\n")
    sys.stdout.flush()
    return answer


if __name__ == "__main__":
    HttpProvider.perform = stop_first  # type: ignore[method-assign]
    worker("payments", "earliest")
