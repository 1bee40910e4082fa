"""campaign-svc on a real PostgreSQL, without Kafka."""
