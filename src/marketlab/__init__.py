"""Machine-learning research on market data whose conclusions hold."""

__version__ = "0.1.0"
