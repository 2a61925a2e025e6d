"""What this host is and has, read once into a JSON-able record: machine, GPU, packages, model directory, ports, command."""

from __future__ import annotations

from ernie_conformance.probe.packages import engine_present
from ernie_conformance.probe.read import read_facts

__all__ = ["engine_present", "read_facts"]
