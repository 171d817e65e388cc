"""A lock has one holder and outlives none; a secret is whole and for its owner alone."""

import os
import stat
from pathlib import Path

import pytest

from app.embedded.files import FileLock, cache_directory, write_secret
from app.errors import SetupError


def test_a_held_lock_is_not_given_twice_and_names_its_holder(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(limit=0.0)
    assert not second.acquire(limit=0.1)
    assert second.holder() == str(os.getpid())
    assert (first.held, second.held) == (True, False)


def test_a_released_lock_is_free_and_leaves_no_file(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(limit=0.0)
    first.release()
    assert list(tmp_path.iterdir()) == []
    assert second.acquire(limit=0.0)


def test_a_file_that_a_killed_holder_left_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711")
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire(limit=0.0)
    assert lock.holder() == str(os.getpid())


def test_releasing_a_lock_that_another_holds_changes_nothing(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(limit=0.0)
    second.release()
    assert not second.acquire(limit=0.0)


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open to all")
    secret.chmod(0o644)
    write_secret(secret, b"hidden")
    assert secret.read_bytes() == b"hidden"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [secret]


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache_directory() == tmp_path / "mine" / "orderflow"
    assert cache_directory().is_dir()


def test_a_cache_that_cannot_be_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SetupError, match="set XDG_CACHE_HOME"):
        cache_directory()
