"""Where processes serve HTTP, and what others call them."""

import socket

import pytest

from app.cli.listening import listen, reached_at
from app.config import Settings
from app.errors import SetupError
from app.web.owners import Owner, callable_from, worker_at


def test_answers_on_accepted_connections_go_out_at_once() -> None:
    with (
        listen(Settings(port=0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_refused_by_name() -> None:
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}.*ORDERFLOW_PORT"):
            listen(Settings(port=port))


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_a_worker_that_listens_everywhere_goes_by_its_machines_name(everywhere: str) -> None:
    assert reached_at(Settings(host=everywhere)) == f"http://{socket.gethostname()}:8080"


def test_a_worker_goes_by_its_address_or_by_what_it_is_told() -> None:
    assert reached_at(Settings(port=8090)) == "http://127.0.0.1:8090"
    assert reached_at(Settings(host="0.0.0.0", advertised_url="http://views-1:80")) == "http://views-1:80"


def test_the_gateway_of_one_container_may_call_a_worker_in_another() -> None:
    owner = worker_at("order-views-4f1d2c3b5a69-7@4f1d2c3b5a69:8080", callable_from("0.0.0.0"))
    assert owner == Owner("order-views-4f1d2c3b5a69-7", "http://4f1d2c3b5a69:8080")
