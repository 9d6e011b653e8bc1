"""The API's reference at `/swagger/`: the OpenAPI document as one plain page without script."""

from typing import Any

from litestar.connection import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

from mtfleet.web.rendering import render

METHODS = ("get", "post", "put", "patch", "delete")


class PlainReference(OpenAPIRenderPlugin):
    """Shows the document without any script."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page; it never changes while the program runs."""
        if self._page is None:
            self._page = render("reference.html", **contents(openapi_schema)).encode()
        return self._page


def contents(document: dict[str, Any]) -> dict[str, Any]:
    """Arrange the document for the page: operations by tag, and all schemas."""
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method)
            if operation:
                tag = (operation.get("tags") or ["Other"])[0]
                tags.setdefault(tag, []).append(_operation(method, path, operation))
    schemas = document.get("components", {}).get("schemas", {})
    return {
        "info": document["info"],
        "tags": tags,
        "schemas": {name: _fields(schema) for name, schema in sorted(schemas.items())},
    }


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    bodies = operation.get("requestBody", {}).get("content", {})
    text = operation.get("description") or operation.get("summary") or ""
    return {
        "method": method.upper(),
        "path": path,
        "gist": text.split(". ")[0].split(".\n")[0].rstrip("."),
        "text": text,
        "parameters": [
            {
                "name": one["name"],
                "place": one["in"],
                "type": type_of(one.get("schema", {})),
                "is_required": one.get("required", False),
                "text": one.get("description") or "",
            }
            for one in operation.get("parameters", [])
        ],
        "bodies": [
            {"media": media, "type": type_of(body.get("schema", {}))} for media, body in bodies.items()
        ],
        "responses": [
            {
                "status": status,
                "text": answer.get("description") or "",
                "types": [type_of(one.get("schema", {})) for one in answer.get("content", {}).values()],
            }
            for status, answer in operation.get("responses", {}).items()
        ],
    }


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        "text": schema.get("description") or "",
        "values": schema.get("enum") or [],
        "fields": [
            {
                "name": name,
                "type": type_of(one),
                "is_required": name in required,
                "text": one.get("description") or "",
            }
            for name, one in schema.get("properties", {}).items()
        ],
    }


def type_of(schema: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Name a type as pieces of text, each with the schema that it links to, if any."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return [(name, name)]
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            pieces: list[tuple[str, str | None]] = []
            for one in schema[key]:
                if one.get("type") == "null":
                    continue
                if pieces:
                    pieces.append((" or ", None))
                pieces.extend(type_of(one))
            return pieces
    if schema.get("type") == "array":
        return [("list of ", None), *type_of(schema.get("items", {}))]
    kind = schema.get("format") or schema.get("type") or "anything"
    if isinstance(kind, list):
        kind = " or ".join(one for one in kind if one != "null")
    if schema.get("enum"):
        kind = ", ".join(str(value) for value in schema["enum"])
    return [(str(kind), None)]
