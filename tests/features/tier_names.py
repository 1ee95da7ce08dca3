"""The columns of the daily tiers in the order of the contract."""

_TEXT = """
[A20]
dema_9 dema_10 sma_12 dema_20 dema_25 sma_50 dema_90 sma_100 sma_200 rsi_daily rsi_weekly
stochrsi_daily stochrsi_weekly macd_line obv adosc atr_14 adx_14 bb_percent_b vwap_20
[VIX_C]
vix_close vix_sma_10 vix_sma_20 vix_percentile_60d vix_zscore_20d vix_regime vix_change_1d
vix_change_5d
[A50]
return_1d return_5d return_21d return_63d return_252d qqe_fast qqe_slow qqe_fast_slow_spread
stc_value stc_from_50 vrp_10d vrp_21d implied_vs_realized_ratio sharpe_20d sharpe_60d
sortino_20d sortino_60d rsi_slope rsi_extreme_dist price_pct_from_sma_50 price_pct_from_sma_200
sma_50_200_proximity atr_pct atr_pct_slope bb_width overnight_gap open_to_close_pct
volume_ratio_20d kvo_signal macd_histogram
[A100]
return_1d_acceleration return_5d_acceleration qqe_slope stc_slope qqe_extreme_dist
stc_extreme_dist demarker_value demarker_from_half stoch_k_14 stoch_d_14 stoch_extreme_dist
cci_14 mfi_14 williams_r_14 vrp_5d vrp_slope sharpe_252d sortino_252d sharpe_slope_20d
sortino_slope_20d var_95 var_99 cvar_95 sma_9_50_proximity sma_50_slope sma_200_slope
days_since_sma_50_cross days_since_sma_200_cross ema_12 ema_26 atr_pct_percentile_60d
bb_width_percentile_60d parkinson_volatility garman_klass_volatility vol_of_vol adx_slope
di_spread aroon_oscillator price_pct_from_supertrend supertrend_direction obv_slope
volume_price_trend accumulation_dist kvo_histogram expectancy_20d win_rate_20d
buying_pressure_ratio fib_range_position prior_high_20d_dist prior_low_20d_dist
[A200]
tema_9 tema_20 tema_50 tema_100 wma_10 wma_20 wma_50 wma_200 kama_10 kama_20 kama_50 hma_9
hma_21 hma_50 vwma_10 vwma_20 vwma_50 tema_20_slope price_pct_from_tema_50
price_pct_from_kama_20 days_above_sma_9 days_below_sma_9 days_above_sma_50 days_below_sma_50
days_above_sma_200 days_below_sma_200 days_above_tema_20 days_below_tema_20 days_above_kama_20
days_below_kama_20 days_above_vwma_20 days_below_vwma_20 days_since_sma_9_50_cross
days_since_sma_50_200_cross days_since_tema_sma_50_cross days_since_kama_sma_50_cross
days_since_sma_9_200_cross tema_20_sma_50_proximity kama_20_sma_50_proximity sma_9_200_proximity
pct_from_upper_band pct_from_lower_band days_above_upper_band days_below_lower_band
bb_squeeze_indicator bb_squeeze_duration rsi_distance_from_50 days_rsi_overbought
days_rsi_oversold rsi_percentile_60d zscore_from_20d_mean zscore_from_50d_mean
percentile_in_52wk_range distance_from_52wk_high_pct days_since_52wk_high days_since_52wk_low
consecutive_up_days consecutive_down_days up_days_ratio_20d range_compression_5d macd_signal
macd_histogram_slope days_since_macd_cross_signal macd_signal_proximity volume_trend_5d
consecutive_volume_increase volume_price_confluence high_volume_direction_bias
trading_day_of_week is_monday is_friday days_to_month_end month_of_year is_quarter_end_month
candle_body_pct body_to_range_ratio upper_wick_pct lower_wick_pct doji_indicator
range_vs_avg_range tenkan_sen kijun_sen senkou_span_a senkou_span_b price_vs_cloud
cloud_thickness_pct donchian_upper_20 donchian_lower_20 donchian_position donchian_width_pct
pct_to_donchian_breakout price_rsi_divergence price_obv_divergence divergence_streak
divergence_magnitude permutation_entropy_order3 permutation_entropy_order4
permutation_entropy_order5 entropy_trend_5d atr_regime_pct_60d atr_regime_rolling_q
trend_strength_pct_60d trend_strength_rolling_q vol_regime_state regime_consistency
regime_transition_prob
"""

_ADDED = {
    block.split("]")[0]: block.split("]")[1].split() for block in _TEXT.split("[") if block.strip()
}
VIX_C = _ADDED["VIX_C"]
ORDER = {
    "a20": _ADDED["A20"],
    "a50": _ADDED["A20"] + _ADDED["A50"],
    "a100": _ADDED["A20"] + _ADDED["A50"] + _ADDED["A100"],
    "a200": _ADDED["A20"] + _ADDED["A50"] + _ADDED["A100"] + _ADDED["A200"],
    "vix_c": VIX_C,
}
"""Tier -> names of its columns."""
