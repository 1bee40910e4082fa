"""The relay and the polite end of a process, at the sizes of every change and of every night."""
