"""Encryption at rest, tokens, users, audit."""
