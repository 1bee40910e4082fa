"""HTTP in, handler, HTTP out; one resource, one file. The one thing not to break: no rule is decided here."""
