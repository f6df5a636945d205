"""The config/ folder that `klamm link-commands` lays: the files that lines of Kafka's tutorials name.

`kafka-server-start.sh config/server.properties` and its like run as they stand. Keys and values are those of Kafka's
own files, so that what a tutorial has its readers edit or remove (`rm -rf /tmp/kraft-combined-logs`) is there.

Left out: connect-*.properties and the log4j files; klamm runs no Connect workers and has no log4j.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HEAD: Final = "# Laid by `klamm link-commands`, which leaves it alone once it is there: change what you like.\n"

_BROKER: Final = """\
# One process is broker and controller.
process.roles=broker,controller
node.id=1
{voters}
controller.listener.names=CONTROLLER
# The controller lives in the broker's process: its listener is accepted and not opened.
listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
# Where the data is. A reboot may empty /tmp.
log.dirs=/tmp/kraft-combined-logs
# For topics that do not say it themselves.
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
# How long records stay.
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""
_WITH_SERVERS: Final = _BROKER.format(voters="controller.quorum.bootstrap.servers=localhost:9093")
_WITH_VOTERS: Final = _BROKER.format(voters="controller.quorum.voters=1@localhost:9093")

#: Path in config/ -> what stands there.
FILES: Final[Mapping[str, str]] = {
    "server.properties": _WITH_SERVERS,
    # Up to 3.9 the files of brokers without ZooKeeper were in a folder of their own.
    "kraft/server.properties": _WITH_VOTERS,
    "kraft/reconfig-server.properties": _WITH_SERVERS,
    "zookeeper.properties": (
        "# Nothing reads this: klamm needs no ZooKeeper, and zookeeper-server-start.sh only says so.\n"
        "dataDir=/tmp/zookeeper\nclientPort=2181\n"
    ),
    "producer.properties": (
        "# For console-producer --producer.config.\nbootstrap.servers=localhost:9092\ncompression.type=none\n"
    ),
    "consumer.properties": (
        "# For console-consumer --consumer.config.\nbootstrap.servers=localhost:9092\n"
        "group.id=test-consumer-group\n# earliest: a group without offsets begins with what is there.\n"
        "#auto.offset.reset=earliest\n"
    ),
}


def config_folder(scripts: Path) -> Path:
    """Where config/ belongs: in the folder of the scripts, or beside it if it is a bin/, as in Kafka's own download."""
    return (scripts.parent if scripts.resolve().name == "bin" else scripts) / "config"


def lay(folder: Path) -> list[str]:
    """Writes the files that are not there yet; returns their names. Raises OSError."""
    written = []
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(_HEAD + text)
        except FileExistsError:
            continue
        written.append(name)
    return written
