"""The async Python client. It needs nothing of the server."""
