"""Every registered scaler keeps the same promises; each method against an independent reference."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.core import ConfigError, DataError, IntegrityError
from marketlab.features import FeatureTier
from marketlab.features._scaler import SCALERS
from marketlab.features._scaling import ScalerStream, fit_scaler, restore_scaler
from marketlab.features._standardizer import Standardizer
from marketlab.features._window_scaler import windows_of

COLUMNS = ("sma_20", "return_1d", "rsi_14", "days_up", "is_monday", "month", "close", "label_h1")
CLASSES = ("price", "ratio", "bounded", "count", "flag", "calendar", "price", "label")
UNTOUCHED = [4, 5, 6, 7]
WINDOW = 12
ALL = SCALERS.names()


def table(seed=0, n=150, dtype=np.float32):
    random = np.random.default_rng(seed)
    out = np.stack(
        [
            100 * np.exp(np.cumsum(random.normal(0, 0.01, n))),
            random.standard_t(3, n) * 0.01,
            random.uniform(0, 100, n),
            random.integers(0, 9, n),
            random.integers(0, 2, n),
            random.integers(1, 13, n),
            random.uniform(90, 110, n),
            random.integers(0, 2, n),
        ],
        axis=1,
    )
    return out.astype(dtype)


def units(kind, rows):
    return windows_of(rows, WINDOW) if SCALERS.get(kind).is_windowed else rows


def fitted(kind, rows, columns=COLUMNS, classes=CLASSES):
    return fit_scaler(kind, units(kind, rows), columns, classes)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# --- the contract, for every registered scaler --------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), wide=st.booleans())
def test_one_row_at_a_time_equals_the_batch_bit_for_bit(kind, seed, wide):
    dtype = np.float64 if wide else np.float32
    scaler = fitted(kind, table(seed, dtype=dtype))
    later = table(seed + 1, n=40, dtype=dtype)
    batch = scaler.transform(units(kind, later), COLUMNS)
    stream = ScalerStream(scaler, dtype)
    pushed = [out for row in later if (out := stream.push(row, COLUMNS)) is not None]
    assert batch.dtype == dtype
    assert batch.shape[-1] == len(scaler.output_columns)
    assert same_bits(np.stack(pushed), batch)


@pytest.mark.parametrize("kind", ALL)
def test_a_file_keeps_every_bit_and_the_columns(kind):
    scaler = fitted(kind, table())
    again = restore_scaler(json.loads(json.dumps(scaler.to_dict())), COLUMNS)
    later = units(kind, table(1))
    assert same_bits(again.transform(later, COLUMNS), scaler.transform(later, COLUMNS))
    assert again.to_dict() == scaler.to_dict()
    assert (again.kind, again.columns, again.window) == (kind, COLUMNS, scaler.window)
    with pytest.raises(DataError, match="missing label_h1"):
        restore_scaler(scaler.to_dict(), (*COLUMNS[:-1], "other"))


@pytest.mark.parametrize("kind", ALL)
def test_only_training_rows_decide(kind):
    rows = table(n=200)
    scaler = fitted(kind, rows[:100])
    changed = rows.copy()
    changed[100:] *= 7
    again = fitted(kind, changed[:100])
    assert scaler.to_dict() == again.to_dict()
    assert fitted(kind, changed).to_dict() != scaler.to_dict()


@pytest.mark.parametrize("kind", ALL)
def test_bar_label_flag_and_calendar_columns_pass_through_and_are_named(kind):
    scaler, later = fitted(kind, table()), table(3, n=60)
    out = scaler.transform(units(kind, later), COLUMNS)
    assert np.array_equal(out[..., UNTOUCHED], units(kind, later)[..., UNTOUCHED])
    assert scaler.facts["scaled"] == list(COLUMNS[:4])
    assert scaler.facts["not_scaled"] == {
        "is_monday": "a flag passes through",
        "month": "a calendar column passes through",
        "close": "a column of the bar is never scaled",
        "label_h1": "a label is never scaled",
    }


@pytest.mark.parametrize("kind", [k for k in ALL if not SCALERS.get(k).is_windowed])
@pytest.mark.parametrize("name", ["session", "minute_v2", "a200"])
def test_calendar_columns_of_shipped_sets_pass_through(kind, name):
    tier = FeatureTier.load(name)
    classes = [column.scale for column in tier.feature_columns]
    rows = np.random.default_rng(0).uniform(0, 6, (50, len(classes)))
    not_scaled = fit_scaler(kind, rows, tier.names, classes).facts["not_scaled"]
    clock = re.compile(r"weekday|month|minute_of_day|day_of_week|quarter|business_days|hour / 8")
    by_clock = [i.name for i in tier.file if i.range.scale != "flag" and clock.search(i.formula)]
    assert by_clock
    assert {not_scaled.get(column) for column in by_clock} == {"a calendar column passes through"}


@pytest.mark.parametrize("kind", ALL)
def test_other_columns_or_another_order_are_refused(kind):
    scaler, rows = fitted(kind, table()), units(kind, table())
    with pytest.raises(DataError, match="order differs from column 0 on: return_1d in place of"):
        scaler.transform(rows, ("return_1d", "sma_20", *COLUMNS[2:]))
    with pytest.raises(DataError, match="missing sma_20; not known to it dema_9"):
        scaler.transform(rows, ("dema_9", *COLUMNS[1:]))
    with pytest.raises(DataError, match="8 columns and received 9 others: a column is named twice"):
        scaler.transform(rows, (*COLUMNS, "close"))
    with pytest.raises(DataError, match=r"takes float32 or float64 of shape \(…, "):
        scaler.transform(rows[..., :-1], COLUMNS)
    with pytest.raises(DataError, match="received int64"):
        scaler.transform(rows.astype(np.int64), COLUMNS)


@pytest.mark.parametrize("kind", ALL)
def test_a_flat_column_is_left_as_it_is_and_named(kind):
    rows = table()
    rows[:, 1] = 3.25
    scaler = fitted(kind, rows)
    out = scaler.transform(units(kind, rows), COLUMNS)
    assert (out[..., 1] == np.float32(3.25)).all()
    assert "not above 1e-08" in scaler.facts["not_scaled"]["return_1d"]
    assert "return_1d" not in scaler.facts["scaled"]


@pytest.mark.parametrize("kind", ALL)
def test_a_huge_constant_is_not_scaled_by_the_rounding_of_its_mean(kind):
    rows = table(dtype=np.float64)
    rows[:, 0] = 1e12 / 3
    assert "sma_20" in fitted(kind, rows).facts["not_scaled"]


@pytest.mark.parametrize("kind", ALL)
def test_missing_stays_missing_and_infinite_is_refused(kind):
    scaler, rows = fitted(kind, table()), table(5, n=30)
    rows[20, 2] = np.nan
    out = scaler.transform(units(kind, rows), COLUMNS)
    hit = np.isnan(units(kind, rows)[..., 2])
    if scaler.window > 1:
        hit = np.repeat(hit.any(axis=1, keepdims=True), WINDOW, axis=1)
    assert np.array_equal(np.isnan(out[..., 2]), hit)
    assert not np.isnan(out[..., 0]).any()
    rows[20, 2] = np.inf
    with pytest.raises(DataError, match=r"rsi_14.* is infinite, or too large for float"):
        scaler.transform(units(kind, rows), COLUMNS)


@pytest.mark.parametrize("kind", ALL)
def test_bad_training_rows_are_refused(kind):
    rows = table()
    missing = rows.copy()
    missing[3, 1] = np.nan
    with pytest.raises(DataError, match=r"finite values; .* the first in return_1d"):
        fitted(kind, missing)
    with pytest.raises(DataError, match="distinct columns and one scale class"):
        fitted(kind, rows, ("a", "a", *COLUMNS[2:]))
    with pytest.raises(DataError, match=r"received shape \(0,"):
        fit_scaler(kind, units(kind, rows)[:0], COLUMNS, CLASSES)
    with pytest.raises(ConfigError, match=r"Invalid scale class 'prise' of sma_20.*'price'"):
        fitted(kind, rows, COLUMNS, ("prise", *CLASSES[1:]))


@pytest.mark.parametrize("kind", ALL)
def test_a_damaged_file_is_refused(kind):
    stored = fitted(kind, table()).to_dict()
    with pytest.raises(IntegrityError, match="cannot be read"):
        restore_scaler({k: v for k, v in stored.items() if k != "columns"})
    with pytest.raises(IntegrityError, match=r"schema_version 1|contradict"):
        restore_scaler({**stored, "schema_version": 2})
    with pytest.raises(IntegrityError, match=r"one per column|contradict"):
        restore_scaler({**stored, "reasons": stored["reasons"][:-1]})
    with pytest.raises(IntegrityError, match="names 'zz'; known are"):
        restore_scaler({**stored, "scaler": "zz"})


# --- each method against a reference ------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_columns_are_scaled_as_numpy_says(seed):
    x = table(seed, dtype=np.float64)[:, :4]
    names, classes = COLUMNS[:4], CLASSES[:4]
    quarters = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    expected = {
        "standard": (x - x.mean(axis=0)) / x.std(axis=0),
        "robust": (x - quarters[1]) / (quarters[2] - quarters[0]),
        "min_max": (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0)),
    }
    for kind, wanted in expected.items():
        out = fit_scaler(kind, x, names, classes).transform(x, names)
        np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-12)


def test_columns_are_scaled_as_scikit_learn_does():
    sklearn = pytest.importorskip("sklearn.preprocessing")
    x = table(dtype=np.float64)[:, :4]
    references = {
        "standard": sklearn.StandardScaler(),
        "robust": sklearn.RobustScaler(),
        "min_max": sklearn.MinMaxScaler(),
    }
    for kind, reference in references.items():
        out = fit_scaler(kind, x, COLUMNS[:4], CLASSES[:4]).transform(x, COLUMNS[:4])
        np.testing.assert_allclose(out, reference.fit_transform(x), rtol=1e-10, atol=1e-12)


def test_a_method_per_scale_class():
    x = table(dtype=np.float64)
    by_class = {"price": "robust", "ratio": "standard", "bounded": "min_max", "count": "robust"}
    scaler = fit_scaler(by_class, x, COLUMNS, CLASSES)
    out = scaler.transform(x, COLUMNS)
    for i, method in enumerate(by_class.values()):
        alone = fit_scaler(method, x, COLUMNS, CLASSES).transform(x, COLUMNS)
        assert np.array_equal(out[:, i], alone[:, i])
    again = restore_scaler(json.loads(json.dumps(scaler.to_dict())))
    assert same_bits(again.transform(x, COLUMNS), out)
    with pytest.raises(ConfigError, match="sma_20 is of class price, for which no method is given"):
        fit_scaler({"ratio": "standard"}, x, COLUMNS, CLASSES)
    with pytest.raises(ConfigError, match="received 'zscore'"):
        fit_scaler({"price": "zscore"}, x, COLUMNS, CLASSES)
    with pytest.raises(ConfigError, match=r"Invalid scaler 'standart'.*Did you mean 'standard'"):
        fit_scaler("standart", x, COLUMNS, CLASSES)


def test_a_robust_scaler_ignores_outliers_that_move_the_standard_one():
    x = table(dtype=np.float64)
    wild = x.copy()
    wild[7, 1] = 1e6
    for kind, moved in (("robust", False), ("standard", True)):
        before, after = fitted(kind, x).scale[1], fitted(kind, wild).scale[1]
        assert bool(after > 2 * before) == moved


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999))
def test_a_window_is_normalised_by_itself_and_keeps_level_and_spread(seed):
    rows = table(seed, dtype=np.float64)
    windows = windows_of(rows, WINDOW)
    scaler = fit_scaler("window", windows, COLUMNS, CLASSES)
    out = scaler.transform(windows, COLUMNS)
    level, spread = windows.mean(axis=1)[:, :3], windows.std(axis=1, ddof=1)[:, :3]
    wanted = (windows[:, :, :3] - level[:, None]) / spread[:, None]
    np.testing.assert_allclose(out[:, :, :3], wanted, rtol=1e-9, atol=1e-9)
    names = scaler.output_columns[len(COLUMNS) :]
    assert names[:4] == tuple(f"{c}_window_level" for c in COLUMNS[:4])
    assert names[4:] == tuple(f"{c}_window_spread" for c in COLUMNS[:4])
    for first, moment in ((8, level), (12, spread)):
        standard = (moment - moment.mean(axis=0)) / moment.std(axis=0)
        np.testing.assert_allclose(out[:, 0, first : first + 3], standard, atol=1e-8)
    assert (out[:, :, 8:] == out[:, :1, 8:]).all()
    assert same_bits(scaler.transform_last(windows, COLUMNS), np.ascontiguousarray(out[:, -1]))


def test_level_and_spread_undo_the_normalisation():
    rows = table(dtype=np.float64)
    windows = windows_of(rows, WINDOW)
    scaler = fit_scaler("window", windows, COLUMNS, CLASSES)
    out = scaler.transform(windows, COLUMNS)
    extras = out[:, 0, 8:] * scaler.extras.scale + scaler.extras.shift
    back = out[:, :, :4] * extras[:, None, 4:] + extras[:, None, :4]
    np.testing.assert_allclose(back, windows[:, :, :4], rtol=1e-9, atol=1e-9)


def test_flat_windows_are_only_centred_and_counted():
    rows = table(dtype=np.float64)
    rows[:60, 0] = 50.0
    windows = windows_of(rows, WINDOW)
    scaler = fit_scaler("window", windows, COLUMNS, CLASSES)
    out = scaler.transform(windows, COLUMNS)
    assert (out[:49, :, 0] == 0).all()
    share = scaler.facts["share_of_flat_windows"]["sma_20"]
    assert share == pytest.approx(49 / len(windows))
    all_flat = np.full((30, WINDOW, 1), 2.0)
    only = fit_scaler("window", all_flat, ("a",), ("ratio",))
    assert only.output_columns == ("a",)
    assert (only.transform(all_flat, ("a",)) == 2.0).all()
    with pytest.raises(DataError, match="at least 2 rows for a deviation"):
        fit_scaler("window", rows[:, None, :], COLUMNS, CLASSES)
    with pytest.raises(DataError, match="windows of 500 rows"):
        windows_of(rows, 500)


# --- the older format ---------------------------------------------------------------------------


def test_what_a_standardizer_wrote_is_read_with_its_numbers():
    x = table()[:, :3]
    old = Standardizer.fit(x, ("zscore", "minmax", "none"))
    stored = json.loads(json.dumps(old.to_dict()))
    scaler = restore_scaler(stored, COLUMNS[:3])
    assert same_bits(scaler.transform(table(1)[:, :3], COLUMNS[:3]), old.apply(table(1)[:, :3]))
    assert scaler.facts["not_scaled"] == {"rsi_14": "its configuration says normalization: none"}
    again = restore_scaler(json.loads(json.dumps(scaler.to_dict())), COLUMNS[:3])
    assert again.to_dict() == scaler.to_dict()
    with pytest.raises(ConfigError, match="carries no names, so they must be given; received none"):
        restore_scaler(stored)


def test_a_standardizer_and_the_new_scalers_agree_bit_for_bit():
    x = table()[:, :4]
    for old, new in (("zscore", "standard"), ("minmax", "min_max")):
        scaler = fit_scaler(new, x, COLUMNS[:4], CLASSES[:4])
        assert same_bits(scaler.transform(x, COLUMNS[:4]), Standardizer.fit(x, old).apply(x))


def test_a_refused_row_leaves_the_stream_as_it_was():
    rows = table(n=30)
    scaler = fitted("window", table())
    stream, clean = ScalerStream(scaler), ScalerStream(scaler)
    for row in rows[:WINDOW]:
        stream.push(row, COLUMNS)
        clean.push(row, COLUMNS)
    bad = rows[20].copy()
    bad[0] = np.inf
    with pytest.raises(DataError, match="is infinite"):
        stream.push(bad, COLUMNS)
    assert same_bits(stream.push(rows[21], COLUMNS), clean.push(rows[21], COLUMNS))
