"""One verb, one file: read, decide, save, say. The one thing not to break: nothing here commits, reads a clock or draws a random number."""
