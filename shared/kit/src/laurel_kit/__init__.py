"""How any service runs: the consume loop, the transaction, the outbox and its relay, the HTTP frame, start and stop. The one thing
not to break: the kit names nothing of the trade; a line that does belongs in a service or in the contracts."""
