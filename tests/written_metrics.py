"""Which metrics each function writes by EMF, read from its source: what an alarm watches must be one of them."""

from __future__ import annotations

import ast
from pathlib import Path

from shared.topology import STATUSES

HANDLERS = Path(__file__).parents[1] / "regions" / "handlers"
# Modules that a function's metrics are written in, by the function's service name.
MODULES = {
    "api": ("api", "registration"),
    "relay": ("relay",),
    "sentinel": ("sentinel", "pending_work"),
    **{f"processor-{status}".replace("_", "-"): ("processor",) for status in STATUSES},
}


def written_by(service: str) -> set[str]:
    """Names of the metrics that a function may write."""
    return {name for module in MODULES[service] for name in _names((HANDLERS / f"{module}.py").read_text())}


def gauges_of_a_look() -> set[str]:
    """Names that the sentinel lists with their unit: what it writes in every look."""
    return _listed(ast.parse((HANDLERS / "sentinel.py").read_text())) | {"FreshnessSeconds", "PeerFreshnessSeconds"}


def _names(source: str) -> set[str]:
    tree = ast.parse(source)
    named = {
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric"
        for keyword in node.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    }
    outcomes = {
        node.value.elts[0].value
        for definition in ast.walk(tree)
        if isinstance(definition, ast.ClassDef) and definition.name == "Outcome"
        for node in definition.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    }
    pairs = {
        element.value
        for loop in ast.walk(tree)
        if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Tuple)
        for row in loop.iter.elts
        if isinstance(row, ast.Tuple)
        for element in row.elts[:1]
        if isinstance(element, ast.Constant) and str(element.value).endswith("Seconds")
    }
    return named | outcomes | pairs | _listed(tree)


def _listed(tree: ast.AST) -> set[str]:
    """First elements of ("Name", MetricUnit.X, value)."""
    return {
        node.elts[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple)
        and len(node.elts) == 3
        and isinstance(node.elts[0], ast.Constant)
        and isinstance(node.elts[1], ast.Attribute)
        and ast.unparse(node.elts[1]).startswith("MetricUnit.")
    }
