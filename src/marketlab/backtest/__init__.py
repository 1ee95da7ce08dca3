"""Turns forecasts into fills, costs and an account."""

from marketlab.backtest._account import Account, AccountRow, Column
from marketlab.backtest._costs import CostModel, pip_size_of
from marketlab.backtest._decision import (
    BUY,
    CLASS_NAMES,
    HOLD,
    SELL,
    DecisionPolicy,
    DecisionStream,
    decide,
    new_decision_state,
)
from marketlab.backtest._limits import (
    Permission,
    RiskEvent,
    RiskLimits,
    new_risk_state,
    risk_permission,
    risk_review,
)
from marketlab.backtest._report import (
    BacktestReport,
    BacktestSummary,
    CostTotals,
    OpenPosition,
    Trades,
)
from marketlab.backtest._simulate import report_of, simulate

__all__ = [
    "BUY",
    "CLASS_NAMES",
    "HOLD",
    "SELL",
    "Account",
    "AccountRow",
    "BacktestReport",
    "BacktestSummary",
    "Column",
    "CostModel",
    "CostTotals",
    "DecisionPolicy",
    "DecisionStream",
    "OpenPosition",
    "Permission",
    "RiskEvent",
    "RiskLimits",
    "Trades",
    "decide",
    "new_decision_state",
    "new_risk_state",
    "pip_size_of",
    "report_of",
    "risk_permission",
    "risk_review",
    "simulate",
]
