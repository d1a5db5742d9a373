import time, json
def test_smoke(region):
    from shared.adapters.accounts import Accounts
    import boto3
    from shared.domain.auth import Account, hash_password
    from datetime import datetime, UTC
    Accounts(boto3.client("dynamodb"), "relevo-accounts").add(Account("ana","admin",hash_password("secreto-123")), now=datetime.now(UTC))
    r = region.call("POST","/token",{"username":"ana","password":"secreto-123"}); print(r)
    tok = r.json["access_token"]
    r = region.call("POST","/v1/orders",{"order_id":"o1","items":[{"product":"café","price":10.5}],"courier":"Luis"}); print(r)
    print(region.calls)
    r = region.call("POST","/v1/orders/o1/events",{"status":"delivered"}); print(r)
    print(region.relay_everything())
    r = region.call("GET","/v1/orders/o1"); print(r)
    print(region.process(region.log_items("event")))
    print(region.relay_everything())
    for p in ["/v1/orders/o1","/v1/orders","/v1/metrics","/v1/status","/openapi.json","/v1/nothing"]:
        print(p, region.call("GET",p))
    print(region.call("PUT","/v1/orders"))
    h={"Authorization":"Bearer "+tok}
    for p in ["/pedidos","/metrics"]: print(region.call("GET",p,headers=h,sub=None))
    print(region.call("POST","/registrar_pedido_entregado",{"pedido_id":7,"repartidor":"Ana","productos":[{"producto":"x","precio":"12.50"}]},headers=h,sub=None))
    print(region.call("POST","/v1/order",{"order_id":"w1","status":"created"},headers=h,sub=None))
    print(region.call("GET","/metrics",sub=None))
    for p in ["/health","/control/drained/us-east-1","/control/drained/x"]: print(region.call("GET",p,function="health"))
    print(region.call("OPTIONS","/v1/orders",headers={"Origin":"http://x"}))
    print(region.module("authorizer").handler({"authorizationToken":"Bearer "+tok,"methodArn":"arn:aws:execute-api:us-east-1:1:api/live/GET/v1/orders"}, __import__("tests.component.region",fromlist=["x"]).LambdaContext()))
    s = region.module("sentinel"); s._sentinel.peer_serving=lambda: False
    print(s._sentinel.look()); print(s._sentinel.look())
    for i in region.view_items(): print(i)
