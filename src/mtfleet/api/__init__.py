"""The REST API: thin handlers that decode, authorise, call down once and encode."""
