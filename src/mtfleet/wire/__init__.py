"""How values travel: JSON, request bodies, the mapping of errors. One codec for server and SDK; pure."""
