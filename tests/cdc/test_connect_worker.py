"""The embedded worker of Kafka Connect: it has Debezium, and it comes back."""

import json
from urllib.request import urlopen

from app.embedded.connect import ConnectServer
from tests.killing import kill


def test_a_killed_worker_serves_again_where_it_served_with_its_plugin(connect: ConnectServer) -> None:
    url = connect.url
    kill(connect)
    connect.start()
    with urlopen(f"{url}/connector-plugins") as answer:  # noqa: S310 - a loopback URL of ours
        assert [plugin["class"] for plugin in json.load(answer)] == [
            "io.debezium.connector.postgresql.PostgresConnector"
        ]
