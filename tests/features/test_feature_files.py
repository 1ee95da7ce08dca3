"""Feature sets as files: strict, in order, and computed the same on one core and on two."""

import numpy as np
import pytest
from feature_bars import same

from marketlab.core import ConfigError, DataError
from marketlab.features import (
    FeatureTier,
    load_feature_file,
    parse_feature_file,
    shipped_feature_sets,
)

GOOD = """
name: mine
about: A test.
context: {vix: close of the VIX, unused: never read}
let:
  leg: close - lag(close, span)
  span: 5
columns:
  b: {ratio: leg / a, note: reads a later column}
  a: {price: atr_wilder(14)}
  risk: {ratio: context.vix - b}
  up: {flag: close > open}
  r: {bounded: rsi(14), range: [0, 100]}
"""


def series(n=9000, seed=1):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    return {
        "open": open_,
        "high": np.maximum(open_, close) + 0.01,
        "low": np.minimum(open_, close) - 0.01,
        "close": close,
        "volume": np.ones(n),
        "time": 60.0 * np.arange(n),
        "close_time": 60.0 * np.arange(1, n + 1),
        "context.vix": np.full(n, 20.0),
    }


def test_a_file_is_read_in_its_order_with_names_resolved():
    text = GOOD.replace("lag(close, span)", "lag(close, 5)")
    file = parse_feature_file(text, origin="mine.yaml")
    tier = FeatureTier(file)
    assert tier.names == ("b", "a", "risk", "up", "r")
    assert dict(tier.context) == {"vix": "close of the VIX"}
    assert [c.scale for c in tier.feature_columns] == ["ratio", "price", "ratio", "flag", "bounded"]
    values = tier.compute(series()).values
    assert same(values[2], 20.0 - values[0])
    assert tier.warm_up_bars == 14
    assert not tier.needs_volume


def test_two_cores_change_no_bit():
    arrays = series(20_000)
    for name in shipped_feature_sets():
        tier = FeatureTier.load(name)
        if all(source in arrays for source in tier.sources):
            one, two = (tier.compute(arrays, threads=k).values for k in (1, 2))
            assert same(one, two)


def test_a_thread_that_fails_says_so():
    tier = FeatureTier(parse_feature_file(GOOD.replace("span)", "5)"), origin="mine.yaml"))
    arrays = series(20_000)
    del arrays["context.vix"]
    with pytest.raises(DataError, match=r"context\.vix"):
        tier.compute(arrays, threads=2)


@pytest.mark.parametrize(
    ("change", "message", "field"),
    [
        (("name: mine", "name: my set"), "needs a name", "name"),
        (("about:", "abuot:"), "'abuot' is no key", "abuot"),
        (("{flag: close > open}", "close > open"), "scale class with its formula", "columns.up"),
        (("{flag: close > open}", "{flags: close}"), "'flags' is no key", "columns.up.flags"),
        (("{flag: close > open}", "{flag: close, price: open}"), "2 scale classes", "columns.up"),
        ((", range: [0, 100]", ""), "states its range", "columns.r.range"),
        (("[0, 100]", "[100, 0]"), "low below high", "columns.r.range"),
        (("  a: {price: atr_wilder(14)}", "  close: {price: open}"), "is taken", "columns.close"),
        (("  a: {price: atr_wilder(14)}", "  leg: {price: open}"), "is taken", "columns.leg"),
        (("atr_wilder(14)", "b * 2"), "in terms of itself: b -> a -> b", "columns.b"),
        (("leg / a", "lg / a"), "'lg' is not known", "mine.yaml: columns.b"),
        (("leg / a", "lag(leg, 2)"), r"'2\)' is no key", "columns.b.2)"),
        (("leg / a", "'shift(leg, -1)'"), "looks forward", "mine.yaml: columns.b"),
        (("let:", "extends: a21\nlet:"), "no feature set 'a21'", "tier"),
        (("lag(close, span)", "lag(close, 5)"), None, None),
    ],
)
def test_bad_files_name_the_field_and_the_rule(change, message, field):
    text = GOOD.replace(*change)
    if "span" in text and change[0] != "lag(close, span)":
        text = text.replace("lag(close, span)", "lag(close, 5)")
    if message is None:
        parse_feature_file(text, origin="mine.yaml")
        return
    with pytest.raises(ConfigError, match=message) as caught:
        parse_feature_file(text, origin="mine.yaml")
    assert caught.value.field == field
    assert caught.value.suggestion


def test_unknown_sets_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no feature set 'a2O'") as caught:
        load_feature_file("a2O")
    assert "a20" in caught.value.suggestion
    with pytest.raises(ConfigError, match="no feature file"):
        load_feature_file("nowhere.yaml")


def test_a_users_file_extends_a_shipped_one(tmp_path):
    path = tmp_path / "mine.yaml"
    text = "name: mine\nextends: a20\ncolumns:\n  gap: {ratio: 'open / lag(close, 1) - 1'}\n"
    path.write_text(text)
    tier = FeatureTier.load(str(path))
    shipped = FeatureTier.load("a20")
    assert tier.names == (*shipped.names, "gap")
