"""Rewards: how a completion is scored, one family a module."""
