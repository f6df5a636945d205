"""Configuration: every config of Kafka, where values come from, what they mean for listeners and topics."""
