"""Accounts that are being set up: detection, profiles, experts, links, demo accounts."""
