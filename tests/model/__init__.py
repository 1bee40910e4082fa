"""Tests that hold the independent model against the specification and the system against the model."""
