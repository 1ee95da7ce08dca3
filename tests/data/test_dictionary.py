"""The data dictionary names every dataset, column and parent."""

from bar_samples import build, good_columns

from marketlab.data import Catalog, data_dictionary, resample_bars


def test_it_tells_totals_lineage_columns_and_statistics(tmp_path):
    catalog = Catalog(tmp_path)
    raw = build(good_columns(96))
    made = resample_bars(raw, "4h").bars
    catalog.add(raw)
    catalog.add(made)
    text = data_dictionary(catalog, generated_at="2026-11-21T05:00:00Z")
    assert "Generated 2026-11-21T05:00:00Z. 2 dataset(s), 120 rows." in text
    lineage = (
        f"| `{made.dataset_id[:12]}` | `{raw.dataset_id[:12]}` | resample_bars "
        "| calendar = always, timeframe = 4h |"
    )
    assert lineage in text
    for name in raw.frame.columns:
        assert text.count(f"| `{name}` | Datetime") + text.count(f"| `{name}` | Float64") == 2
    assert f"| `close` | 96 | {raw.close.mean():.6g} | {raw.close.std(ddof=1):.6g} |" in text


def test_an_empty_catalog_says_so(tmp_path):
    text = data_dictionary(Catalog(tmp_path), generated_at="now")
    assert "0 dataset(s), 0 rows." in text
    assert "No datasets are stored." in text


def test_one_bar_has_no_deviation(tmp_path):
    catalog = Catalog(tmp_path)
    catalog.add(build(good_columns(1)))
    assert "| 1 | " in data_dictionary(catalog, generated_at="now")
