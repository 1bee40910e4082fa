"""member-svc without a database."""
