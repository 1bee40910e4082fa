"""Tests without a broker or a database."""
