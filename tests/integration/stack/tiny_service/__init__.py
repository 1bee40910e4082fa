"""The smallest thing that behaves like a service towards the stack: /readyz, a log, an environment."""
