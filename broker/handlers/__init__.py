"""One file an API: plain functions `handle(request, context) -> response | Pending`."""
