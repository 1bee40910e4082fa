"""Faults at the size of a night, on the whole stack."""
