"""console-producer and console-consumer, each case on a topic of its own."""

from __future__ import annotations

from compat_tests.commands.play import KEYED, SHOWN, Case, Step, each, look

PRODUCED = [
    Case(f"console-producer {number}", [Step("console-producer", f"--topic {{t}} {arguments}", stdin), look(count)])
    for number, (count, arguments, stdin) in enumerate(
        [
            (4, "", "a\nb\r\n\nd"),
            (2, "--sync --request-required-acks 1", "a\nb\n"),
            (2, "--compression-codec", "a\nb\n"),
            (2, "--compression-codec zstd --command-property linger.ms=5", "a\nb\n"),
            (2, "--producer-property acks=0 --max-partition-memory-bytes 100", "a\nb\n"),
            (2, KEYED, "h:1,i:-\tk\t-\n-\t-\tv\n"),
            (1, KEYED + " --reader-property ignore.error=true", "alone\n"),
            (2, "--property parse.key=true --property key.separator=::", "k::v\n21::w\n"),
            (1, "--property parse.key=true", "k\tv\nalone\n"),
            (0, "--reader-property parse.key=true --property parse.key=true", "k\tv\n"),
            (0, "--nosuch", ""),
            (0, "--batch-size many", ""),
            (0, "--compression-codec brotli", "a\n"),
        ]
    )
]

CONSUMED = each(
    "console-consumer",
    [Step("console-producer", "--topic {t} " + KEYED, "h:1,i:-\tk\tv\n-\t-\tw\n-\tk\t-\n")],
    "console-consumer",
    "--topic {t} --from-beginning --max-messages 2",
    "--topic {t} --from-beginning --max-messages 3 --timeout-ms 30000 " + SHOWN,
    "--topic {t} --from-beginning --max-messages 3 --formatter-property print.timestamp=true"
    " --formatter-property print.epoch=true --formatter-property print.value=false",
    "--topic {t} --partition 0 --offset 1 --max-messages 1",
    "--topic {t} --partition 0 --timeout-ms 2000",
    "--topic {t} --partition 0 --from-beginning --max-messages 1 --property print.key=true"
    " --property key.separator=| --property null.literal=NONE",
    "--include {t} --from-beginning --max-messages 3",
    "--topic {t} --from-beginning --max-messages 1 --isolation-level read_committed"
    " --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
    "--topic {t} --from-beginning --max-messages 1 --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
    "--topic {t} --from-beginning --max-messages 1 --formatter-property print.key=true"
    " --formatter-property key.deserializer=org.apache.kafka.common.serialization.StringDeserializer",
    "--topic {t} --from-beginning --consumer-property auto.offset.reset=latest",
    "--topic {t} --include {t}",
    "--topic {t} --offset 3",
    "--topic {t} --partition 0 --offset soon",
    "--topic {t} --partition 0 --group g",
    "--topic {t} --group g --command-property group.id=h",
)
