"""What a client of one OpenAPI document would miss in another one: the API may only grow.

A request that was good must stay good, so its new schema has to take all that the old one took. An answer must stay
what a client was told, so its old schema has to take all that the new one gives; only properties may be added.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

Document = dict[str, Any]
Schema = dict[str, Any]
Side = Literal["request", "answer"]

AT_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
AT_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
COMPARED: Final = {
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "allOf", "$ref",
    *AT_LEAST, *AT_MOST,
}  # fmt: skip
WORDS: Final = {"description", "examples", "title", "deprecated", "default"}


def breaks(old: Document, new: Document) -> list[str]:
    """Every way in which a client of ``old`` would be worse off with ``new``; empty when the change only adds."""
    return list(_Comparison(old, new).documents())


class _Comparison:
    """Walks two documents side by side; each keeps its own references."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new

    def documents(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, operation in methods.items():
                found = self._new["paths"].get(path, {}).get(method)
                where = f"{method.upper()} {path}"
                if found is None:
                    yield f"{where}: gone"
                else:
                    yield from self._operation(operation, found, where)

    def _operation(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        if not old.get("security") and new.get("security"):
            yield f"{where}: was public"
        yield from self._parameters(old, new, where)
        old_body, new_body = old.get("requestBody"), new.get("requestBody")
        if new_body and new_body.get("required") and not (old_body or {}).get("required"):
            yield f"{where} body: required now"
        if old_body:
            yield from self._content(old_body, new_body or {}, f"{where} body", "request")
        for status, answer in old["responses"].items():
            if status in new["responses"]:
                yield from self._content(answer, new["responses"][status], f"{where} {status}", "answer")
            else:
                yield f"{where} {status}: gone"

    def _parameters(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before = {(found["in"], found["name"]): found for found in old.get("parameters", [])}
        after = {(found["in"], found["name"]): found for found in new.get("parameters", [])}
        for key, parameter in before.items():
            if key in after:
                yield from self._schemas(parameter["schema"], after[key]["schema"], f"{where} {key[1]}", "request")
            else:
                yield f"{where} {key[1]}: gone"
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where} {key[1]}: required now"

    def _content(self, old: Schema, new: Schema, where: str, side: Side) -> Iterator[str]:
        for kind, content in old.get("content", {}).items():
            found = new.get("content", {}).get(kind)
            if found is None:
                yield f"{where} {kind}: gone"
            else:
                yield from self._schemas(content["schema"], found["schema"], where, side)

    def _schemas(self, old: Schema, new: Schema, where: str, side: Side) -> Iterator[str]:
        """Every alternative of what comes in has to fit one of what is taken."""
        before, after = _alternatives(old, self._old), _alternatives(new, self._new)
        come, taken = (before, after) if side == "request" else (after, before)
        for one in come:
            tried = [list(self._one(one, other, where, side)) for other in taken]
            if all(tried):
                yield from min(tried, key=len)

    def _one(self, comes: Schema, taken: Schema, where: str, side: Side) -> Iterator[str]:
        """Why a value that fits ``comes`` may not fit ``taken``; both are plain, without alternatives at the top."""
        kinds = comes.get("type"), taken.get("type")
        if kinds[1] is not None and kinds[0] != kinds[1] and kinds != ("integer", "number"):
            yield f"{where}: type {kinds[0]} for {kinds[1]}"
        if "enum" in taken and not ("enum" in comes and set(comes["enum"]) <= set(taken["enum"])):
            yield f"{where}: enum"
        for limit in (*AT_LEAST, *AT_MOST):
            if limit in taken and not (limit in comes and _is_within(limit, comes[limit], taken[limit])):
                yield f"{where}: {limit}"
        for rule in sorted((comes.keys() | taken.keys()) - COMPARED - WORDS):
            # A pattern, a format or what this comparison does not know: dropping it takes more, a change may take less.
            if rule in taken and comes.get(rule) != taken[rule]:
                yield f"{where}: {rule}"
        yield from self._members(comes, taken, where, side)

    def _members(self, comes: Schema, taken: Schema, where: str, side: Side) -> Iterator[str]:
        old, new = (comes, taken) if side == "request" else (taken, comes)
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name in after:
                yield from self._schemas(schema, after[name], f"{where}/{name}", side)
            else:
                yield f"{where}/{name}: gone"
        for name in sorted(set(taken.get("required", [])) - set(comes.get("required", []))):
            yield f"{where}/{name}: {'required now' if side == 'request' else 'may be missing'}"
        others = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if side == "request" and others[0] is not False and others[1] is False:
            yield f"{where}: closed"
        if all(isinstance(other, dict) for other in others):
            yield from self._schemas(*others, f"{where}/*", side)
        elif any(isinstance(other, dict) for other in others):
            yield f"{where}: additionalProperties"
        if "items" in taken:
            yield from self._schemas(old.get("items", {}), new.get("items", {}), f"{where}[]", side)


def _is_within(limit: str, comes: float, taken: float) -> bool:
    return comes >= taken if limit in AT_LEAST else comes <= taken


def _alternatives(schema: Schema, document: Document) -> list[Schema]:
    """A schema as plain ones of one type each: references followed, ``allOf`` joined, ``anyOf`` and types apart."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [plain for part in schema["anyOf"] for plain in _alternatives(part, document)]
    if "allOf" in schema:
        joined: Schema = {}
        for part in schema["allOf"]:
            (plain,) = _alternatives(part, document)
            joined = {
                **joined, **plain,
                "properties": {**joined.get("properties", {}), **plain.get("properties", {})},
                "required": [*joined.get("required", []), *plain.get("required", [])],
            }  # fmt: skip
        return [joined]
    if "const" in schema:
        return [{**schema, "enum": [schema["const"]]}]
    kinds = schema.get("type")
    return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else [schema]
