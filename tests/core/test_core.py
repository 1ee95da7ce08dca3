"""The words that every package uses."""

import errno
import math
import multiprocessing
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from marketlab.core import (
    CancelledError,
    ConfigError,
    DataError,
    FileLock,
    FrozenConfig,
    IntegrityError,
    ManualClock,
    PluginRegistry,
    Progress,
    TransientError,
    atomic_folder,
    atomic_write,
    canonical_json,
    check_name,
    content_id,
    did_you_mean,
    dump_yaml,
    from_mapping,
    inside,
    load_yaml,
    migrate_mapping,
    read_json,
    require_utc,
    seed_streams,
    storage_error,
    stream_key,
    write_json,
)


class Inner(FrozenConfig):
    period: int = Field(default=14, ge=1)
    source: str = "close"


class Outer(FrozenConfig):
    not_identity = frozenset({"name"})
    name: str = "x"
    inner: Inner = Inner()
    weights: tuple[float, ...] = (1.0,)
    blocks: dict[str, Inner] = Field(default_factory=dict)


def test_unknown_key_is_refused_with_a_suggestion_at_any_depth():
    with pytest.raises(ConfigError) as caught:
        from_mapping(Outer, {"blocks": {"a": {"perio": 3}}}, source="s.yaml")
    assert caught.value.field == "blocks.a.perio"
    assert "unknown key 'perio'" in str(caught.value)
    assert "Did you mean 'period'?" in str(caught.value)


class Zigzag(FrozenConfig):
    source: Literal["zigzag"] = "zigzag"
    threshold: float


class Forward(FrozenConfig):
    source: Literal["forward"] = "forward"
    horizon: int


class Tagged(FrozenConfig):
    labels: Annotated[Zigzag | Forward, Field(discriminator="source")]


def test_the_tag_of_a_union_is_not_part_of_the_path():
    with pytest.raises(ConfigError) as caught:
        from_mapping(Tagged, {"labels": {"source": "zigzag", "threshold": 0.1, "horizon": 2}})
    assert caught.value.field == "labels.horizon"
    assert "Known: source, threshold." in str(caught.value)


def test_all_broken_rules_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        from_mapping(Outer, {"inner": {"period": 0, "sourc": "x"}, "weights": "no"})
    assert len(caught.value.details["issues"]) == 3


@pytest.mark.parametrize("value", ["14", 14.5, None, True])
def test_text_never_becomes_a_number(value):
    with pytest.raises(ConfigError):
        from_mapping(Outer, {"inner": {"period": value}})


def test_content_id_ignores_names_fills_defaults_and_sees_everything_else():
    base = Outer()
    assert base.content_id() == from_mapping(Outer, {"inner": {"period": 14}}).content_id()
    assert base.content_id() == Outer(name="other").content_id()
    assert base.content_id() != Outer(inner=Inner(period=15)).content_id()
    assert Outer(weights=(1.0, 2.0)).content_id() != Outer(weights=(2.0, 1.0)).content_id()


def test_frozen():
    with pytest.raises(Exception, match="frozen"):
        Outer().name = "y"


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    )
)
def test_canonical_json_round_trips(value):
    import json

    assert json.loads(canonical_json(value)) == value
    assert content_id(value) == content_id(dict(value))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_refuses_what_it_cannot_hold(value):
    with pytest.raises(IntegrityError, match="NaN or infinity"):
        canonical_json({"x": value})


def test_migrations_run_in_order_and_refuse_the_future():
    steps = {1: lambda m: {**m, "b": m["a"]}, 2: lambda m: {**m, "c": m["b"]}}
    assert migrate_mapping({"a": 1}, steps, current=3, source="f")["c"] == 1
    with pytest.raises(ConfigError, match="from 1 to 3"):
        migrate_mapping({"schema_version": 4}, steps, current=3, source="f")


def test_errors_survive_the_way_between_processes():
    error = DataError(
        "bad bars.", code="DATA-X", field="bars", suggestion="Look.", details={"n": 1}
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DataError
    assert again.to_dict()["code"] == "DATA-X"
    assert str(again) == "bars: bad bars. Look."


def test_did_you_mean_suggests_or_lists():
    assert did_you_mean("stochastc", ["rsi", "stochastic"]) == "Did you mean 'stochastic'?"
    assert did_you_mean("zzz", ["rsi", "adx"]) == "Known: adx, rsi."


def test_registry_has_one_owner_per_name():
    registry: PluginRegistry[int] = PluginRegistry("indicator")
    registry.add("rsi", 1, aliases=("rsi_wilder",))
    assert registry.get("rsi_wilder") == 1
    with pytest.raises(ConfigError, match=r"Invalid indicator 'rsy'\. Did you mean 'rsi'"):
        registry.get("rsy")
    with pytest.raises(AssertionError):
        registry.add("rsi", 2)


@pytest.mark.parametrize("name", ["a/b", "../x", "", ".hidden", "a b", "a..b", "x" * 121, "a\n"])
def test_names_that_could_leave_the_workspace_are_refused(name):
    with pytest.raises(ConfigError, match="letter or digit"):
        check_name(name)


@pytest.mark.parametrize("name", ["v15_rsi_zigzag_1.5", "A", "9-x"])
def test_dotted_names_are_fine(name):
    assert check_name(name) == name


def test_paths_stay_inside(tmp_path):
    assert inside(tmp_path, "a", "b").parent.parent == tmp_path.resolve()
    with pytest.raises(ConfigError, match="leaves the workspace"):
        inside(tmp_path, "..", "etc")
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match="leaves the workspace"):
        inside(tmp_path, "link", "passwd")


def test_atomic_write_keeps_the_old_file_when_the_disk_is_full(tmp_path):
    path = tmp_path / "f.json"
    write_json(path, {"a": 1})
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left") as caught:
        full.write_text("x" * 100_000)
    error = storage_error(caught.value, path)
    assert caught.value.errno == errno.ENOSPC
    assert error.code == "STORAGE-Full"
    assert "disk is full" in str(error)
    assert read_json(path) == {"a": 1}


def test_atomic_write_leaves_no_scratch_behind(tmp_path):
    atomic_write(tmp_path / "a" / "f", "x")
    atomic_write(tmp_path / "a" / "f", "y", durable=False)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["f"]


def test_corrupt_json_is_named(tmp_path):
    (tmp_path / "f.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"f\.json cannot be read as JSON"):
        read_json(tmp_path / "f.json")


def test_atomic_folder_is_whole_or_absent(tmp_path):
    def interrupted():
        with atomic_folder(tmp_path / "card") as scratch:
            (scratch / "a").write_text("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(tmp_path / "card") as scratch:
        (scratch / "a").write_text("1")
    assert (tmp_path / "card" / "a").read_text() == "1"
    with pytest.raises(IntegrityError, match="never overwritten"), atomic_folder(tmp_path / "card"):
        pass


def _hold(path, ready, release):
    with FileLock(path):
        ready.set()
        release.wait(20)


def test_lock_excludes_other_processes_and_dies_with_its_holder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "l", ready, release))
    process.start()
    assert ready.wait(20)
    with (
        pytest.raises(TransientError, match="locked"),
        FileLock(tmp_path / "l", timeout_seconds=0.1),
    ):
        pass
    process.kill()
    process.join()
    with FileLock(tmp_path / "l", timeout_seconds=2.0):
        pass


def test_yaml_is_1_2_and_refuses_doubled_keys():
    assert load_yaml("on: no\nx: 1.5") == {"on": "no", "x": 1.5}
    with pytest.raises(ConfigError, match=r"line 2.*duplicate key"):
        load_yaml("a: 1\na: 2")
    with pytest.raises(ConfigError, match="must hold a mapping"):
        load_yaml("- a")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_yaml("a: [1")


def test_yaml_round_trip_keeps_order():
    value = {"name": "v15_x", "b": {"z": [1, 2], "a": "0.5"}, "a": True}
    assert load_yaml(dump_yaml(value)) == value
    assert dump_yaml(value).splitlines()[0] == "name: v15_x"


@given(st.integers(0, 2**31), st.text(max_size=5), st.text(max_size=5))
def test_streams_are_named_and_independent_of_order(seed, a, b):
    assert stream_key(seed, a, b) == stream_key(seed, a, b)
    assert stream_key(seed, "x", a) != stream_key(seed, "y", a)
    assert stream_key(seed, "1") != stream_key(seed, 1)
    first = seed_streams(seed, a).standard_normal(3)
    seed_streams(seed, b).standard_normal(5)
    assert np.array_equal(first, seed_streams(seed, a).standard_normal(3))


def test_progress_is_shared_through_a_file_and_never_says_100_too_soon(tmp_path):
    writer, reader = (Progress.in_file(tmp_path / "p") for _ in range(2))
    seen = []
    for phase in ("loading_data", "creating_features", "creating_model"):
        writer.enter(phase)
        seen.append(reader.percentage())
    writer.enter("training")
    for epoch in range(4):
        writer.array[2:6] = (epoch, 4, 10, 10)
        seen.append(reader.percentage())
    writer.enter("evaluating")
    seen.append(reader.percentage())
    assert seen == sorted(seen)
    assert max(seen) < 100
    writer.enter("finished")
    assert reader.percentage() == 100
    assert reader.describe()["current_step"] == "finished"
    reader.cancel()
    with pytest.raises(CancelledError):
        writer.enter("evaluating")


def test_progress_describes_the_epoch():
    progress = Progress.in_memory()
    progress.enter("training")
    progress.array[2:6] = (22, 100, 330, 1138)
    assert progress.describe()["current_step"] == "Epoch 23/100 · Batch 330/1138"


def test_clock_refuses_naive_times_and_the_past():
    with pytest.raises(ConfigError, match="naive"):
        require_utc(datetime(2020, 1, 1), field="start")  # noqa: DTZ001
    clock = ManualClock(datetime(2020, 1, 2, tzinfo=UTC))
    with pytest.raises(AssertionError):
        clock.move_to(datetime(2020, 1, 1, tzinfo=UTC))


def test_core_loads_no_heavy_library():
    code = (
        "import sys, marketlab.core;"
        "print([m for m in ('torch', 'polars', 'numba', 'sqlalchemy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
