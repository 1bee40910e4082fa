"""The rules of campaigns: tables and properties."""
