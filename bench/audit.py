"""What `orderflow store audit` takes of memory and time, by how many events there are: `python -m bench.audit`.

Orders of ten events, put straight into PostgreSQL and into the topic, as appends and relay would have left them.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import psycopg
from confluent_kafka import Producer

from app.domain.events import Event, ItemAdded
from app.errors import SetupError
from app.serde.cloudevents import headers
from app.serde.topics import ORDERS_EVENTS, full_name
from bench import reporting
from bench.write.appending import CODEC, ITEM, created
from bench.write.servers import servers

LENGTHS = (100_000, 1_000_000)
OF_AN_ORDER = 10
AT_ONCE = 50_000
COPY = "copy events (order_id, version, event_id, type, payload) from stdin (format binary)"
TYPES = ["uuid", "int4", "uuid", "text", "bytea"]
# the audit as a process of its own: the most memory that it had, its time on a core, what it says
AUDIT = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "app.cli", "store", "audit", "--json"], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss // 1024)
print(used.ru_utime + used.ru_stime)
print(done.stdout or done.stderr)
"""


def events() -> Iterator[Event]:
    """Without end, order after order."""
    while True:
        first = created(str(uuid4()))
        yield first
        envelope = {
            name: getattr(first, name) for name in ("order_id", "occurred_at", "correlation_id", "causation_id")
        }
        for version in range(2, OF_AN_ORDER + 1):
            yield ItemAdded(
                **envelope,
                event_id=str(uuid4()),
                version=version,
                customer_id="12923",
                currency="GBP",
                item=ITEM,
                fulfilment="choreography",
            )


def fill(dsn: str, kafka: str, count: int) -> None:
    made = events()
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", "linger.ms": 20, "log_level": 0})
    with psycopg.connect(dsn, autocommit=True, options="-c transaction_timeout=0") as connection:
        for start in range(0, count, AT_ONCE):
            with connection.cursor().copy(COPY) as copy:
                copy.set_types(TYPES)
                for event in islice(made, min(AT_ONCE, count - start)):
                    value, kind = CODEC.encode(event), full_name(type(event))
                    copy.write_row((UUID(event.order_id), event.version, UUID(event.event_id), kind, value))
                    _produce(producer, event, value)
        connection.execute("analyze events")
    if producer.flush(60.0):
        raise SetupError("the broker does not take all events; look at its log")


def _produce(producer: Producer, event: Event, value: bytes) -> None:
    while True:
        try:
            producer.produce(ORDERS_EVENTS, value, event.order_id, headers=headers(event))
        except BufferError:
            producer.poll(0.1)
        else:
            return


def audited(count: int) -> dict[str, Any]:
    with servers() as on:
        dsn = on.migrated()
        fill(dsn, on.kafka, count)
        environment = {**os.environ, "ORDERFLOW_POSTGRES": dsn, "ORDERFLOW_KAFKA": on.kafka}
        done = subprocess.run(
            [sys.executable, "-c", AUDIT], env=environment, capture_output=True, text=True, check=True
        )
    peak_mib, cpu_s, said = done.stdout.split("\n", 2)
    try:
        report = json.loads(said)
    except ValueError:
        raise SetupError(f"the audit failed: {said.strip()}") from None
    if report["found"] or report["events"] != count:
        raise SetupError(f"the audit finds what is not there: {report['found']} in {report['events']} events")
    return {
        "events": count,
        "seconds": round(report["seconds"], 1),
        "events/s": round(count / report["seconds"]),
        "CPU s/1M": round(float(cpu_s) / count * 1e6, 1),
        "peak RSS MiB": int(peak_mib),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=lambda text: [int(count) for count in text.split(",")], default=list(LENGTHS))
    asked, on = parser.parse_args(), reporting.machine()
    figures = [audited(count) for count in asked.events]
    sys.stdout.write(reporting.save_figures(reporting.RESULTS, "audit", on, figures))


if __name__ == "__main__":
    main()
