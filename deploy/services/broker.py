"""One Kafka broker that is its own controller (KRaft), from the jars that `kafka-pom.xml` names."""

import re
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from machine import (
    START_SECONDS_MAX,
    Failed,
    arguments_of,
    end,
    output_of,
    process_ids,
    require_free,
    say,
    wait_for,
)

POM = Path(__file__).resolve().with_name("kafka-pom.xml")
LOGGING = POM.with_name("kafka-log4j2.properties")
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
# Metadata request, version 4: correlation id 1, no client id, about no topic, creating none.
METADATA_REQUEST = struct.pack(">hhihib", 3, 4, 1, -1, 0, 0)
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised_port}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=4194304
# Everybody may do everything, until a test takes a topic's permissions away.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
# A killed broker may come back as soon as the controller has given up its earlier life (9 s by default).
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# A killed consumer's partitions move within 6 s, in both group protocols.
group.min.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=2000
"""


class Kafka:
    def __init__(
        self,
        home: Path,
        libs: Path,
        port: int,
        controller_port: int,
        cluster_id: str,
        *,
        advertised_port: int,
        settings: Sequence[str] = (),
    ) -> None:
        """Clients are told to come to `advertised_port`: where it is not `port`, something in between listens
        there. `settings` are lines `name=value` that come after those of SETTINGS and win; they may use the
        same placeholders."""
        self.home = home
        self.libs = libs
        self.data = home / "data"
        self.properties = home / "server.properties"
        self.log = home / "kafka.log"
        self.port = port
        self.controller_port = controller_port
        self.advertised_port = advertised_port
        self.cluster_id = cluster_id
        self.settings = settings

    def missing(self) -> list[str]:
        lines: list[str] = []
        if java_version() < 17:
            lines.append("Java 17 or newer is missing: sudo apt-get install default-jre-headless")
        if not self._libs_are_current() and shutil.which("mvn") is None:
            lines.append("Maven, which fetches Kafka, is missing: sudo apt-get install maven")
        return lines

    def start(self) -> None:
        if self._process_id() is None:
            if not self._libs_are_current():
                self._fetch()
            require_free("Kafka", self.port, self.controller_port)
            self._configure()
            say(f"Starting Kafka on port {self.port}")
            broker = self._launch()
            wait_for(
                "Kafka answers",
                lambda: broker.poll() is not None or self.answers(),
                START_SECONDS_MAX,
                self.log,
            )
            if broker.returncode is not None:
                raise Failed(f"Kafka ended at its start; see {self.log} and {self._output()}")
        wait_for("Kafka answers", self.answers, START_SECONDS_MAX, self.log)

    def stop(self, with_signal: signal.Signals) -> None:
        end("Kafka", self._process_id, with_signal)

    def answers(self) -> bool:
        """Whether the broker lists itself in a metadata answer: before that it serves no partition."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
                with connection.makefile("rb") as answer:
                    _size, _correlation_id, _throttle_ms, brokers = struct.unpack(">iiii", answer.read(16))
        except (OSError, struct.error):
            return False
        return brokers > 0

    def exports(self) -> dict[str, str]:
        url = f"kafka://127.0.0.1:{self.port}"
        return {"ORDERFLOW_BUS_URL": url, "ORDERFLOW_TEST_KAFKA_URL": url}

    def remove(self) -> None:
        if self.home.exists():
            shutil.rmtree(self.home)

    def _process_id(self) -> int | None:
        wanted = ["kafka.Kafka", str(self.properties)]
        return next((found for found in process_ids() if arguments_of(found)[-2:] == wanted), None)

    def _libs_are_current(self) -> bool:
        """The jars lie beside the pom they came from, so that another version in it fetches them anew."""
        copy = self.libs / POM.name
        return copy.exists() and copy.read_bytes() == POM.read_bytes()

    def _fetch(self) -> None:
        say("Fetching Kafka with Maven")
        fetched = self.libs.with_name(f"{self.libs.name}.part")
        for path in (fetched, self.libs):
            shutil.rmtree(path, ignore_errors=True)
        command = [
            "mvn",
            "-B",
            "-f",
            str(POM),
            f"-DoutputDirectory={fetched}",
            "-DincludeScope=runtime",
            COPY_JARS,
        ]
        with subprocess.Popen(  # noqa: S603 (written above)
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as maven:
            for line in maven.stdout or ():
                if jar := re.search(r"Downloaded\b.*/(\S+\.jar)", line):
                    say(f"  {jar[1]}")
                elif "[ERROR]" in line:
                    say(line.rstrip())
        if maven.returncode:
            raise Failed("Maven could not fetch Kafka")
        shutil.copy(POM, fetched / POM.name)
        fetched.rename(self.libs)

    def _configure(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(
            (SETTINGS + "".join(f"{line}\n" for line in self.settings)).format(
                port=self.port,
                controller_port=self.controller_port,
                advertised_port=self.advertised_port,
                data=self.data,
            )
        )
        if not (self.data / "meta.properties").exists():
            tool = ("kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", str(self.properties))
            output_of(self._java(*tool))

    def _launch(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal that started it does not reach it.
        with self._output().open("wb") as output:
            return subprocess.Popen(  # noqa: S603 (written below)
                self._java("kafka.Kafka", str(self.properties)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _output(self) -> Path:
        """What the JVM itself says: the broker's log is `kafka.log`."""
        return self.home / "jvm.log"

    def _java(self, *arguments: str) -> list[str]:
        options = ("-Xmx512m", "-XX:+ExitOnOutOfMemoryError", f"-Dorderflow.kafka.log={self.log}")
        return [
            "java",
            *options,
            f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp",
            f"{self.libs}/*",
            *arguments,
        ]


def java_version() -> int:
    """The major version of `java`; 0 without one, or with one so old that it has no `--version`."""
    try:
        told = output_of(["java", "--version"])
    except Failed:
        return 0
    found = re.search(r"\d+", told)
    return int(found[0]) if found else 0
