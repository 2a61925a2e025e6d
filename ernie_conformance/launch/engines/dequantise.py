"""Lay weights out as transformers serves them: `dequantise.py FILE.gguf HOME NAME`, run by the engine's own interpreter.

The engine's list of models is what the cache of its hub holds, so the weights are put there, under NAME, as 32-bit floats.
A model that was loaded from GGUF can't be saved, hence the copy into one that never was GGUF.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

NO_COMMIT = "0" * 40  # a snapshot is named by the commit that it was fetched at; this one was fetched at none
CONTEXT = 2048  # of 8192: a prompt that fills it is read in seconds, and nothing but this number says where the context ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="a GGUF file")
    parser.add_argument("home", type=Path, help="what HF_HOME will be")
    parser.add_argument("name", help="the model's name, OWNER/MODEL")
    options = parser.parse_args()
    transformers, torch = import_module("transformers"), import_module("torch")  # after --help has been served

    folder = options.home / "hub" / f"models--{options.name.replace('/', '--')}"
    snapshot = folder / "snapshots" / NO_COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(NO_COMMIT, encoding="utf-8")

    source, file = options.weights.parent, options.weights.name
    packed = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    config = transformers.AutoConfig.from_pretrained(source, gguf_file=file)
    config.max_position_embeddings = CONTEXT
    plain = transformers.AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(snapshot)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=file)
    tokenizer.model_max_length = CONTEXT
    tokenizer.save_pretrained(snapshot)
    print(f"{options.name} lies in {snapshot}", flush=True)


if __name__ == "__main__":
    main()
