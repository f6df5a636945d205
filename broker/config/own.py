"""Broker configs that only klamm has. Rows: see `kinds.py`."""

from .kinds import ANY, BOOLEAN, HONOURED, READ_ONLY, STRING

ROWS = (
    # Look into every batch of every client as Kafka does, not only at its header and checksum.
    # Where clients' own metrics (KIP-714) are written; without it clients are not asked for them.
    ("klamm.telemetry.file", STRING, None, ANY, READ_ONLY, HONOURED),
    ("klamm.validate.records", BOOLEAN, "false", ANY, READ_ONLY, HONOURED),
)
