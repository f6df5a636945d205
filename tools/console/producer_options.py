"""The options of console-producer: those of Kafka 4.3's ConsoleProducer, and the names they had before."""

from __future__ import annotations

from typing import Final

from .options import COMMON, ZOOKEEPER, Option

ABOUT: Final = """This tool helps to read data from standard input and publish it to Kafka.

    echo hello | klamm console-producer --bootstrap-server localhost:9092 --topic greetings
    printf 'k1:v1' | klamm console-producer --bootstrap-server localhost:9092 --topic greetings \\
        --reader-property parse.key=true --reader-property key.separator=:"""

READER: Final = "org.apache.kafka.tools.LineMessageReader"

_READER_HELP: Final = (
    "key=value for the reader of lines: parse.key (false), parse.headers (false), ignore.error (false), key.separator "
    "(a tab), headers.delimiter (a tab), headers.separator (,), headers.key.separator (:), null.marker (none): what "
    "equals it is null. With both parsed a line is h1:v1,h2:v2<tab>key<tab>value."
)

OPTIONS: Final = (
    Option("topic", "string", "REQUIRED: The topic to produce to."),
    Option("bootstrap-server", "string", "REQUIRED: The brokers to begin with: HOST1:PORT1,HOST2:PORT2."),
    Option("broker-list", "string", "The same as --bootstrap-server.", old="0.8 to 3.x"),
    Option("sync", "flag", "Send each record on its own and wait for its answer."),
    Option("compression-codec", "optional", "none, gzip, snappy, lz4 or zstd; without a value gzip."),
    Option("batch-size", "int", "Bytes of records that go together to a partition (batch.size).", 16384),
    Option("message-send-max-retries", "int", "How often a batch is sent again (retries).", 3),
    Option("retry-backoff-ms", "long", "Milliseconds before it is (retry.backoff.ms).", 100),
    Option("timeout", "long", "Milliseconds that records wait for others to go with (linger.ms).", 1000),
    Option("request-required-acks", "string", "acks: 0, 1, or -1 and all for every replica in sync.", "-1"),
    Option("request-timeout-ms", "int", "Milliseconds that an answer may take (request.timeout.ms).", 1500),
    Option("metadata-expiry-ms", "long", "Milliseconds after which leaders are asked for again.", 300000),
    Option("max-block-ms", "long", "Milliseconds that a send may wait for the topic's leaders.", 60000),
    Option("max-memory-bytes", "long", "Bytes of records that may wait to be sent (buffer.memory).", 33554432),
    Option("max-partition-memory-bytes", "int", "The same as --batch-size, and wins.", 16384, old="up to 4.x"),
    Option("line-reader", "string", "The reader of lines; there is the one.", READER),
    Option("socket-buffer-size", "int", "Bytes of the socket's send buffer (send.buffer.bytes).", 102400),
    Option("property", "string", "The same as --reader-property.", old="up to 4.x, KIP-1147"),
    Option("reader-property", "string", _READER_HELP),
    Option("reader-config", "string", "A properties file with such settings; --reader-property wins."),
    Option("command-property", "string", "key=value for the producer."),
    Option("producer-property", "string", "The same as --command-property.", old="up to 4.x, KIP-1147"),
    Option("command-config", "string", "A properties file for the producer; --command-property wins."),
    Option("producer.config", "string", "The same as --command-config.", old="up to 4.x, KIP-1147"),
    ZOOKEEPER,
    Option("json", "flag", "Print each record's place, or its error, as a line of JSON (klamm's own option)."),
    *COMMON,
)
