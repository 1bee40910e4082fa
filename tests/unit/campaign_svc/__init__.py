"""campaign-svc without a broker or a database."""
