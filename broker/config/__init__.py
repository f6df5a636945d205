"""Configuration: every config of Kafka, where values come from, what they mean for listeners and topics."""

from .config import Config, ConfigError, Setting

__all__ = ["Config", "ConfigError", "Setting"]
