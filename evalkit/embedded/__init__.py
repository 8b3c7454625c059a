"""Real weights on real servers on this machine: the hosts that need no key and no network."""
