"""llama.cpp's own HTTP server as a program: `llama_cpp.py --model FILE.gguf --port N`, until SIGINT or SIGTERM.

It runs in the engine's environment, so it imports nothing of ours.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import threading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="weights in GGUF form")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", default="null", help="the model's name in answers")
    parser.add_argument("--context", type=int, default=6144, help="tokens of context, all slots together")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--api-key", action="append", default=[])
    options = parser.parse_args()
    # Threads that wait for each other must sleep: else two of them get five times slower once anything else runs there.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp = importlib.import_module("xllamacpp")  # after --help has been served

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = [options.alias]
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_ctx = options.context
    params.n_parallel = options.slots
    params.api_keys = options.api_key
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(2, os.cpu_count() or 1)
    params.n_predict = 128  # where a request sets no limit: so small a model seldom ends by itself
    params.endpoint_metrics = True
    ended = threading.Event()
    server = xllamacpp.Server(params)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    print(f"serving on {server.listening_address}", flush=True)
    ended.wait()
    os._exit(0)  # not by the wrapper's destructor, the only end that it has: that waits for ever for a stream which runs


if __name__ == "__main__":
    main()
