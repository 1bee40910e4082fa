"""T-K01 to T-K04: brokers that are restarted, killed, all away, and the one that a consumer group depends on."""
