"""The way the old delivery monitor was built: FastAPI, Mangum, python-jose and boto3 resources, with Relevo's routes.

Only imported to be measured against; it does nothing.
"""

# ruff: noqa: ARG001  # FastAPI reads the signatures

from __future__ import annotations

import boto3
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer
from jose import jwt  # type: ignore[import-untyped]  # ships no types
from mangum import Mangum
from pydantic import BaseModel, Field

dynamodb = boto3.resource("dynamodb", region_name="us-east-1")
orders = dynamodb.Table("orders")
users = dynamodb.Table("users")
scheme = OAuth2PasswordBearer(tokenUrl="token")
app = FastAPI()


class Credentials(BaseModel):
    username: str
    password: str


class Item(BaseModel):
    product: str
    price: float = Field(ge=0)
    quantity: int = 1


class Order(BaseModel):
    order_id: str | None = None
    status: str = "created"
    courier: str | None = None
    items: list[Item] = []
    occurred_at: str | None = None


class Line(BaseModel):
    producto: str
    precio: float


class Delivery(BaseModel):
    pedido_id: str
    repartidor: str
    productos: list[Line]
    timestamp: str | None = None


def caller(token: str = Depends(scheme)) -> str:
    return str(jwt.decode(token, "secret", algorithms=["HS256"])["sub"])


@app.post("/token")
def log_in(body: Credentials) -> dict[str, str]:
    return {"access_token": jwt.encode({"sub": body.username}, "secret"), "token_type": "bearer"}


@app.post("/v1/orders")
@app.post("/v1/order")
def register_order(body: Order, user: str = Depends(caller)) -> Order:
    return body


@app.post("/v1/orders/{order_id}/events")
def register_event(order_id: str, body: Order, user: str = Depends(caller)) -> Order:
    return body


@app.get("/v1/orders/{order_id}")
def read_order(order_id: str, at_least: str | None = None, user: str = Depends(caller)) -> Order:
    return Order(order_id=order_id)


@app.get("/v1/orders")
@app.get("/pedidos")
def list_orders(limit: int = 50, cursor: str | None = None, user: str = Depends(caller)) -> list[Order]:
    return []


@app.get("/v1/metrics")
@app.get("/metrics")
@app.get("/v1/status")
@app.get("/health")
def read_metrics(day: str | None = None, user: str = Depends(caller)) -> dict[str, float]:
    return {}


@app.post("/registrar_pedido_entregado")
def register_delivery(body: Delivery, user: str = Depends(caller)) -> dict[str, str]:
    return {"pedido_id": body.pedido_id}


handler = Mangum(app)
