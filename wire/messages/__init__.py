"""One file an API: every request and response that Kafka 4.3.1 and 3.9 speak. Import the file you need."""
