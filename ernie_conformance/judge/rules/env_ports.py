"""Ports before a start, and what an earlier server left."""

from __future__ import annotations

from ernie_conformance.judge.outcome import Blocked, NotTestable, expect
from ernie_conformance.judge.rules.env_facts import Facts, before_launch, host, part

PRIVILEGED = 1024


def ports(facts: Facts) -> Facts:
    """The server's ports by name. Raises NotTestable where nothing is to be launched."""
    before_launch(facts)
    found = part(facts, "ports")
    if not found:
        raise NotTestable("the target has no ports of its own")
    return found


def are_free(facts: Facts, *names: str) -> None:
    """The named ports, or all but the cache queue's."""
    found = ports(facts)
    taken = [
        f"{name} {port['number']} is taken ({port['problem']}) by {port['holder'] or 'a process we may not see'}"
        for name, port in found.items()
        if not port["free"] and (name in names if names else name != "cache_queue_port")
    ]
    expect(not taken, "; ".join(taken))


def cache_queue_is_free(facts: Facts) -> None:
    if "cache_queue_port" not in ports(facts):
        raise NotTestable("this version chooses a free port for its cache queue")
    number = ports(facts)["cache_queue_port"]["number"]
    if number in [port["number"] for name, port in ports(facts).items() if name != "cache_queue_port"]:
        raise Blocked("PORTS-003", "it has the number of another port")
    are_free(facts, "cache_queue_port")


def are_distinct(facts: Facts) -> None:
    fixed = [(name, port["number"]) for name, port in ports(facts).items() if port["number"]]
    numbers = [number for _, number in fixed]
    doubled = [f"{name} {number}" for name, number in fixed if numbers.count(number) > 1]
    expect(not doubled, f"one number for several ports: {', '.join(doubled)}")


def are_out_of_the_way(facts: Facts) -> None:
    system = part(facts, "system")
    first, last = system["ephemeral_ports"] or (0, -1)
    fixed = [(name, port["number"]) for name, port in ports(facts).items() if port["number"]]
    bad = [f"{name} {number} lies in {first}-{last}" for name, number in fixed if first <= number <= last]
    bad += [f"{name} {number} needs root" for name, number in fixed if number < PRIVILEGED and system["user"] != 0]
    expect(not bad, "; ".join(bad))


def no_process_lives_on(facts: Facts) -> None:
    before_launch(facts)
    found = part(facts, "remains")["processes"]
    listed = [f"{p['name']} (pid {p['pid']}): {p['clear']}" for p in found]
    expect(not found, "; ".join(listed))


def nothing_is_left(facts: Facts) -> None:
    before_launch(facts)
    if host(facts)["remains"].get("processes"):
        raise Blocked("PORTS-005", "workers of an earlier server run, so what lies here may be in use")
    if not part(facts, "remains")["known"]:
        raise NotTestable("nothing is known that this engine leaves behind")
    found = part(facts, "remains")["files"]
    listed = [f"{left['what']} ({left['id']}): {left['clear']}" for left in found]
    expect(not found, "; ".join(listed))
