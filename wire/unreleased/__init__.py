"""Messages as the unreleased Kafka 4.4 has them (branch 4.4 of August 2026): new ones, and those with other fields.

They may change until 4.4 is there, so that nothing finds them unless it asks: `catalogue.find_message(name,
unreleased=True)`, `klamm wire show TxnOffsetCommit 6 --unreleased`. The broker does not speak them. Each class has all
versions of its message, and no class of `messages/` or `log_records/` knows of it.
"""
