"""The door's rules, without any I/O."""
