"""The deployable topologies: what each reads, runs, writes. Wiring only."""
