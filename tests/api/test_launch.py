"""Does the server start, tell the truth about it, live through the run, and end without a trace?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.outcome import Blocked, NotAsked, NotTestable, expect
from ernie_conformance.judge.rows import row

LAUNCH, LIVES, INTERRUPTED, ORPHANS = "LAUNCH-001", "LAUNCH-004", "LAUNCH-005", "LAUNCH-007"
NOT_YET = {404, 429, 502, 503, 504}  # statuses by which a server says that it isn't ready

Facts = Mapping[str, Any]


def launch_of(facts: Facts) -> Facts:
    if "launch" not in facts:
        raise NotAsked("the evidence has no launch")
    return facts["launch"]


def started(facts: Facts) -> Facts:
    launch = launch_of(facts)
    if not launch["ready"]:
        raise Blocked(LAUNCH, f"the server didn't start: {launch['failure']['detail']}")
    return launch


def shutdowns(facts: Facts) -> list[Facts]:
    """The ends that came of a signal alone; what was killed by force, or died, says nothing of what it leaves behind."""
    launch = started(facts)
    ends = [launch[name] for name in ("shutdown", "second") if "signal" in launch.get(name, {})]
    clean = [end for end in ends if not end["forced"] and not end["died"]]
    if not clean:
        died = not ends or ends[0]["died"]
        raise Blocked(LIVES if died else INTERRUPTED, "the server didn't end by a signal")
    return clean


def ends_cleanly(end: Facts, number: int) -> None:
    name = end["signal"]
    expect(not end["forced"], f"{name} didn't end the server within {end['limit']:g} s; it had to be killed")
    allowed = (0, -number, 128 + number)
    expect(end["exit"] in allowed, f"after {name} the server exited with {end['exit']}; owed: one of {allowed}")


def refused_before(launch: Facts) -> list[Facts]:
    """Requests that the server turned away as not ready, though they were sent after health had said 200."""
    return [answer for answer in launch["starts"][0]["answers"] if answer["status"] in NOT_YET or _no_connection(answer)]


def _no_connection(answer: Facts) -> bool:
    return answer["status"] is None and answer["error"].startswith("connect")


@row("LAUNCH-001")
def test_the_server_becomes_ready(facts: Facts) -> None:
    launch = launch_of(facts)
    failure = launch.get("failure", {})
    tail = " | ".join(failure.get("log", [])[-3:])
    expect(launch["ready"], f"{failure.get('stage')}: {failure.get('cause')}: {failure.get('detail')} [{tail}]")


@row("LAUNCH-002")
def test_health_does_not_say_ready_too_early(facts: Facts) -> None:
    early = refused_before(started(facts))
    expect(not early, f"/health said 200, and the request after it was turned away: {early[:1]}")


@row("LAUNCH-003")
def test_the_first_request_is_answered(facts: Facts) -> None:
    launch = started(facts)
    turned_away = refused_before(launch)
    first = next(answer for answer in launch["starts"][0]["answers"] if answer not in turned_away)
    expect(first["status"] == 200 and not first["error"], f"the first request got {first['status']} {first['error']}")


@row("LAUNCH-004")
def test_the_server_lives_through_the_run(facts: Facts) -> None:
    launch = started(facts)
    ends = [f"{end['cause']}: {end['detail']}" for end in launch["restarts"]]
    during = [end["during"] for end in launch["restarts"] if end["during"]]
    died = launch.get("shutdown", {}).get("died", False)
    expect(not ends, f"the server ended {len(ends)} times during the run; first {ends[:1]}", *during)
    expect(not died, "the server had ended before it was told to")


@row("LAUNCH-005")
def test_sigint_ends_the_server(facts: Facts) -> None:
    launch = started(facts)
    if "shutdown" not in launch or launch["shutdown"]["died"]:
        raise Blocked(LIVES, "the server had ended before it was told to")
    ends_cleanly(launch["shutdown"], 2)


@row("LAUNCH-006")
def test_sigterm_ends_the_server(facts: Facts) -> None:
    launch = started(facts)
    if "second" not in launch:
        raise NotTestable("a second start costs too much on this target")
    end = launch["second"]
    expect("failure" not in end, f"the server didn't start a second time: {end.get('failure', {}).get('detail')}")
    expect(not end.get("died"), "the server had ended before SIGTERM came")
    ends_cleanly(end, 15)


@row("LAUNCH-007")
def test_no_process_is_left(facts: Facts) -> None:
    for end in shutdowns(facts):
        expect(not end["processes"], f"after {end['signal']} these lived on: {end['processes']}")


@row("LAUNCH-008")
def test_no_port_is_left(facts: Facts) -> None:
    ends = [end for end in shutdowns(facts) if not end["processes"]]
    if not ends:
        raise Blocked(ORPHANS, "processes lived on; their ports are theirs")
    for end in ends:
        expect(not end["ports"], f"after {end['signal']} these ports were still held: {end['ports']}")


@row("LAUNCH-009")
def test_gpu_memory_is_given_back(facts: Facts) -> None:
    gpu = started(facts).get("gpu")
    if gpu is None:
        raise NotTestable("this host shows no GPU memory through NVML")
    shutdowns(facts)
    kept = [card for card in gpu["kept"] if not card["newcomers"]]  # memory of another's new process isn't the server's
    expect(not kept, f"GPU memory in MiB that didn't come back: {kept}")


@row("LAUNCH-010")
def test_no_names_are_left(facts: Facts) -> None:
    launch = started(facts)
    if not launch["watched"]:
        raise NotTestable("nothing is known that this engine might leave")
    names = [name for end in shutdowns(facts) for name in end["names"]]
    clear = "; ".join(dict.fromkeys(name["clear"] for name in names if not name["removed"]))
    expect(
        not names, f"left behind: {[name['id'] for name in names]}; still to clear: {clear or 'nothing'} {launch['ports']}"
    )


@row("LAUNCH-011")
def test_sigterm_cuts_no_stream_unseen(facts: Facts) -> None:
    launch = started(facts)
    if "second" not in launch:
        raise NotTestable("a second start costs too much on this target")
    stream = launch["second"].get("stream", {})
    if not stream.get("running") or stream["media_type"] != "text/event-stream":
        raise NotAsked(f"no stream was running when SIGTERM came: {stream.get('error') or stream.get('status')}")
    # A finish_reason ends it too: that some server never sends [DONE] is SSE-004's.
    seen = re.search(r'\[DONE\]|"error"|"finish_reason":\s*"', stream["tail"]) is not None
    expect(seen, f"SIGTERM cut a stream without a word: {stream['error'] or 'a clean end'}; last {stream['tail'][-80:]!r}")
