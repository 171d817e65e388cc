"""Every jar is what the lock says, or the start is refused."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.embedded import connect, jars
from app.errors import SetupError

CONTENT = {"org/one/one/1.0/one-1.0.jar": b"1" * 5_000, "org/two/deep/two/2.0/two-2.0.jar": b"2" * 7_000}
WANTED = {path: hashlib.sha256(content).hexdigest() for path, content in CONTENT.items()}
FIRST, SECOND = CONTENT


class Mirror:
    """A Maven repository on this machine that notes what it is asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                asked.append(self.path.removeprefix("/"))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirror = Mirror(tmp_path / "mirror")
    for path, content in CONTENT.items():
        (mirror.directory / path).parent.mkdir(parents=True)
        (mirror.directory / path).write_bytes(content)
    thread = Thread(target=mirror.server.serve_forever, args=(0.01,))
    thread.start()
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, mirror: Mirror) -> Path:
    """A cache that holds all jars."""
    jars.fetch(WANTED, tmp_path / "cache", mirror.url)
    mirror.asked.clear()
    return tmp_path / "cache"


def contents(cache: Path) -> dict[str, bytes]:
    return {path: (cache / path).read_bytes() for path in WANTED}


def test_an_empty_cache_is_filled(tmp_path: Path, mirror: Mirror) -> None:
    assert jars.fetch(WANTED, tmp_path / "new", mirror.url) == [tmp_path / "new" / path for path in WANTED]
    assert contents(tmp_path / "new") == CONTENT


def test_a_complete_cache_needs_no_network(cache: Path, mirror: Mirror) -> None:
    jars.fetch(WANTED, cache, mirror.url)
    assert mirror.asked == []


@pytest.mark.parametrize("content", [b"", CONTENT[FIRST][:1_000], b"x" * 5_000], ids=["empty", "truncated", "altered"])
def test_a_wrong_jar_is_fetched_again_and_the_right_ones_are_not(cache: Path, mirror: Mirror, content: bytes) -> None:
    (cache / FIRST).write_bytes(content)
    jars.fetch(WANTED, cache, mirror.url)
    assert contents(cache) == CONTENT
    assert FIRST in mirror.asked
    assert SECOND not in mirror.asked


def test_several_at_once_fetch_each_jar_once(tmp_path: Path, mirror: Mirror) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: jars.fetch(WANTED, tmp_path / "new", mirror.url), range(4)))
    assert sorted(path for path in mirror.asked if path.endswith(".jar")) == sorted(WANTED)


def test_a_repository_with_other_content_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    (mirror.directory / FIRST).write_bytes(b"something else")
    with pytest.raises(SetupError, match=r"one-1\.0\.jar: it has another hash"):
        jars.fetch(WANTED, tmp_path / "new", mirror.url)


def test_a_repository_out_of_reach_is_named(tmp_path: Path, mirror: Mirror) -> None:
    nowhere = mirror.url + "/nothing/here"
    with pytest.raises(SetupError, match=f"2 jars cannot be had from {nowhere}"):
        jars.fetch(WANTED, tmp_path / "new", nowhere)


@pytest.mark.parametrize(
    ("name", "lock"), [("kafka", jars.LOCK), ("connect", connect.CONNECT_LOCK), ("debezium", connect.DEBEZIUM_LOCK)]
)
def test_a_committed_lock_holds_every_root(name: str, lock: Path) -> None:
    names = {f"{name}-{version}.jar" for _, name, version in (root.split(":") for root in jars.ROOTS[name])}
    assert names <= {Path(path).name for path in jars.locked(lock)}


def test_a_plugin_brings_nothing_that_connect_gives_to_it() -> None:
    brought = {path.split("/")[-3] for path in jars.locked(connect.DEBEZIUM_LOCK)}
    assert brought.isdisjoint(jars.GIVEN)
