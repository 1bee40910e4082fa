"""Tests of the whole; each service keeps none of its own."""
