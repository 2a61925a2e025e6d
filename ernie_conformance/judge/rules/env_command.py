"""The launch command against the options that the engine really has, and against the model and the memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, NotTestable, Warned, expect
from ernie_conformance.judge.rules.env_facts import Facts, before_launch, host, part, version_key
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table

FLAGS, VALUES = "COMMAND-001", "COMMAND-002"
TUTORIALS_VERSION = "2.0"
SHORT = {"-tp": "--tensor-parallel-size"}
DEFAULTS = {"--max-model-len": 2048, "--gpu-memory-utilization": 0.9, "--tensor-parallel-size": 1, "--max-num-seqs": 8}
PARSER = "ernie-45-vl"


@cache
def table() -> dict[str, Any]:
    """What is known of the engine's options: fixtures/env/engine.toml."""
    return read_table(FIXTURES / "env" / "engine.toml")


def command(facts: Facts) -> dict[str, str | None]:
    """The options of the command by name, the last of each. Raises NotTestable where nothing is to be launched."""
    before_launch(facts)
    found = part(facts, "command")
    if not found["argv"]:
        raise NotTestable(host(facts)["target"]["launch_problem"] or "the target has no launch command")
    return {SHORT.get(name, name): value for name, value in found["options"]}


def engine_version(facts: Facts) -> str:
    """MAJOR.MINOR or longer: of the FastDeploy that is installed, else the target's, else the tutorial's."""
    engine = host(facts)["engine"]
    installed = engine.get("fastdeploy", {})
    if installed.get("has_server"):
        return str(installed["version"])
    return part(facts, "command")["version"] or TUTORIALS_VERSION


def is_first_version(facts: Facts) -> bool:
    return version_key(engine_version(facts))[:2] in ((2,), (2, 0))


def number(facts: Facts, option: str) -> float:
    """A number of the command, or the engine's default. Raises Blocked when it isn't one."""
    text = command(facts).get(option)
    if text is None:
        return DEFAULTS[option]
    try:
        return float(text)
    except ValueError:
        raise Blocked(VALUES, f"{option} {text} is no number") from None


def tensor_parallel(facts: Facts) -> int:
    """Over how many GPUs the command spreads the model; 1 for a server that runs already and didn't tell."""
    if host(facts)["target"]["attached"]:
        return 1
    return int(number(facts, "--tensor-parallel-size"))


def flags_exist(facts: Facts) -> None:
    options, known = command(facts), table()["options"] | table()["later_options"]
    wrong = [
        f"{name} exists in no version of FastDeploy: {cure}" for name, cure in table()["absent"].items() if name in options
    ]
    rest = [name for name in options if name not in table()["absent"] and not name.startswith("--scheduler-")]
    if is_first_version(facts):
        wrong += [
            f"{name} doesn't exist in FastDeploy {engine_version(facts)}" for name in rest if name not in table()["options"]
        ]
    expect(not wrong, "; ".join(wrong))
    if unknown := [name for name in rest if name not in known]:
        raise Warned(f"{', '.join(unknown)}: unknown to us for FastDeploy {engine_version(facts)}; see --help of the server")


def values_parse(facts: Facts) -> None:
    """Each value is of the type that the engine's parser asks for."""
    kinds = table()["options"] | table()["later_options"]
    wrong = [
        f"{name} {value if value is not None else '(no value)'}: {kinds[name]} expected"
        for name, value in command(facts).items()
        if name in kinds and not _parses(kinds[name], value)
    ]
    expect(not wrong, "; ".join(wrong))


def _parses(kind: str, value: str | None) -> bool:
    if kind == "flag" or value is None:
        return (kind == "flag") == (value is None)
    readers: Mapping[str, Any] = {"int": int, "float": float, "json": json.loads, "text": str}
    try:
        readers[kind](value)
    except ValueError:
        return False
    return True


def parser_is_right(facts: Facts) -> None:
    found = command(facts).get("--reasoning-parser")
    names = table()["parsers"]["first" if is_first_version(facts) else "later"]
    expect(found is not None, f"no --reasoning-parser; required: {PARSER}, or thoughts arrive inside the answer")
    expect(
        found in names,
        f"--reasoning-parser {found} isn't registered in FastDeploy {engine_version(facts)}: {', '.join(names)}",
    )
    expect(str(found).startswith(PARSER), f"--reasoning-parser {found} is another model's; required: {PARSER}")


def images_are_on(facts: Facts) -> None:
    options = command(facts)
    modality = options.get("--deploy-modality")
    expect(modality != "text", "--deploy-modality text turns images off")
    if is_first_version(facts):
        expect("--enable-mm" in options, f"no --enable-mm: FastDeploy {engine_version(facts)} then starts the text worker")


def model_is_named(facts: Facts) -> None:
    expect(bool(command(facts).get("--model")), "no --model: the engine then looks for baidu/ernie-45-turbo")


def sequences_are_named(facts: Facts, slots: int) -> None:
    found = command(facts).get("--max-num-seqs")
    default = table()["wrong_defaults"]["--max-num-seqs"]
    expect(
        found is not None,
        f"no --max-num-seqs: the engine takes {default['engine']}, not {default['tutorial']} as the tutorial's table says",
    )
    expect(number(facts, "--max-num-seqs") >= slots, f"--max-num-seqs {found}; the target says it serves {slots} at a time")


def utilisation_is_sensible(facts: Facts) -> None:
    found = number(facts, "--gpu-memory-utilization")
    expect(0 < found <= 1, f"--gpu-memory-utilization {found:g}: a share between 0 and 1 is expected")
    if not 0.8 <= found <= 0.95:
        raise Warned(f"--gpu-memory-utilization {found:g}: the tutorial recommends 0.8 to 0.95")


def context_is_the_targets(facts: Facts, wanted: int, longest: int) -> None:
    """The target's context, at most what the model was trained for."""
    found = int(number(facts, "--max-model-len"))
    expect(found <= longest, f"--max-model-len {found}: the model has positions for {longest}")
    expect(found >= wanted, f"--max-model-len {found}: the target says {wanted} (the engine's default is 2048)")


def batch_holds_a_prompt(facts: Facts) -> None:
    """2.0.0 asserts it when prefill isn't chunked."""
    if not is_first_version(facts):
        raise NotTestable("later versions chunk the prefill")
    options = command(facts)
    if "--max-num-batched-tokens" not in options:
        return
    batch, length = number(facts, "--max-num-batched-tokens"), number(facts, "--max-model-len")
    expect(
        "--enable-chunked-prefill" in options or batch >= length,
        f"--max-num-batched-tokens {batch:g} is less than --max-model-len {length:g} without --enable-chunked-prefill",
    )


def swap_has_a_use(facts: Facts) -> None:
    options = command(facts)
    useless = "--swap-space" in options and "--enable-prefix-caching" not in options and is_first_version(facts)
    expect(not useless, "--swap-space has no effect without --enable-prefix-caching")
