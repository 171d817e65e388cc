"""`python -m bench.write.relay_process GROUP`: a relay as `orderflow relay` is one, under any group."""

import signal
import sys

from app.allocation import collect_less
from app.config import load
from app.eventstore.publisher import Publisher
from app.eventstore.relay import Relay
from app.observability.log import setup
from app.serde.topics import ORDERS_EVENTS


def main(group: str) -> None:
    settings = load()
    setup("warning")
    relay = Relay(settings.postgres, lambda shard: Publisher(settings.kafka, group, ORDERS_EVENTS, shard))
    signal.signal(signal.SIGTERM, lambda *_: relay.stop())
    collect_less()
    relay.run()


if __name__ == "__main__":
    main(sys.argv[1])
