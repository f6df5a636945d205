"""klamm: Apache Kafka's wire protocol, spoken by a small, fast Python broker."""

__version__ = "0.1.0"
