"""`klamm console-consumer`: records of topics on standard output, as with kafka-console-consumer.sh."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

from ..client import ClientError
from ..client.errors import SettingError, java_line
from .consumer_options import ABOUT, OPTIONS
from .formatters import Formatter, FormatterError, formatter
from .member import Key
from .options import Options, OptionsError, bootstrap, help_or_version, parse, properties, refuse, warn_of_old
from .signals import on_stop_signals
from .source import RESETS, Source, Subscription, TimedOutError

_OLD_NAMES: Final = (
    ("consumer-property", "command-property"),
    ("consumer.config", "command-config"),
    ("property", "formatter-property"),
)
_OLD_NAME: Final = "Option --{} is deprecated and will be removed in a future version. Use --{} instead."


class _StoppedError(Exception):
    """A signal; `args[0]` is its number."""


def run(arguments: Sequence[str]) -> int:
    """Returns 0 at the end of the records that were asked for, 1 for a fault, 128 and its number after a signal."""
    try:
        options = parse(OPTIONS, arguments)
        if help_or_version(options, ABOUT, OPTIONS):
            return 0
        _check(options)
        address = bootstrap(options, "bootstrap-server")
        warn_of_old(options, _OLD_NAMES, _OLD_NAME)
        config = properties(options, ("consumer.config", "command-config"), ("consumer-property", "command-property"))
        group = _group(options, config)
        if not _resets_agree(options, config):
            return 1
        show = _formatter(options)
        source = Source(config, address, _subscription(options, config, group))
    except (OptionsError, FormatterError) as error:
        return refuse(str(error), ABOUT, OPTIONS)
    except SettingError as error:
        print(java_line(error), file=sys.stderr)
        return 1
    with on_stop_signals(_stop):
        return _consume(source, options, show)


def _consume(source: Source, options: Options, show: Formatter) -> int:
    count = 0
    code = 0
    try:
        with source:
            most = -1 if options.last("max-messages") is None else options.last("max-messages")
            while count < most or most == -1:
                shown = source.next()
                count += 1
                try:
                    sys.stdout.buffer.write(show(shown))
                    if source.drained:
                        sys.stdout.buffer.flush()
                except FormatterError as error:
                    if not options.has("skip-message-on-error"):
                        raise
                    print(f"ERROR Error processing message, skipping this message: {error}", file=sys.stderr)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        print("Unable to write to standard out, closing consumer.", file=sys.stderr)
        # What Python flushes at its end would complain once more.
        sys.stdout = None
    except (TimedOutError, ClientError) as error:
        # Kafka ends with 0 here as well: what has been read stands.
        line = "org.apache.kafka.common.errors.TimeoutException"
        print("ERROR Error processing message, terminating consumer process:", file=sys.stderr)
        print(java_line(error) if isinstance(error, ClientError) else line, file=sys.stderr)
    except FormatterError as error:
        print(f"ERROR Unknown error when running consumer: {error}", file=sys.stderr)
        code = 1
    except _StoppedError as stopped:
        code = 128 + stopped.args[0]
    if sys.stdout is not None:
        sys.stdout.flush()
    print(f"Processed a total of {count} messages", file=sys.stderr)
    if code > 128 and options.has("enable-systest-events"):
        print("shutdown_complete")
    return code


def _stop(number: int, _frame: FrameType | None) -> None:
    # A second one must not interrupt the commit and the farewell to the group.
    signal.signal(number, signal.SIG_IGN)
    raise _StoppedError(number)


# --- the command line ---------------------------------------------------------------------------------------------


def _check(options: Options) -> None:
    include = options.has("include") or options.has("whitelist")
    if options.has("topic") == include:
        raise OptionsError("Exactly one of the following arguments is required: [topic], [include]")
    if options.has("partition"):
        if include:
            raise OptionsError("The topic is required when partition is specified.")
        if options.has("from-beginning") and options.has("offset"):
            raise OptionsError("Options from-beginning and offset cannot be specified together.")
    elif options.has("offset"):
        raise OptionsError("The partition is required when offset is specified.")
    if options.has("offset"):
        text = options.last("offset")
        if text.lower() not in ("earliest", "latest") and not text.isdecimal():
            raise OptionsError(
                f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a"
                " non-negative long."
            )


def _group(options: Options, config: Mapping[str, str]) -> str | None:
    """The group that --group and group.id name. Raises OptionsError if they differ, or a partition is named too."""
    given = set(options.all("group")[-1:]) | ({config["group.id"]} if "group.id" in config else set())
    if len(given) > 1:
        names = ", ".join(f"'{group}'" for group in sorted(given))
        raise OptionsError(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via"
            f" '--consumer.config') do not match. Detected group ids: {names}"
        )
    if given and options.has("partition"):
        raise OptionsError("Options group and partition cannot be specified together.")
    return given.pop() if given else None


def _resets_agree(options: Options, config: Mapping[str, str]) -> bool:
    reset = config.get("auto.offset.reset", "earliest")
    if options.has("from-beginning") and reset != "earliest":
        print(
            f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option",
            file=sys.stderr,
        )
        return False
    return True


def _formatter(options: Options) -> Formatter:
    if options.has("json") and options.has("formatter"):
        raise OptionsError("Options --json and --formatter cannot be specified together.")
    settings = properties(options, ("formatter-config",), ())
    for name in ("key-deserializer", "value-deserializer"):
        if options.has(name):
            settings[name.replace("-", ".")] = options.last(name)
    settings.update(properties(options, (), ("property", "formatter-property")))
    if options.has("json"):
        from .json_lines import consumed  # here, since few command lines want it

        return consumed(settings)
    return formatter(options.last("formatter"), settings)


def _subscription(options: Options, config: Mapping[str, str], group: str | None) -> Subscription:
    timeout = options.last("timeout-ms")
    commits = config.get("enable.auto.commit", "false" if group is None else "true")
    return Subscription(
        topic=options.last("topic"),
        pattern=options.last("include") or options.last("whitelist"),
        group=group or f"console-consumer-{random.randrange(100_000)}",
        client_id="console-consumer",
        reset="earliest" if options.has("from-beginning") else "latest",
        commits=commits.lower() == "true" and not options.has("partition"),
        fixed=_fixed_position(options),
        isolation=None
        if "isolation.level" in config and not options.has("isolation-level")
        else options.last("isolation-level"),
        timeout_s=None if timeout is None or timeout < 0 else timeout / 1000,
    )


def _fixed_position(options: Options) -> dict[Key, int] | None:
    if not options.has("partition"):
        return None
    text = options.last("offset").lower()
    if not options.has("offset") and options.has("from-beginning"):
        text = "earliest"
    symbol = RESETS.get(text)
    return {(options.last("topic"), options.last("partition")): int(text) if symbol is None else symbol}
