"""The consume loop under faults: real Kafka, real PostgreSQL, the real kit; points-svc's own handlers where the promise is about money."""
