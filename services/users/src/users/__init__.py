"""Accounts, sign-in, tokens and the keys that sign them."""
