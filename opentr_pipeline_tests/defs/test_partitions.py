"""Partition keys that several processes register at once."""

from pathlib import Path

import pytest
from dagster import DagsterInstance
from sqlalchemy.exc import IntegrityError

from opentr_pipeline.defs.names import Names
from opentr_pipeline.defs.partitions import register_partitions


def test_keys_that_another_process_registers_meanwhile_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        add = instance.add_dynamic_partitions
        tries = []

        def overtaken(name: str, keys: list[str]) -> None:
            tries.append(keys)
            if len(tries) == 1:  # what SQLite says where two have looked before either has written
                add(name, keys[:1])
                raise IntegrityError("INSERT INTO dynamic_partitions", keys, ValueError("UNIQUE"))
            add(name, keys)

        monkeypatch.setattr(instance, "add_dynamic_partitions", overtaken)
        register_partitions(instance, "abc", Names())
        register_partitions(instance, "abc", Names())
        assert tries == [["a", "b", "c"], ["b", "c"]]
        assert sorted(instance.get_dynamic_partitions("archive")) == ["a", "b", "c"]
