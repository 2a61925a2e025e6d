"""The model directory: whole, undamaged, of the right layout, and of the right model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotTestable, expect
from ernie_conformance.judge.rules.env_command import command, engine_version, is_first_version, tensor_parallel
from ernie_conformance.judge.rules.env_facts import Facts, host, part, server_here
from ernie_conformance.judge.rules.env_weights import published
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table

PLACE, NEEDED, SHARDS, KINDS, HEADERS = "MODEL-001", "MODEL-002", "MODEL-004", "MODEL-005", "MODEL-007"
INDEX, FAMILY, LAYOUT, CONFIG, READABLE = "MODEL-010", "MODEL-015", "MODEL-016", "MODEL-017", "MODEL-026"
UNFINISHED = (".incomplete", ".aria2", ".part", ".tmp", ".crdownload", ".lock", ".download")
UNREADABLE = "unreadable"
EXACT_TYPES = {"U16", "BF16", "F32"}


@cache
def family() -> dict[str, dict[str, Any]]:
    """The models of ERNIE 4.5 (fixtures/env/family.toml)."""
    return read_table(FIXTURES / "env" / "family.toml")


def directory_is_there(facts: Facts) -> None:
    server_here(facts)
    found = part(facts, "model")
    if host(facts)["target"]["attached"] and not found["there"]:
        raise NotTestable("attached, and no --model-dir names the model's place on this host")
    expect(found["there"], f"{found['path']}: {found.get('problem')}")


def directory(facts: Facts) -> Facts:
    """What was found in the directory. Raises Blocked when there is none."""
    server_here(facts)
    found = part(facts, "model")
    if not found["there"]:
        raise Blocked(PLACE, "there is no model directory")
    return found


def sound(facts: Facts, name: str) -> None:
    """Raises Blocked when file `name` is missing or isn't what its name says."""
    files = directory(facts)["files"]
    if name not in files:
        raise Blocked(NEEDED, f"there is no {name}")
    if problem := files[name]["problem"]:
        raise Blocked(READABLE if problem.startswith(UNREADABLE) else KINDS, f"{name}: {problem}")


def config(facts: Facts) -> Facts:
    sound(facts, "config.json")
    found: Facts = directory(facts)["config"]
    return found


def model_name(facts: Facts) -> str | None:
    """Which model of the family config.json describes, by its dimensions; None for none of them."""
    found = config(facts)
    ernie = str(found.get("model_type", "")).startswith("ernie")
    vision = isinstance(found.get("vision_config"), dict)
    for name, known in family().items():
        if ernie and vision == known["vision"] and all(found.get(k) == v for k, v in known["match"].items()):
            return name
    return None


def is_of_the_family(facts: Facts) -> None:
    found = config(facts)
    keys = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    shown = ", ".join(f"{key} {found.get(key)}" for key in keys)
    seen = "with" if "vision_config" in found else "without"
    expect(
        model_name(facts) is not None, f"config.json describes none of the family's models: {shown}, {seen} vision_config"
    )


def exact(facts: Facts) -> Facts:
    """The published facts of the tutorial's model. Raises Blocked or NotTestable when config.json is of another."""
    name = model_name(facts)
    if name is None:
        raise Blocked(FAMILY, "config.json describes no model of the family")
    if name != published()["name"]:
        raise NotTestable(f"this is {name}; names and sizes are known to us for {published()['name']} only")
    return published()


def longest_context(facts: Facts) -> int:
    """Positions that the model has: config.json's word, else the family's."""
    found = host(facts)["model"].get("config") or {}
    return int(found.get("max_position_embeddings") or published()["config"]["max_position_embeddings"])


def needed_files_are_there(facts: Facts) -> None:
    files = directory(facts)["files"]
    missing = [name for name in published()["needed"] if name not in files]
    expect(not missing, f"missing: {', '.join(missing)}")


def files_beside_are_there(facts: Facts) -> None:
    files = directory(facts)["files"]
    missing = [name for name in published()["beside"] if name not in files]
    expect(not missing, f"missing: {', '.join(missing)}")


def shard_files(facts: Facts) -> list[str]:
    return [n for n in directory(facts)["files"] if n.startswith("model-") and n.endswith(".safetensors")]


def shards_are_whole(facts: Facts) -> None:
    found = directory(facts)
    names = shard_files(facts)
    expect(bool(names), "there is no model-*-of-*.safetensors")
    families = sorted({name[-17:-12] for name in names})
    expect(len(families) == 1, f"shards of several sets: -of-{', -of-'.join(families)}")
    count = int(families[0])
    listed = set((found["index"] or {}).get("shards", []))
    wanted = listed | {f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)}
    missing = sorted(wanted - set(names))
    expect(not missing, f"{len(names)} of {len(wanted)} shards; missing: {', '.join(missing)}")


def whole_weights(facts: Facts) -> Facts:
    """The directory, when every shard's header was read. Raises Blocked by the row that owns what prevented it."""
    found = directory(facts)
    _unless(SHARDS, shards_are_whole, facts)
    for name in shard_files(facts):
        sound(facts, name)
        if "error" in found["shards"][name]:
            raise Blocked(HEADERS, f"{name}: {found['shards'][name]['error']}")
    return found


def _unless(owner: str, rule: Callable[[Facts], None], facts: Facts) -> None:
    """Raises Blocked by `owner` when its rule is broken."""
    try:
        rule(facts)
    except Broken as broken:
        raise Blocked(owner, broken.detail) from broken


def files_are_what_they_say(facts: Facts) -> None:
    files = directory(facts)["files"]
    bad = [f"{n}: {f['problem']}" for n, f in files.items() if f["problem"] and not f["problem"].startswith(UNREADABLE)]
    expect(not bad, "; ".join(bad))


def files_can_be_read(facts: Facts) -> None:
    files = directory(facts)["files"]
    bad = [f"{n}: {f['problem']}" for n, f in files.items() if f["problem"].startswith(UNREADABLE)]
    expect(not bad, "; ".join(bad))


def no_download_is_unfinished(facts: Facts) -> None:
    found = [n for n in directory(facts)["files"] if n.endswith(UNFINISHED) or n.startswith("._")]
    expect(not found, f"unfinished: {', '.join(found)}")


def headers_can_be_read(facts: Facts) -> None:
    shards = directory(facts)["shards"]
    if not shards:
        raise Blocked(SHARDS, "there is no readable shard")
    bad = [f"{name}: {shard['error']}" for name, shard in shards.items() if "error" in shard]
    expect(not bad, "; ".join(bad))


def shards_read(facts: Facts) -> dict[str, Any]:
    """The shards whose headers were read. Raises Blocked when there is none."""
    shards = {name: shard for name, shard in directory(facts)["shards"].items() if "error" not in shard}
    if not shards:
        raise Blocked(HEADERS if directory(facts)["shards"] else SHARDS, "there is no readable shard")
    return shards


def shards_are_as_long_as_promised(facts: Facts) -> None:
    bad = [
        f"{name}: {shard['size']} bytes, its header promises {shard['promised']}"
        f" ({'cut short' if shard['size'] < shard['promised'] else 'something follows'})"
        for name, shard in shards_read(facts).items()
        if shard["size"] != shard["promised"] and not shard["problems"]
    ]
    expect(not bad, "; ".join(bad))


def tensors_lie_side_by_side(facts: Facts) -> None:
    bad = [f"{name}: {problem}" for name, shard in shards_read(facts).items() for problem in shard["problems"]]
    expect(not bad, "; ".join(bad))


def index_agrees(facts: Facts) -> None:
    found = whole_weights(facts)
    sound(facts, "model.safetensors.index.json")
    expect(not found["doubled"]["count"], f"{found['doubled']['count']} tensors stand twice: {_some(found['doubled'])}")
    expect(not found["astray"]["count"], f"{found['astray']['count']} tensors are elsewhere: {_some(found['astray'])}")


def _some(sample: dict[str, Any]) -> str:
    return "; ".join(sample["sample"]) + (" …" if sample["count"] > len(sample["sample"]) else "")


def total_is_right(facts: Facts) -> None:
    found = whole_weights(facts)
    sound(facts, "model.safetensors.index.json")
    _unless(INDEX, index_agrees, facts)
    total = found["index"]["total_size"]
    expect(total == found["tensor_bytes"], f"the index says {total} bytes, the tensors are {found['tensor_bytes']}")


def in_paddles_layout(facts: Facts) -> Facts:
    """The published facts of the model, which are of Paddle's layout. Raises NotTestable for an allowed other one."""
    known = exact(facts)
    _unless(LAYOUT, layout_is_paddles, facts)
    if "torch_dtype" in config(facts):
        raise NotTestable("names and sizes are known to us in Paddle's layout only")
    return known


def tensors_are_the_models(facts: Facts) -> None:
    in_paddles_layout(facts)
    layout = whole_weights(facts)["layout"]
    for what in ("missing", "unexpected", "misshapen"):
        expect(not layout[what]["count"], f"{layout[what]['count']} tensors {what}: {_some(layout[what])}")


def types_are_right(facts: Facts) -> None:
    found = whole_weights(facts)
    strange = sorted(set(found["types"]) - EXACT_TYPES)
    expect(not strange, f"tensors of {', '.join(strange)}; required: U16 or BF16, and F32 for the routers")
    if model_name(facts) == published()["name"]:
        expect(not found["layout"]["mistyped"]["count"], f"of the wrong type: {_some(found['layout']['mistyped'])}")


def sizes_are_the_listings(facts: Facts) -> None:
    """Of the files that nothing else is wrong with."""
    sizes = in_paddles_layout(facts)["sizes"]
    found = whole_weights(facts)
    _unless(INDEX, index_agrees, facts)
    known = {n: f["size"] for n, f in found["files"].items() if n in sizes and not f["problem"]}
    cut = {n for n, shard in found["shards"].items() if shard["size"] != shard["promised"] or shard["problems"]}
    bad = [
        f"{n}: {size} bytes, {sizes[n]} in the tutorial's listing"
        for n, size in known.items()
        if size != sizes[n] and n not in cut
    ]
    expect(not bad, "; ".join(bad))


def layout_is_paddles(facts: Facts) -> None:
    """FastDeploy tells the layouts apart by config.json's keys, and fails late when the shards are of the other."""
    found, weights = config(facts), directory(facts)
    keys = [key for key in ("dtype", "torch_dtype") if key in found]
    options = command(facts) if not host(facts)["target"]["attached"] else {}
    if keys == ["torch_dtype"] and options.get("--load-choices") == "default_v1" and not is_first_version(facts):
        return  # the loader of FastDeploy 2.1 and later reads PyTorch's layout
    expect(
        len(keys) == 1,
        f"config.json has {' and '.join(keys) or 'neither dtype nor torch_dtype'}: FastDeploy can't tell the layout",
    )
    expect(keys == ["dtype"], f"config.json has torch_dtype: these are the -PT weights (FastDeploy {engine_version(facts)})")
    astray = weights["prefixes"].get("model", 0)
    expect(not astray, f"config.json is Paddle's, the shards are PyTorch's: {astray} tensors are named model.*, not ernie.*")


def config_is_the_models(facts: Facts) -> None:
    """A key that is absent has the library's default, which is this model's; what the family is told by must be there."""
    known, found = exact(facts), config(facts)
    vision = found.get("vision_config") or {}
    bad = [f"{k} is {found[k]!r}, not {v!r}" for k, v in known["config"].items() if k in found and found[k] != v]
    bad += [
        f"vision_config.{k} is {vision[k]!r}, not {v!r}" for k, v in known["vision_config"].items() if vision.get(k, v) != v
    ]
    expect(not bad, "; ".join(bad))


def ends_agree(facts: Facts) -> None:
    found, weights = config(facts), directory(facts)
    ids = {"config.json": found.get("eos_token_id")}
    if (weights["generation"] or {}).get("eos_token_id") is not None:
        ids["generation_config.json"] = weights["generation"]["eos_token_id"]
    sets = [frozenset(i) if isinstance(i, list) else frozenset([i]) for i in ids.values()]
    if None in sets[0]:
        raise NotTestable("config.json has no eos_token_id")
    expect(all(sets[0] <= s or s <= sets[0] for s in sets), f"end-of-text ids differ: {ids}")
    texts = {weights["tokens"]["special"].get("eos_token"), weights["tokens"]["tokenizer_eos"]} - {None}
    expect(len(texts) <= 1, f"end-of-text tokens differ: {', '.join(sorted(texts))}")


def sampling_is_usable(facts: Facts) -> None:
    found = directory(facts)["generation"]
    if found is None:
        raise NotTestable("there is no readable generation_config.json; MODEL-003 and MODEL-005 say so")
    top_p, temperature = found.get("top_p", 0.7), found.get("temperature", 1.0)
    penalty = found.get("repetition_penalty", 1.0)
    expect(0 < top_p <= 1, f"top_p is {top_p}; required: more than 0, at most 1")
    expect(0 <= temperature <= 2, f"temperature is {temperature}; required: 0 to 2")
    expect(0 < penalty <= 2, f"repetition_penalty is {penalty}; required: more than 0, at most 2")


def preprocessor_is_the_models(facts: Facts) -> None:
    known = exact(facts)["preprocessor"]
    sound(facts, "preprocessor_config.json")
    found = directory(facts)["preprocessor"]
    bad = [f"{k} is {found[k]!r}, not {v!r}" for k, v in known.items() if k in found and not _near(found[k], v)]
    low, high = found.get("min_pixels", 1), found.get("max_pixels", 1 << 30)
    bad += [f"min_pixels {low} is more than max_pixels {high}"] if low > high else []
    expect(not bad, "; ".join(bad))


def _near(found: Any, wanted: Any) -> bool:
    """Equal, or equal in the six digits that some writers keep of a float."""
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_near, found, wanted))
    return isinstance(found, (int, float)) and abs(found - wanted) < 1e-6


def tokens_are_the_models(facts: Facts) -> None:
    known = exact(facts)["tokens"]
    sound(facts, "added_tokens.json")
    tokens = directory(facts)["tokens"]
    bad = [
        f"{name} is {tokens['ids'].get(name)}, not {number}"
        for name, number in known.items()
        if tokens["ids"].get(name) != number
    ]
    expect(not bad, "; ".join(bad))
    size = published()["config"]["vocab_size"]
    expect(tokens["highest"] < size, f"the highest added id is {tokens['highest']}, the vocabulary has {size}")


def tokenizer_is_sentencepiece(facts: Facts) -> None:
    """Its file is a protobuf whose first field is the list of pieces; the model's 100,000 pieces take over a megabyte."""
    sound(facts, "tokenizer.model")
    found = directory(facts)
    size = found["files"]["tokenizer.model"]["size"]
    expect(
        found["tokenizer_begins"] == 0x0A, f"it begins with byte {found['tokenizer_begins']}, a SentencePiece model with 10"
    )
    expect(size >= 500_000, f"{size} bytes are too few for the model's pieces")


def template_is_there(facts: Facts) -> None:
    sound(facts, "tokenizer_config.json")
    expect(directory(facts)["chat_template"], "no chat_template in tokenizer_config.json, and no file chat_template.*")


def sees_images(facts: Facts) -> None:
    name = model_name(facts)
    if name is None:
        raise Blocked(FAMILY, "config.json describes no model of the family")
    expect(family()[name]["vision"], f"{name} has no vision; {family()[name]['hardware']} is the tutorial's hardware for it")


def bytes_are_on_disk(facts: Facts) -> None:
    """A tenth is left for file systems that store small pieces elsewhere."""
    found = whole_weights(facts)
    if not found["files"].get("model.safetensors.index.json", {}).get("allocated"):
        raise NotTestable("this file system doesn't tell what it has allocated")
    holes = [n for n in shard_files(facts) if found["files"][n]["allocated"] < 0.9 * found["files"][n]["size"]]
    expect(not holes, f"{len(holes)} shards have holes, such as {', '.join(holes[:2])}")


def heads_divide(facts: Facts) -> None:
    found = {**published()["config"], **(host(facts)["model"].get("config") or {})}
    count, heads, shared = tensor_parallel(facts), found["num_attention_heads"], found["num_key_value_heads"]
    command(facts)
    even = count >= 1 and heads % count == 0 and (shared % count == 0 or count % shared == 0)
    expect(even, f"--tensor-parallel-size {count}: {heads} heads and {shared} KV heads can't be dealt out evenly")
