"""Broker configs that only klamm has. Rows: see `kinds.py`."""

from .kinds import ANY, BOOLEAN, HONOURED, READ_ONLY

ROWS = (
    # Look into every batch of every client as Kafka does, not only at its header and checksum.
    ("klamm.validate.records", BOOLEAN, "false", ANY, READ_ONLY, HONOURED),
)
