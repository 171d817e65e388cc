"""Jars of the servers: fetched once per user from a Maven repository, each held to its hash in a committed lock.

`python -m app.embedded.jars kafka > app/embedded/jars.lock` resolves a lock again after a change of its `ROOTS`; so do
`connect` and `debezium` for theirs.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from app.embedded.files import FileLock
from app.errors import SetupError

# each in a resolution of its own: the versions that one asks for leak into those of another
ROOTS = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36"),
    "connect": ("org.apache.kafka:connect-runtime:4.3.1", "org.slf4j:slf4j-simple:1.7.36"),
    "debezium": ("io.debezium:debezium-connector-postgres:3.7.0.Final",),
}
# what Connect gives to its plugins, which must not bring their own
GIVEN = ("kafka-clients", "connect-api", "slf4j-api", "lz4-java", "snappy-java", "zstd-jni")
LOCK = Path(__file__).with_name("jars.lock")
CENTRAL = "https://repo.maven.apache.org/maven2"
ATTEMPTS = 3
PARALLEL = 8
REQUEST_LIMIT = 60.0
OTHERS_LIMIT = 900.0

log = structlog.get_logger()


def locked(lock: Path = LOCK) -> dict[str, str]:
    """Path in a Maven repository -> sha256, in the order of the classpath."""
    lines = (line.split() for line in lock.read_text().splitlines() if not line.startswith("#"))
    return {path: digest for digest, path in lines}


def fetch(wanted: Mapping[str, str], cache: Path, repository: str = CENTRAL) -> list[Path]:
    """The wanted jars as files below `cache`, every one with its hash.

    Whatever is missing, truncated or altered there is fetched, by one process at a time; with nothing to fetch, neither
    network nor lock is touched.
    """
    if _wrong(wanted, cache):
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / "lock")
        if not lock.acquire(OTHERS_LIMIT):
            raise SetupError(
                f"process {lock.holder()} has been fetching jars into {cache} for too long; end it, start again"
            )
        try:
            _fetch_wrong(wanted, cache, repository)
        finally:
            lock.release()
    return [cache / path for path in wanted]


def _fetch_wrong(wanted: Mapping[str, str], cache: Path, repository: str) -> None:
    reasons: list[str] = []
    for attempt in range(ATTEMPTS + 1):
        wrong = _wrong(wanted, cache)
        if not wrong:
            return
        if attempt < ATTEMPTS:
            time.sleep(attempt)
            log.info("jars.fetching", count=len(wrong), repository=repository)
            reasons = _download(wrong, cache, repository)
    why = reasons[0] if reasons else "it has another hash there than in the lock"
    raise SetupError(f"{len(wrong)} jars cannot be had from {repository}; {wrong[0]}: {why}; mend network or proxy")


def _wrong(wanted: Mapping[str, str], cache: Path) -> list[str]:
    return [path for path, digest in wanted.items() if _digest(cache / path) != digest]


def _digest(jar: Path) -> str:
    try:
        with jar.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _download(paths: Iterable[str], cache: Path, repository: str) -> list[str]:
    """Fetch these files anew; what went wrong, for each that could not be fetched."""
    from jgo.maven import MavenContext  # only where something is fetched: it takes a moment to import

    context = MavenContext(repo_cache=cache, remote_repos={"wanted": repository}, timeout=REQUEST_LIMIT)

    def one(path: str) -> str:
        *group, artifact, version, name = path.split("/")
        classifier, _, packaging = name.removeprefix(f"{artifact}-{version}").partition(".")
        (cache / path).unlink(missing_ok=True)  # a file that is there is taken as it is, however wrong
        try:
            context.project(".".join(group), artifact).at_version(version).artifact(
                classifier.removeprefix("-"), packaging
            ).resolve()
        except (OSError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    pool = ThreadPoolExecutor(PARALLEL)
    try:
        return [reason for reason in pool.map(one, paths) if reason]
    finally:
        pool.shutdown(cancel_futures=True)


def resolve(roots: Iterable[str], cache: Path) -> dict[str, str]:
    """The roots and all they need at run time, in the order of the classpath, as a repository serves them today."""
    from jgo.maven import Dependency, MavenContext

    context = MavenContext(repo_cache=cache, timeout=REQUEST_LIMIT)
    wanted = [
        context.project(group, name).at_version(version) for group, name, version in (r.split(":") for r in roots)
    ]
    inputs, transitive = context.resolver.resolve([Dependency(part.artifact(), scope="compile") for part in wanted])
    jars = [part.artifact.resolve() for part in (*inputs, *transitive) if part.scope in ("compile", "runtime")]
    return {str(jar.relative_to(cache)): _digest(jar) for jar in jars}


def main(name: str) -> None:
    """Print a lock."""
    with tempfile.TemporaryDirectory() as cache:
        found = resolve(ROOTS[name], Path(cache))
    left_out = GIVEN if name == "debezium" else ()
    lines = [f"{digest}  {path}\n" for path, digest in found.items() if path.split("/")[-3] not in left_out]
    sys.stdout.writelines([f"# {' + '.join(ROOTS[name])}; made by: python -m app.embedded.jars {name}\n", *lines])


if __name__ == "__main__":
    main(*sys.argv[1:])
