"""The peers on the JVM: built with the JDK and the Maven that are found, once for each state of their sources."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.embedded.files import FileLock, cache_directory
from app.errors import SetupError

SOURCES = Path(__file__).parent
LIMIT_S = 1800.0
JAVA = 17
# on two cores the serial collector costs the least CPU and memory of the three
FLAGS = ("-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
MAIN = {"kafka_streams": ("streams", "peers.StreamsPeer"), "flink": ("flink", "peers.FlinkPeer")}


def available() -> str | None:
    """Why these peers cannot take part here; None when they can."""
    if shutil.which("mvn") is None:
        return "Maven is not found (mvn); install it"
    javac = shutil.which("javac")
    if javac is None:
        return "no JDK with a compiler is found (javac); install one"
    told = subprocess.run([javac, "-version"], check=False, capture_output=True, text=True)
    version = (told.stdout + told.stderr).removeprefix("javac ").partition(".")[0].strip()
    if not version.isdecimal() or int(version) < JAVA:
        return f"the JDK found is of version {version or '?'}; install {JAVA} or newer"
    return None


def commands() -> dict[str, list[str]]:
    """How each peer is started, built where it has not been; a `SetupError` says why they cannot be."""
    built, java = build(), str(_java())
    return {name: [java, *FLAGS, "-cp", f"{built / part}/*", main] for name, (part, main) in MAIN.items()}


def build() -> Path:
    """The directory, under the user's cache, with the jars of each peer in a directory of their own."""
    if why := available():
        raise SetupError(why)
    directory = cache_directory() / "bench" / f"jvm-{_digest()}"
    directory.parent.mkdir(exist_ok=True)
    lock = FileLock(directory.with_suffix(".lock"))
    if not lock.acquire(LIMIT_S):
        raise SetupError(f"process {lock.holder()} still builds the peers on the JVM; wait for it, or end it")
    try:
        if not directory.exists():
            _build(directory)
    finally:
        lock.release()
    return directory


def _build(directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
        work, jars = Path(temporary) / "sources", Path(temporary) / "jars"
        shutil.copytree(SOURCES, work, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        _maven(work)
        for part, _ in MAIN.values():
            (jars / part).mkdir(parents=True)
            for jar in (work / part / "target").glob("*.jar"):
                jar.rename(jars / part / jar.name)
        jars.rename(directory)


def _maven(work: Path) -> None:
    environment = {**os.environ, "JAVA_HOME": str(_java().parents[1])}
    done = subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "package"],
        cwd=work,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise SetupError(f"the peers on the JVM cannot be built: {errors[:1] or done.stdout[-500:]}")


def _java() -> Path:
    """The one beside the compiler."""
    return Path(shutil.which("javac") or "").resolve().with_name("java")


def _digest() -> str:
    found = hashlib.sha256()
    for file in sorted(SOURCES.rglob("*")):
        if file.suffix in (".java", ".xml"):
            found.update(str(file.relative_to(SOURCES)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]
