"""Colombian cargo, made up but plausible: cities by population, goods with prices in COP, couriers' names.

Everything comes from the random generator that is passed in, so one seed gives one run. Prices are exact decimals.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

# City and weight (roughly its share of parcels).
CITIES: Final = (
    ("Bogotá", 31),
    ("Medellín", 16),
    ("Cali", 13),
    ("Barranquilla", 8),
    ("Cartagena", 6),
    ("Bucaramanga", 5),
    ("Cúcuta", 4),
    ("Pereira", 4),
    ("Santa Marta", 3),
    ("Ibagué", 3),
    ("Manizales", 2),
    ("Villavicencio", 2),
    ("Pasto", 2),
    ("Leticia", 1),
)

# Product, lowest and highest price in COP, weight.
PRODUCTS: Final = (
    ("Café de origen Huila 500 g", 24_000, 48_000, 14),
    ("Caja de bocadillo veleño x 18", 9_500, 18_000, 9),
    ("Panela orgánica 1 kg", 5_200, 9_800, 8),
    ("Ruana de Nobsa", 120_000, 260_000, 4),
    ("Sombrero vueltiao", 90_000, 480_000, 4),
    ("Mochila wayúu", 110_000, 350_000, 5),
    ("Hamaca de San Jacinto", 140_000, 320_000, 3),
    ("Celular gama media", 640_000, 1_450_000, 6),
    ("Audífonos inalámbricos", 79_900, 420_000, 9),
    ("Tenis deportivos", 139_900, 459_900, 8),
    ("Repuesto de moto", 18_500, 210_000, 8),
    ("Medicamentos formulados", 12_300, 186_000, 9),
    ("Libro de texto", 38_000, 125_000, 5),
    ("Documentos notariales", 12_000, 25_000, 6),
    ("Flores de Rionegro (ramo)", 45_000, 150_000, 2),
)

GIVEN_NAMES: Final = ("Luz Marina", "Jhon Jairo", "María Fernanda", "Carlos Andrés", "Yuliana", "Óscar", "Diana")
GIVEN_NAMES_2: Final = ("Wilmer", "Ángela", "Edwin", "Paola", "José Luis", "Nubia", "Héctor", "Tatiana", "Ramiro")
SURNAMES: Final = ("Rodríguez", "Gómez", "Martínez", "Quintero", "Ospina", "Mosquera", "Cárdenas", "Niño", "Arango")

FAILED_NOTES: Final = (
    "No había nadie en casa",
    "Dirección incompleta: falta el número del apartamento",
    "El destinatario pidió entrega mañana",
    "Vía cerrada por derrumbe",
    "Portería no recibe después de las 6 p. m.",
)


@dataclass(frozen=True)
class Line:
    """One line of an order: what, for how much (exact COP), how many."""

    product: str
    price: Decimal
    quantity: int


def a_courier(rng: random.Random) -> str:
    return f"{rng.choice(GIVEN_NAMES + GIVEN_NAMES_2)} {rng.choice(SURNAMES)}"


def a_city(rng: random.Random) -> str:
    return rng.choices([name for name, _ in CITIES], weights=[weight for _, weight in CITIES])[0]


def a_failure_note(rng: random.Random) -> str:
    return rng.choice(FAILED_NOTES)


def a_price(rng: random.Random, lowest: int, highest: int) -> Decimal:
    """A shelf price: mostly a multiple of 100 COP, now and then with centavos (an exact sum must survive them)."""
    if rng.random() < 0.04:
        return Decimal(rng.randint(lowest * 100, highest * 100)).scaleb(-2)
    return Decimal(rng.randrange(lowest, highest + 1, 100))


def an_order(rng: random.Random, *, single_units: bool = False) -> tuple[Line, ...]:
    """One to four different lines; ``single_units`` for clients whose contract knows no quantity."""
    count = rng.choices((1, 2, 3, 4), weights=(55, 27, 12, 6))[0]
    lines: list[Line] = []
    taken: set[str] = set()
    while len(lines) < count:
        name, lowest, highest, _ = rng.choices(PRODUCTS, weights=[row[3] for row in PRODUCTS])[0]
        if name in taken:
            continue
        taken.add(name)
        quantity = 1 if single_units else rng.choices((1, 2, 3, 6), weights=(80, 12, 5, 3))[0]
        lines.append(Line(name, a_price(rng, lowest, highest), quantity))
    return tuple(lines)
