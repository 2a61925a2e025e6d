"""The tables of exchanges and scenarios, one module an area."""
