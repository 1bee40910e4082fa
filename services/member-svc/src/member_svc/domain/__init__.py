"""What member-svc decides: who, once, in which order, on which day (domain.md 2). Standard library only.
The one thing not to break: nothing here reads a clock, draws a random number or waits."""
