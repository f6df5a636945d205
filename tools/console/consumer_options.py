"""The options of console-consumer: those of Kafka 4.3's ConsoleConsumer, and the names they had before."""

from __future__ import annotations

from typing import Final

from .formatters import DEFAULT
from .options import COMMON, ZOOKEEPER, Option

ABOUT: Final = """This tool helps to read data from Kafka topics and outputs it to standard output.

    klamm console-consumer --bootstrap-server localhost:9092 --topic greetings --from-beginning
    klamm console-consumer --bootstrap-server localhost:9092 --topic greetings --group readers --timeout-ms 5000
    klamm console-consumer --bootstrap-server localhost:9092 --topic greetings --partition 0 --offset 7 \\
        --formatter-property print.key=true --formatter-property print.offset=true"""

_FORMATTER_HELP: Final = (
    "key=value for the formatter: print.timestamp, print.key, print.offset, print.epoch, print.partition, "
    "print.headers, print.delivery (false), print.value (true), key.separator (a tab), line.separator (a new line), "
    "headers.separator (,), null.literal (null), key.deserializer, value.deserializer, headers.deserializer (Kafka's "
    "own by their class names)."
)

OPTIONS: Final = (
    Option("topic", "string", "The topic to read."),
    Option("include", "string", "A regular expression: every topic whose whole name fits is read."),
    Option("whitelist", "string", "The same as --include.", old="up to 3.x"),
    Option("partition", "int", "The one partition to read, from its end unless --offset says otherwise."),
    Option("offset", "string", "Where to begin: earliest, latest, or a number.", "latest"),
    Option("bootstrap-server", "string", "REQUIRED: The brokers to begin with: HOST1:PORT1,HOST2:PORT2."),
    Option("from-beginning", "flag", "Begin with the earliest record where the group has no offset yet."),
    Option("group", "string", "The group to read as; its offsets are committed."),
    Option("max-messages", "int", "End after so many records."),
    Option("timeout-ms", "long", "End when no record has come for so many milliseconds."),
    Option("skip-message-on-error", "flag", "Pass over a record that cannot be shown, instead of ending."),
    Option("isolation-level", "string", "read_uncommitted, or read_committed: no aborted records.", "read_uncommitted"),
    Option("formatter", "string", "The class name of what shows records.", DEFAULT),
    Option("formatter-property", "string", _FORMATTER_HELP),
    Option("formatter-config", "string", "A properties file with such settings; --formatter-property wins."),
    Option("property", "string", "The same as --formatter-property.", old="up to 4.x, KIP-1147"),
    Option("key-deserializer", "string", "The class name of the deserializer of keys."),
    Option("value-deserializer", "string", "The class name of the deserializer of values."),
    Option("command-property", "string", "key=value for the consumer."),
    Option("consumer-property", "string", "The same as --command-property.", old="up to 4.x, KIP-1147"),
    Option("command-config", "string", "A properties file for the consumer; --command-property wins."),
    Option("consumer.config", "string", "The same as --command-config.", old="up to 4.x, KIP-1147"),
    Option("enable-systest-events", "flag", "Print shutdown_complete when stopped by a signal."),
    Option("new-consumer", "flag", "Nothing: there is no other.", old="0.9 to 1.x"),
    ZOOKEEPER,
    Option("json", "flag", "Print each record as a line of JSON (klamm's own option)."),
    *COMMON,
)
