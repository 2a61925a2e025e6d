"""Real engines that run on small machines: how each is installed and started."""
