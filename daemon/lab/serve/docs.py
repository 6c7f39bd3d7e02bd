"""The page at `/docs`: `/openapi.json` for people, made here, so that it needs no script."""

from __future__ import annotations

from html import escape
from typing import Any

from daemon.lab.serve.html import document, section, table

Json = dict[str, Any]


def render_docs(found: Json) -> str:
    """Return the page of an OpenAPI document."""
    about = found["info"]
    paths = "".join(
        section(f"{method.upper()} {path}", _operation(operation))
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in found["components"]["schemas"].items())
    body = (
        f"<p>{escape(about['description'])} Version {escape(about['version'])}."
        ' The same for machines: <a href="/openapi.json">/openapi.json</a>.</p>'
    )
    return document("kalshid: the prediction API", body + paths + section("Shapes", schemas))


def _operation(operation: Json) -> str:
    parts = [f"<p>{escape(operation['summary'])}.</p>"]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<p>Body, application/json: {_reference(schema)}.</p>")
    if operation.get("parameters"):
        rows = [
            (one["name"], one["schema"]["type"], "yes" if one["required"] else "no", one["description"])
            for one in operation["parameters"]
        ]
        parts.append(table("Parameters.", ("name", "type", "required", "what"), rows, (0, 1, 2), (3,)))
    answers = "".join(
        f"<li><b>{escape(status)}</b> {escape(one['description'])}:"
        f" {_reference(one['content']['application/json']['schema'])}</li>"
        for status, one in operation["responses"].items()
    )
    return "".join(parts) + f"<ul>{answers}</ul>"


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        (field, _type(one), "yes" if field in required else "no")
        for field, one in schema.get("properties", {}).items()
    ]
    words = f'<p class="soft">{escape(schema.get("description", ""))}</p>'
    shown = table(f"Fields of {name}.", ("name", "type", "always there"), rows, (0, 2), (1,)) if rows else ""
    return f'<h3 id="{escape(name, quote=True)}">{escape(name)}</h3>{words}{shown}'


def _reference(schema: Json) -> str:
    name = schema["$ref"].rpartition("/")[2]
    return f'<a href="#{escape(name, quote=True)}">{escape(name)}</a>'


def _type(schema: Json) -> str:
    """Return a field's type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(one) for one in schema["enum"])
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"array of {_type(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(kind)
