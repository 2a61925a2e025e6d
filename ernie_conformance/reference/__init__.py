"""The embedded reference server: the contract made executable. It proves the suite, not a deployment."""
