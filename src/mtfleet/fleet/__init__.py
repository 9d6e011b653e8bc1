"""Accounts that are alive: the supervisor, hosts and sessions."""
