"""How fast it is on this machine: the bare hop, then whole plans, on servers of its own. Each figure is from the same run."""
