"""What Kafka writes into its own logs and files, one file a family."""
