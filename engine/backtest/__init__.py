"""Backtests: the graph of live trading stepped over recorded bars, and what can be said about the outcome."""
