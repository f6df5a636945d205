"""A case for each option that the other families do not use: what is ignored shows in the output."""

from __future__ import annotations

from compat_tests.commands.play import MADE, READ, WRITTEN, Case, Step, each, look, steps_of

#: A file of settings that Kafka's clients refuse: who does not read it goes on.
_BAD = {"bad": "request.timeout.ms=soon\n"}


def _reads_settings(command: str, *lines: str) -> Case:
    return Case(f"{command} settings", steps_of(command, *lines), MADE, files=_BAD)


_TOPICS = [
    Case(
        "topics filters",
        steps_of(
            "topics",
            "--create --topic {t} --partitions 2 --config min.insync.replicas=2",
            "--describe --topic {t} --under-min-isr-partitions",
            "--describe --topic {t} --under-replicated-partitions",
            "--describe --topic {t} --unavailable-partitions",
            "--describe --topic {t} --partition-size-limit-per-response 1 --at-min-isr-partitions",
            "--describe --topic {t} --partition-size-limit-per-response many",
            "--describe --topic {t} --unavailable-partitions --under-replicated-partitions",
            "--describe --topic {t} --delete-config min.insync.replicas",
            "--alter --topic {t} --delete-config min.insync.replicas --partitions 4",
            "--alter --topic {t} --delete-config min.insync.replicas",
            "--alter --topic {t} --partitions 3 --replica-assignment 1,1,1",
            "--describe --topic {t} --under-min-isr-partitions",
            "--list --topic __consumer_offsets",
            "--list --topic __consumer_offsets --exclude-internal",
        ),
        # Which makes __consumer_offsets, where it was not there yet.
        [Step("topics", "--create --topic {t}.before"), *WRITTEN, *READ, Step("topics", "--delete --topic {t}")],
    ),
    Case(
        "get-offsets internal",
        steps_of(
            "get-offsets",
            "--topic __consumer_offsets --partitions 0 --time earliest",
            "--topic __consumer_offsets --partitions 0 --time earliest --exclude-internal-topics",
        ),
        WRITTEN + READ,
    ),
]

_SETTINGS = [
    _reads_settings("topics", "--nosuch", "--list --topic {t} --command-config {bad}"),
    _reads_settings("get-offsets", "--nosuch", "--topic {t} --command-config {bad}"),
    _reads_settings("delete-records", "--nosuch", "--offset-json-file {f} --command-config {bad}"),
    _reads_settings("log-dirs", "--nosuch", "--describe --topic-list {t} --command-config {bad}"),
    _reads_settings(
        "leader-election",
        "--election-type preferred --topic {t} --partition many",
        "--election-type preferred --topic {t} --partition 0 --all-topic-partitions",
        "--election-type preferred --topic {t} --partition 0 --command-config {bad}",
        "--election-type preferred --topic {t} --partition 0 --admin.config {bad}",
    ),
    _reads_settings("configs", "--nosuch", "--describe --topic {t} --command-config {bad}"),
    _reads_settings("cluster", "cluster-id --nosuch", "cluster-id --command-config {bad}", "cluster-id --config {bad}"),
    _reads_settings("features", "--command-config {bad} describe"),
    _reads_settings("transactions", "list --nosuch", "--command-config {bad} list"),
    _reads_settings("reassign-partitions", "--list --command-config {bad}"),
    _reads_settings("consumer-groups", "--nosuch", "--describe --group {g} --command-config {bad}"),
]

_CONFIGS = [
    Case(
        "configs of a file",
        steps_of(
            "configs",
            "--alter --topic {t} --add-config-file {more}",
            "--describe --topic {t}",
            "--describe --topic {t} --all",
            "--alter --topic {t} --add-config-file {more} --add-config retention.ms=1",
            "--bootstrap-controller 127.0.0.1:1 --describe --topic {t}",
        ),
        MADE,
        files={"more": "retention.ms=7000\ncleanup.policy=compact,delete\n"},
    ),
    Case(
        "configs of brokers",
        steps_of(
            "configs",
            "--alter --broker 1 --add-config log.cleaner.backoff.ms=14000",
            "--describe --broker 1",
            "--alter --broker 1 --delete-config log.cleaner.backoff.ms",
            "--describe --broker 1",
            "--alter --broker-defaults --add-config log.cleaner.backoff.ms=13000",
            "--describe --broker-defaults",
            "--alter --entity-type brokers --entity-default --delete-config log.cleaner.backoff.ms",
            "--describe --entity-type brokers --entity-default",
            "--alter --broker-logger 1 --add-config no.such.logger=INFO",
        ),
    ),
    Case(
        "configs of others",
        steps_of(
            "configs",
            "--alter --client-metrics {t} --add-config interval.ms=1000,metrics=[org.apache.kafka]",
            "--describe --client-metrics {t}",
            "--alter --client-metrics {t} --delete-config interval.ms,metrics",
            "--alter --client-metrics {t} --add-config interval.ms=1",
            "--alter --group {g} --add-config consumer.session.timeout.ms=50000",
            "--describe --group {g}",
            "--alter --group {g} --add-config consumer.session.timeout.ms=5",
            "--alter --group {g} --delete-config consumer.session.timeout.ms",
        ),
    ),
    Case(
        "configs of quotas",
        steps_of(
            "configs",
            "--alter --entity-type users --entity-name {t} --entity-type clients --entity-name c --add-config x=1",
            "--alter --client-defaults --add-config consumer_byte_rate=100000",
            "--describe --client-defaults",
            "--alter --client-defaults --delete-config consumer_byte_rate",
            "--describe --client-defaults",
            "--alter --user-defaults --add-config request_percentage=50",
            "--describe --user-defaults",
            "--describe --entity-type users --entity-default",
            "--alter --user-defaults --delete-config request_percentage",
            "--alter --ip 10.1.2.3 --add-config connection_creation_rate=5",
            "--describe --ip 10.1.2.3",
            "--alter --ip 10.1.2.3 --delete-config connection_creation_rate",
            "--alter --ip-defaults --add-config connection_creation_rate=6",
            "--describe --ip-defaults",
            "--alter --ip-defaults --delete-config connection_creation_rate",
            "--alter --ip nowhere.invalid --add-config connection_creation_rate=5",
            "--alter --user {t} --client c --add-config producer_byte_rate=1",
            "--describe --user {t} --client c",
        ),
    ),
]

_CLUSTER = [
    Case("cluster of controllers", steps_of("cluster", "cluster-id --bootstrap-controller 127.0.0.1:1")),
    Case(
        "features rehearsed",
        steps_of(
            "features",
            "--bootstrap-controller 127.0.0.1:1 describe",
            "describe --node-id -1",
            "upgrade --feature group.version=1 --dry-run",
            "upgrade --metadata 4.0 --dry-run",
            "upgrade --metadata 0.1 --dry-run",
            "upgrade --metadata 4.3 --feature metadata.version=1 --dry-run",
            "upgrade --release-version 4.3 --metadata 4.3 --dry-run",
            "downgrade --feature group.version=0 --dry-run",
            "downgrade --feature group.version=0 --dry-run --unsafe",
            "disable --feature group.version --dry-run",
            "disable --feature group.version --unsafe --dry-run",
        ),
    ),
    Case(
        "transactions aborted",
        steps_of(
            "transactions",
            "abort --topic {t} --partition 0 --producer-id 3 --producer-epoch 1 --coordinator-epoch 0",
            "abort --topic {t} --partition 0 --producer-id 3 --producer-epoch 1 --coordinator-epoch zero",
            "find-hanging --broker-id 1 --max-transaction-timeout 15",
            "find-hanging --broker-id 1 --max-transaction-timeout soon",
        ),
        MADE,
    ),
]

_REASSIGN = [
    Case(
        "reassign-partitions options",
        steps_of(
            "reassign-partitions",
            "--list --bootstrap-controller 127.0.0.1:1",
            "--execute --additional --reassignment-json-file {f}",
            "--list --additional",
            "--execute --reassignment-json-file {wide} --disallow-replication-factor-change",
            "--execute --reassignment-json-file {wide}",
            "--execute --reassignment-json-file {f} --replica-alter-log-dirs-throttle 70",
            "--verify --reassignment-json-file {f}",
            "--execute --reassignment-json-file {f} --timeout soon",
            "--execute --reassignment-json-file {f} --timeout 20000",
            "--list --timeout 5",
            "--generate --topics-to-move-json-file {f} --broker-list 1 --disable-rack-aware",
            "--list --disable-rack-aware",
        ),
        [Step("topics", "--create --topic {t} --partitions 1")],
        files={"wide": '{"version": 1, "partitions": [{"topic": "{t}", "partition": 0, "replicas": [1, 2]}]}'},
    ),
]

_PERF = [
    Case(
        "producer-perf-test of a file",
        [
            Step(
                "producer-perf-test",
                "--topic {t} --num-records 2 --throughput -1 --payload-file {payload} --payload-delimiter ,",
            ),
            look(2),
        ],
        numbers=True,
        files={"payload": "same,same"},
    ),
    Case(
        "producer-perf-test options",
        [
            *steps_of(
                "producer-perf-test",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --reporting-interval 0",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --command-property acks=5",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --command-config {wrong}",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --producer.config {wrong}",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --transactional-id {g}",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --transaction-duration-ms 0",
                "--topic {t} --num-records 20 --record-size 10 --throughput -1 --transaction-duration-ms 100",
            ),
            Step("transactions", "list --transactional-id-pattern {g}"),
        ],
        MADE,
        numbers=True,
        files={"wrong": "acks=5\n"},
    ),
    Case(
        "consumer-perf-test options",
        [
            *steps_of(
                "consumer-perf-test",
                "--topic {t} --num-records 3 --group {g}",
                "--topic {t} --num-records 3 --fetch-size large",
                "--topic {t} --num-records 3 --date-format j",
                "--topic {t} --num-records 3 --from-latest --timeout 500",
                "--topic {t} --num-records 3 --command-property isolation.level=x",
                "--topic {t} --num-records 4 --timeout 500 --group {g}2 --command-property max.poll.records=1",
            ),
            Step("consumer-groups", "--describe --group {g}"),
        ],
        WRITTEN,
        numbers=True,
    ),
]

_PRODUCED = [
    Case(
        "console-producer files",
        [
            Step("console-producer", "--topic {t} --reader-config {keyed}", "k\tv\n"),
            look(1),
            Step("console-producer", "--topic {t} --command-config {small}", "too long\n"),
            Step("console-producer", "--topic {t} --producer.config {small}", "too long\n"),
            Step("console-producer", "--topic {t} --line-reader no.such.Reader", "a\n"),
            Step("console-producer", "--topic {t} --line-reader org.apache.kafka.tools.LineMessageReader", "a\n"),
            look(2),
        ],
        files={"keyed": "parse.key=true\n", "small": "max.request.size=10\n"},
    ),
    *each(
        "console-producer numbers",
        [],
        "console-producer",
        *(
            f"--topic {{t}} --{name} many"
            for name in (
                "max-block-ms",
                "max-memory-bytes",
                "message-send-max-retries",
                "metadata-expiry-ms",
                "request-timeout-ms",
                "retry-backoff-ms",
                "timeout",
            )
        ),
    ),
]

_LONG = "org.apache.kafka.common.serialization.LongDeserializer"
_CONSUMED = [
    Case(
        "console-consumer files",
        steps_of(
            "console-consumer",
            "--topic {t} --from-beginning --command-config {latest}",
            "--topic {t} --from-beginning --consumer.config {latest}",
            "--topic {t} --from-beginning --max-messages 1 --formatter-config {shown}",
            "--topic {t} --partition 0 --offset earliest --max-messages 2 --skip-message-on-error"
            f" --timeout-ms 30000 --value-deserializer {_LONG}",
            f"--topic {{t}} --partition 0 --offset earliest --max-messages 2 --value-deserializer {_LONG}",
            f"--topic {{t}} --partition 0 --offset earliest --max-messages 1 --key-deserializer {_LONG}"
            " --formatter-property print.key=true",
        ),
        [
            Step(
                "console-producer",
                "--topic {t} --reader-property parse.key=true",
                "short\teight by\nlonger..\tlonger than eight\nlonger..\tagain...\n",
            )
        ],
        files={"latest": "auto.offset.reset=latest\n", "shown": "print.key=true\nkey.separator=;\n"},
    ),
]

_NEW = "--consumer-property group.protocol=consumer"
_MEMBERS = [
    Case(
        "console-consumer of the consumer protocol",
        [
            Step("console-consumer", f"--topic {{t}} --group {{g}} --from-beginning --max-messages 2 {_NEW}"),
            Step("consumer-groups", "--describe --group {g}"),
            Step("consumer-groups", "--describe --group {g} --state --verbose"),
            Step(
                "console-consumer",
                f"--include {{t}}.* --group {{g}} --max-messages 1 {_NEW}"
                " --consumer-property group.remote.assignor=range",
            ),
            Step("consumer-groups", "--describe --group {g}"),
            *steps_of(
                "console-consumer",
                f"--topic {{t}} {_NEW} --consumer-property session.timeout.ms=9000",
                f"--topic {{t}} {_NEW} --consumer-property heartbeat.interval.ms=9000",
                "--topic {t} --consumer-property group.remote.assignor=range",
                "--topic {t} --consumer-property group.protocol=none",
            ),
        ],
        WRITTEN,
    ),
]

_GROUPS = [
    *each(
        "consumer-groups options",
        WRITTEN + READ,
        "consumer-groups",
        "--delete --all-groups --group {g}",
        "--list --type sleeping",
        "--describe --group {g} --timeout soon",
        "--validate-regex orders-.*",
        "--validate-regex orders-(",
        "--describe --group {g} --offsets --members",
    ),
    Case(
        "consumer-groups of a file",
        steps_of(
            "consumer-groups",
            "--reset-offsets --group {g} --from-file {plan} --execute",
            "--reset-offsets --group {g} --from-file /none --dry-run",
            "--describe --group {g}",
        ),
        WRITTEN + READ,
        files={"plan": "{t},0,1\n"},
    ),
]

OPTIONS_USED = [
    *_TOPICS,
    *_SETTINGS,
    *_CONFIGS,
    *_CLUSTER,
    *_REASSIGN,
    *_PERF,
    *_PRODUCED,
    *_CONSUMED,
    *_MEMBERS,
    *_GROUPS,
]
