"""Tests of what other tests are made with."""
