"""What proofs share: one golden run against the reference server, gathered once for all processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from filelock import FileLock

from ernie_conformance.gather import Orders, gather
from ernie_conformance.gather.catalogue import catalogue
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence, read_evidence, write_evidence


@pytest.fixture(scope="session")
def golden_file(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Evidence of everything in the catalogue, asked of the reference server. Workers share one file."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "golden"
    folder.mkdir(exist_ok=True)
    file = folder / "evidence.jsonl"
    with FileLock(folder / "lock", timeout=300):
        if not file.exists():
            names = {*catalogue().asks, *catalogue().scenarios}
            write_evidence(file, asyncio.run(gather(load_target("reference"), names, Orders(folder))))
    return file


@pytest.fixture(scope="session")
def golden(golden_file: Path) -> Evidence:
    """The golden evidence, read."""
    return read_evidence(golden_file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "selftest" in item.path.parts:
            item.add_marker("selftest")
