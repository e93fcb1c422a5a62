"""Apache Kafka on this machine: its published jars, one JVM, data in one folder."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from string import Template

from deploy.local.problems import SetupProblem
from deploy.local.process import Launch

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGURATION = REPOSITORY / "deploy" / "kafka"
LEAST_JAVA = 17
CLUSTER_ID = "cnVzaGVzLWxvY2FsLTAwMQ"
"""Any 16 bytes in base64; fixed, because each data folder holds one broker that never meets another."""
MAVEN_SECONDS = 600
FORMAT_SECONDS = 60
_NETWORK = "Check the network and the proxy in ~/.m2/settings.xml, then try again"


def jars(folder: Path | None = None) -> Path:
    """The folder with Kafka's jars, downloaded by Maven on the first call and by name of the pom's hash ever after.

    `RUSHES_KAFKA_LIB` names a folder of jars that are already there. The download is made beside its place and moved
    there whole, so an interrupted one is never mistaken for a finished one.
    """
    given = os.environ.get("RUSHES_KAFKA_LIB")
    if given:
        if not any(Path(given).glob("kafka_2.13-*.jar")):
            raise SetupProblem(f"RUSHES_KAFKA_LIB={given} holds no kafka_2.13 jar", "Correct it or unset it")
        return Path(given)
    pom = CONFIGURATION / "pom.xml"
    version = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    place = (folder or REPOSITORY / ".local" / "kafka-jars") / version
    if not place.is_dir():
        _download(pom, place)
    return place


def _download(pom: Path, place: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise SetupProblem(
            "Maven (mvn) is not installed", "Install it, e.g. `apt install maven` or `brew install maven`"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="download-") as temporary:
        target = Path(temporary) / "jars"
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={target}"],
                capture_output=True,
                text=True,
                timeout=MAVEN_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            raise SetupProblem(
                f"Maven did not fetch Kafka within {MAVEN_SECONDS} s",
                "Check the network and the proxy in ~/.m2/settings.xml",
            ) from late
        if done.returncode != 0 or not any(target.glob("kafka_2.13-*.jar")):
            raise SetupProblem(f"Maven could not fetch Kafka: {_first_error(done.stdout + done.stderr)}", _NETWORK)
        try:
            target.rename(place)
        except OSError:
            if not place.is_dir():
                raise


def _first_error(output: str) -> str:
    lines = [line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.strip()]
    return (lines[0] if lines else "no output")[:300]


def java() -> str:
    """The path of a java that is new enough (`JAVA_HOME` first, then PATH)."""
    home = os.environ.get("JAVA_HOME")
    candidate = Path(home) / "bin" / "java" if home else None
    path = str(candidate) if candidate and candidate.exists() else shutil.which("java")
    mend = f"Install Java {LEAST_JAVA} or newer, e.g. `apt install openjdk-17-jre-headless`, or set JAVA_HOME"
    if path is None:
        raise SetupProblem("Java is not installed", mend)
    answer = subprocess.run([path, "-version"], capture_output=True, text=True).stderr
    found = java_major_version(answer)
    if found is None or found < LEAST_JAVA:
        raise SetupProblem(f"{path} is Java {found or 'of an unknown version'}, too old for Kafka 4", mend)
    return path


def java_major_version(answer: str) -> int | None:
    """Out of what `java -version` prints: `1.8.0_392` is 8, `17.0.15` is 17, `21-ea` is 21."""
    match = re.search(r'version "(?:1\.)?(\d+)', answer)
    return int(match.group(1)) if match else None


def prepare(*, home: Path, log_file: Path, port: int, controller_port: int, heap_mebibytes: int = 512) -> Launch:
    """Write the broker's configuration, format its data folder the first time, and say how to start it.

    Idempotent: a formatted folder is kept, so topics and offsets survive; ports may change between starts.
    """
    data = home / "data"
    home.mkdir(parents=True, exist_ok=True)
    template = Template((CONFIGURATION / "server.properties").read_text())

    def properties_for(folder: Path) -> str:
        file = home / f"{folder.name}.properties"
        file.write_text(template.substitute(port=port, controller_port=controller_port, data_dir=folder))
        return str(file)

    base = [
        java(),
        f"-Xmx{heap_mebibytes}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xshare:auto",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={CONFIGURATION / 'log4j2.yaml'}",
        "-cp",
        f"{jars()}{os.sep}*",
    ]
    if not data.exists():
        unfinished = home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _format(base, properties_for(unfinished))
        unfinished.rename(data)
    return Launch(name="kafka", command=[*base, "kafka.Kafka", properties_for(data)], log_file=log_file, directory=home)


def _format(base: list[str], properties: str) -> None:
    command = [*base, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_SECONDS)
    if done.returncode != 0:
        raise SetupProblem(
            f"Kafka could not format its data folder: {_first_error(done.stderr or done.stdout)}",
            "Look at the folder's owner and free space, or remove it with `make reset`",
        )


def ready(port: int) -> bool:
    """True once the broker accepts connections: in KRaft the listener opens after the broker is unfenced."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def wait_ready(port: int, *, seconds: float) -> bool:
    """Poll `ready` until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
