"""Commands whose output is measurements and ids: transactions, and the perf tests."""

from __future__ import annotations

from compat_tests.commands.play import MADE, WRITTEN, Case, Step, steps_of

_TRANSACTIONAL = Step(
    "producer-perf-test",
    "--topic {t} --num-records 10 --record-size 5 --throughput -1 --transactional-id {t}",
)

MEASURED = [
    Case(
        "transactions",
        steps_of(
            "transactions",
            "list --transactional-id-pattern {t}",
            "list --transactional-id-pattern {t} --duration-filter 100000000",
            "describe --transactional-id {t}",
            "describe --transactional-id {t}-none",
            "describe-producers --topic {t} --partition 0",
            "abort --topic {t} --partition 0",
            "abort --topic {t} --partition 0 --producer-id 3",
            "abort --topic {t} --partition 0 --producer-id 3 --producer-epoch 1",
            "abort --topic {t} --partition 0 --start-offset 3",
            "find-hanging",
            "find-hanging --partition 0 --broker-id 1",
            "find-hanging --topic {t}",
            "forceTerminateTransaction --transactionalId {t}",
            "list --transactional-id-pattern {t}",
        ),
        [Step("topics", "--create --topic {t} --partitions 1"), _TRANSACTIONAL],
        numbers=True,
    ),
    Case(
        "producer-perf-test",
        steps_of(
            "producer-perf-test",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1",
            "--topic {t} --num-records 20 --payload-monotonic --throughput 1000 --producer-props linger.ms=1 acks=1",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1 --warmup-records 5",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1 --command-config /dev/null",
        ),
        MADE,
        numbers=True,
    ),
    Case(
        "consumer-perf-test",
        steps_of(
            "consumer-perf-test",
            "--topic {t} --num-records 3",
            "--topic {t} --messages 3 --hide-header --date-format yyyy",
            "--topic {t} --num-records 4 --timeout 500",
            "--topic {t} --num-records 4 --timeout 500 --from-latest --show-detailed-stats",
            "--topic {t}",
            "--num-records 3",
            "--topic {t} --include {t} --num-records 3",
            "--topic {t} --num-records 3 --reporting-interval 0",
            "--topic {t} --num-records 3 --consumer.config /dev/null --command-config /dev/null",
        ),
        WRITTEN,
        numbers=True,
    ),
]
