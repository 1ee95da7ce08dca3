"""How long a run may take at most, whatever its split is."""

from types import SimpleNamespace

from marketlab.interfaces._operations import _estimated_minutes


def minutes(split):
    manifest = SimpleNamespace(dataset_id="d", n_bars=50_000)
    catalog = SimpleNamespace(list=lambda: [manifest])
    training = {"data_split": split, "batch_size": 32, "epochs": 100}
    row = {"request": {"dataset_id": "d", "strategy": {"training": training}}}
    return _estimated_minutes(SimpleNamespace(workspace=SimpleNamespace(catalog=catalog)), row)


def test_a_split_by_days_is_estimated_by_all_bars():
    ratio = minutes({"train": 0.5, "validation": 0.25, "test": 0.25})
    days = minutes({"type": "dates", "train": {"start": "2015-01-01", "end": "2016-01-01"}})
    assert days > ratio > 0
    assert abs(days - 2 * ratio) <= 0.011  # both are rounded to hundredths
