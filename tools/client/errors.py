"""What can go wrong between a command and a cluster. Every one is one line that a user can act on."""

from __future__ import annotations

from ...wire.errors import RETRIABLE, ErrorCode


class ClientError(Exception):
    """The root of all. `java_name`: what Kafka's own client would have thrown, in `java_package`."""

    java_name = "KafkaException"
    java_package = "org.apache.kafka.common.errors"


class SettingError(ClientError):
    """A property that Kafka's clients would not take. str() is their message."""

    java_name = "ConfigException"
    java_package = "org.apache.kafka.common.config"


class UnreachableError(ClientError):
    """No broker answered before the deadline, or the one that was meant did not."""

    java_name = "TimeoutException"


class UnsupportedError(ClientError):
    """The broker does not have the API, or no version of it that can carry what was asked."""

    java_name = "UnsupportedVersionException"


class ServerError(ClientError):
    """The broker answered with an error code.

    `code`; `message`: the broker's own text, else Kafka's sentence on the code. str() is the message.
    """

    def __init__(self, code: int, message: str | None = None) -> None:
        from .java_names import exception_name, text_of

        try:
            self.code = ErrorCode(code)
        except ValueError:
            # A code newer than Kafka 4.3.1 is what Kafka's own clients make of it, too.
            self.code, message = ErrorCode.UNKNOWN_SERVER_ERROR, message or f"Unexpected error code: {code}."
        self.message = message or text_of(self.code)
        self.java_name = exception_name(self.code)
        super().__init__(self.message)

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.code in RETRIABLE


def check(code: int, message: str | None = None) -> None:
    """Raises ServerError unless `code` is 0."""
    if code:
        raise ServerError(code, message)


def failure_line(error: ClientError) -> str:
    """What Kafka's commands say of it: a setting fails in the command itself, the rest in a future that names it."""
    return str(error) if isinstance(error, SettingError) else java_line(error)


def java_line(error: ClientError) -> str:
    """`org.apache.kafka.common.errors.TopicExistsException: text`, as Kafka prints an exception."""
    return f"{error.java_package}.{error.java_name}: {error}"
