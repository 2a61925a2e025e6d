"""Gathering: one process makes all the traffic, in phases, and writes it down. Nothing here judges."""

from ernie_conformance.gather.gather import Orders, gather

__all__ = ["Orders", "gather"]
