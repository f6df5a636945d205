"""The control port: what a broker says of itself over HTTP, to programs that speak no Kafka."""
