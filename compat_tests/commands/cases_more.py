"""groups and client-metrics: every option, and what is refused."""

from __future__ import annotations

from compat_tests.commands.play import MADE, READ, WRITTEN, Case, Step, steps_of

_BAD = {"bad": "request.timeout.ms=soon\n"}

MORE = [
    Case(
        "groups",
        steps_of(
            "groups",
            "--list --streams",
            "--list --share",
            "--list --protocol no-such",
            "--list --group-type cats",
            "--list --consumer --share",
            "--list --consumer --protocol consumer",
            "--list --share --group-type share",
            "--list --streams --protocol streams",
            "--list --command-config {bad}",
            "",
            "--nosuch",
        ),
        WRITTEN + READ,
        files=_BAD,
    ),
    Case(
        "client-metrics",
        steps_of(
            "client-metrics",
            "--alter --name {t} --interval 1000 --metrics org.apache.,org.k"
            " --match client_id=a,client_software_name=x.*",
            "--describe --name {t}",
            "--alter --name {t} --interval 1",
            "--alter --name {t} --interval soon",
            "--alter --name {t} --match nonsense=1",
            "--alter --name {t} --match nonsense",
            "--alter --name {t}",
            "--alter --metrics x",
            "--alter --name {t} --generate-name --metrics x",
            "--alter --generate-name",
            "--alter --name {t} --interval",
            "--delete --name {t}",
            "--delete --name {t}",
            "--describe --name {t}",
            "--delete",
            "--list --name {t}",
            "--describe --interval 5",
            "--list --command-config {bad}",
            "",
            "--list --describe",
            "--nosuch",
        ),
        files=_BAD,
    ),
]

MORE.append(
    Case(
        "verifiable-producer",
        [
            *steps_of(
                "verifiable-producer",
                "--topic {t} --max-messages 3",
                "--topic {t} --max-messages 3 --value-prefix 7 --repeating-keys 2 --throughput 1000",
                "--topic {t} --max-messages 1 --acks 0 --message-create-time 5",
                "--topic {t} --max-messages 0",
                "--topic {t}/x --max-messages 1",
                "--topic {t} --acks 7",
                "--topic {t} --command-config {bad}",
                "--topic {t} --max-messages 1 --producer.config {fine}",
                "--topic {t} --max-messages 1 --producer.config {fine} --command-config {fine}",
                "--max-messages 1",
            ),
            Step(
                "console-consumer",
                "--topic {t} --from-beginning --max-messages 8 --formatter-property print.key=true",
            ),
        ],
        files={**_BAD, "fine": "linger.ms=1\n"},
    )
)

MORE.append(
    Case(
        "verifiable-consumer",
        steps_of(
            "verifiable-consumer",
            "--topic {t} --group-id {g} --max-messages 2 --verbose",
            "--topic {t} --group-id {g} --max-messages 1",
            "--topic {t} --group-id {g}-b --max-messages 1 --enable-autocommit --command-config {two}",
            "--topic {t} --group-id {g}-b --max-messages 1 --consumer.config {fine}",
            "--topic {t} --group-id {g}-c --max-messages 3 --group-protocol consumer --group-remote-assignor range",
            "--topic {t} --group-id {g}-d --max-messages 3 --group-instance-id one --session-timeout 7000",
            "--topic {t} --group-id {g}-e --max-messages 0",
            "--topic {t} --group-id {g}-e --max-messages 1 --reset-policy none",
            "--topic {t} --group-id {g}-e --max-messages 1 --reset-policy first",
            "--topic {t} --group-id {g}-e --max-messages 1 --group-protocol consumer --group-remote-assignor none",
            "--topic {t} --group-id {g}-e --max-messages 1 --group-protocol consumer --session-timeout 7000",
            "--topic {t} --group-id {g}-e --max-messages 1 --session-timeout 1",
            "--topic {t} --group-id {g}-e --max-messages 1 --group-protocol cats",
            "--topic {t} --group-id {g}-e --max-messages 1 --assignment-strategy org.example.None",
            "--topic {t}/x --group-id {g}-e --max-messages 1",
            "--topic {t} --group-id {g}-e --max-messages soon",
            "--topic {t} --group-id {g}-e --command-config {bad}",
            "--topic {t} --group-id {g}-e --consumer.config {fine} --command-config {fine}",
            "--topic {t} --max-messages 1",
        ),
        WRITTEN,
        files={**_BAD, "two": "max.poll.records=2\n", "fine": "fetch.max.wait.ms=100\n"},
    )
)

_NAMED = Step("client-metrics", "--alter --name {t} --metrics org.apache.kafka.")
LISTED = [
    Case(
        "groups listed",
        steps_of("groups", "--list", "--list --consumer", "--list --group-type classic"),
        WRITTEN + READ,
        own_lines=True,
    ),
    Case("client-metrics listed", steps_of("client-metrics", "--list", "--describe"), [_NAMED, *MADE], own_lines=True),
]
