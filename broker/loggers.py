"""The broker's loggers, whose levels clients may see and change (KIP-412).

Kafka's levels are shown and taken; Python has no TRACE, which is DEBUG here. Changes end with the process.
Source: org.apache.kafka.server.logger.RuntimeLoggerManager, LoggingController.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from ..wire.errors import ErrorCode, KafkaError
from ..wire.messages.incremental_alter_configs import AlterableConfig
from .config.kinds import java_integer

ROOT: Final = "root"
#: org.apache.kafka.clients.admin.AlterConfigOp.OpType
SET, DELETE, APPEND, SUBTRACT = range(4)

_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "INFO": logging.INFO,
    "TRACE": logging.DEBUG,
    "WARN": logging.WARNING,
}
_NAMES: Final = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "FATAL",
}


def logger_levels() -> list[tuple[str, str]]:
    """(name, level that counts) of the root logger and of all of klamm's."""
    return [(name, _NAMES.get(_logger(name).getEffectiveLevel(), "INFO")) for name in _names()]


def alter_levels(node_id: int, resource_name: str, configs: Sequence[AlterableConfig], *, validate_only: bool) -> None:
    """Set levels, or unset them so that those of the loggers above count. All or none.

    Raises KafkaError: INVALID_REQUEST, INVALID_CONFIG, UNKNOWN_SERVER_ERROR for an operation that nobody knows.
    """
    number = java_integer(resource_name)
    if number is None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {resource_name}")
    if number != node_id:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unexpected node id. Expected {node_id}, but received {number}")
    for config in configs:
        _check(config)
    if not validate_only:
        for config in configs:
            level = _LEVELS[config.value or ""] if config.config_operation == SET else logging.NOTSET
            _logger(config.name).setLevel(level)


def _check(config: AlterableConfig) -> None:
    operation = config.config_operation
    if operation in (APPEND, SUBTRACT):
        label = "APPEND" if operation == APPEND else "SUBTRACT"
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{label} operation is not allowed for the BROKER_LOGGER resource")
    if operation not in (SET, DELETE):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)  # Kafka stumbles over it
    if config.name not in _names():
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Logger {config.name} does not exist!")
    if operation == SET and config.value not in _LEVELS:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Cannot set the log level of {config.name} to {config.value} as it is not a supported log level. "
            f"Valid log levels are {', '.join(_LEVELS)}",
        )
    if operation == DELETE and config.name == ROOT:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Removing the log level of the root logger is not allowed")


def _names() -> list[str]:
    return [ROOT, *sorted(name for name in logging.root.manager.loggerDict if name.startswith("klamm."))]


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(None if name == ROOT else name)
