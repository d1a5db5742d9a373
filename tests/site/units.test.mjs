// What the page decides without a browser: merging the list, the connection, waits, words for numbers, addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { failureOf } from "../../global_stack/site/src/api.ts";
import { apiBase } from "../../global_stack/site/src/apiBase.ts";
import { UNKNOWN, after } from "../../global_stack/site/src/connection.ts";
import { change, dayBefore, hourInBogota, money, shortSpan, span } from "../../global_stack/site/src/format.ts";
import { noticeOf } from "../../global_stack/site/src/notice.ts";
import { EMPTY, nextPlace, withNewest as newest, withPage } from "../../global_stack/site/src/orderList.ts";
import { retryAfterMs } from "../../global_stack/site/src/polling.ts";
import { addressOf, routeOf } from "../../global_stack/site/src/route.ts";
import { WORDS } from "../../global_stack/site/src/words.ts";

const order = (number, status = "created") => ({
  order_id: `o${number}`, status, registered_at: `2026-11-21T17:00:${String(number).padStart(2, "0")}.000Z`,
});
const page = (from, to, next = "more") => ({
  orders: Array.from({ length: from - to + 1 }, (_, step) => order(from - step)), next_cursor: next,
});
const withNewest = (list, found) => newest(list, found, 11);
const withOlder = (list, further) => withPage(list, further, list.orders.at(-1) ?? null);
const ids = (list) => list.orders.map((one) => one.order_id);

test("new orders come to the top and what is older stays", () => {
  const list = withOlder(withNewest(EMPTY, page(5, 3)), page(2, 1, null));
  assert.deepEqual(ids(list), ["o5", "o4", "o3", "o2", "o1"]);
  const grown = withNewest(list, page(7, 5));
  assert.deepEqual(ids(grown), ["o7", "o6", "o5", "o4", "o3", "o2", "o1"]);
  assert.equal(grown.complete, true);
});

test("an order that left the filter leaves the list", () => {
  const list = withNewest(EMPTY, page(5, 1));
  const without = { orders: [order(5), order(4), order(2), order(1)], next_cursor: "more" };
  assert.deepEqual(ids(withNewest(list, without)), ["o5", "o4", "o2", "o1"]);
});

test("an order that changed is shown as it is now, once", () => {
  const list = withNewest(EMPTY, page(3, 1));
  const changed = { orders: [order(3), order(2, "delivered"), order(1)], next_cursor: "more" };
  assert.deepEqual(withNewest(list, changed).orders.map((one) => one.status), ["created", "delivered", "created"]);
  const joined = withPage(list, page(1, 0), order(2));
  assert.deepEqual(ids(joined), ["o3", "o2", "o1", "o0"]);
});

test("what was scrolled to is brought up to date, and only there", () => {
  const list = withOlder(withOlder(withNewest(EMPTY, page(9, 7)), page(6, 4)), page(3, 1, null));
  const again = withPage(list, { orders: [order(6, "delivered"), order(4)], next_cursor: "more" }, order(7));
  assert.deepEqual(ids(again), ["o9", "o8", "o7", "o6", "o4", "o3", "o2", "o1"]);
  assert.equal(again.orders[3].status, "delivered");
  assert.equal(again.complete, true);
});

test("it is looked at again page by page from the top to the end", () => {
  const list = withOlder(withOlder(withNewest(EMPTY, page(9, 7)), page(6, 4)), page(3, 1, null));
  assert.deepEqual(nextPlace(list, page(9, 7, "a"), null), { cursor: "a", after: order(7) });
  assert.deepEqual(nextPlace(list, page(6, 4, "b"), order(7)), { cursor: "b", after: order(4) });
  assert.equal(nextPlace(list, page(3, 1, null), order(4)), null);
  assert.equal(nextPlace(withNewest(EMPTY, page(9, 7)), page(9, 7), null), null);
});

test("a page that comes for a list that started anew is dropped", () => {
  const anew = withNewest(withNewest(EMPTY, page(3, 1, "old")), page(60, 50, "new"));
  assert.equal(withPage(anew, page(0, 0), order(1)), anew);
});

test("a list that was complete goes on when it outgrows a page, also by orders that come late and far down", () => {
  const short = withNewest(EMPTY, page(12, 3, null));
  assert.equal(short.complete, true);
  const grown = withNewest(short, page(13, 3, "there is more"));
  assert.deepEqual([grown.next, grown.complete], ["there is more", false]);
  assert.equal(ids(withOlder(grown, page(2, 1, null))).length, 13);
});

test("a gap that no page covers starts the list anew", () => {
  const list = withNewest(EMPTY, page(3, 1, null));
  const far = withNewest(list, page(60, 50, "there"));
  assert.deepEqual([ids(far).at(-1), far.next, far.complete], ["o50", "there", false]);
});

test("a rare status, of which the newest page has none, keeps what was found further down", () => {
  const none = { orders: [], next_cursor: "further" };
  const list = withOlder(withNewest(EMPTY, none), page(3, 1, "end"));
  assert.deepEqual(ids(list), ["o3", "o2", "o1"]);
  assert.deepEqual(ids(withNewest(list, none)), ["o3", "o2", "o1"]);
  assert.deepEqual(ids(withNewest(list, page(9, 9, "further"))), ["o9", "o3", "o2", "o1"]);
});

test("an empty list that is complete says so, and one that goes on asks further", () => {
  assert.deepEqual(withNewest(EMPTY, { orders: [], next_cursor: null }), { ...EMPTY, complete: true });
  assert.equal(withNewest(EMPTY, { orders: [], next_cursor: "older" }).next, "older");
});

const answer = (region) => ({ ok: true, body: {}, region });
const failed = (kind) => ({ ok: false, failure: { kind } });

test("a change of Region is noticed, and a refusal is no outage", () => {
  let known = after(UNKNOWN, answer("us-east-1"), 1000);
  known = after(known, failed("silent"), 2000);
  known = after(known, failed("silent"), 3000);
  assert.deepEqual([known.failingSince, known.answeredAt, known.region], [2000, 1000, "us-east-1"]);
  known = after(known, answer("us-east-2"), 4000);
  assert.deepEqual([known.failure, known.movedFrom, known.movedAt, known.region], [null, "us-east-1", 4000, "us-east-2"]);
  assert.equal(after(known, failed("missing"), 5000).failure, null);
  const led = after(known, answer("us-east-1"), 6000); // back again, without a failure: no news for anybody
  assert.deepEqual([led.movedFrom, led.movedAt, led.region], [null, null, "us-east-1"]);
});

test("each trouble is said in words, the worst first", () => {
  const status = (east) => ({ regions: { "us-east-1": { healthy: east, drained: false }, "us-east-2": { healthy: true, drained: false } } });
  const calm = after(UNKNOWN, answer("us-east-2"), 0);
  const told = (known, seen, fresh, now = 1000) => noticeOf(known, seen, fresh, now, WORDS.es)?.title ?? null;
  assert.equal(told(calm, status(true), { "us-east-1": 1 }), null);
  assert.equal(told(calm, status(true), { "us-east-1": 45 }), "Los pedidos recibidos en Virginia llegan con 45 s de retraso.");
  assert.equal(told(calm, status(false), { "us-east-1": 45 }), "Virginia está fuera de servicio.");
  const moved = after(after(after(UNKNOWN, answer("us-east-1"), 0), failed("silent"), 400), answer("us-east-2"), 500);
  assert.equal(told(moved, status(false), {}), "Virginia no responde; ahora atiende Ohio.");
  assert.equal(told(moved, status(true), {}, 500_000), null);
  assert.equal(told(after(moved, failed("offline"), 900), status(false), {}), "Este equipo no tiene conexión a internet.");
});

test("answers of the API become troubles that people know", () => {
  const kinds = [400, 401, 403, 404, 429, 500, 502, 503, 504].map((status) => failureOf(status, null).kind);
  assert.deepEqual(kinds, [
    "refused", "unauthorized", "forbidden", "missing", "throttled", "unavailable", "silent", "unavailable", "silent",
  ]);
  assert.equal(failureOf(503, "7").retryAfterSeconds, 7);
  assert.equal("retryAfterSeconds" in failureOf(503, "soon"), false);
});

test("waits grow to a few seconds, keep to Retry-After, and differ from screen to screen", () => {
  assert.ok(retryAfterMs(1, undefined, 0) < 1000);
  assert.ok(retryAfterMs(50, undefined, 1) <= 4000);
  assert.ok(retryAfterMs(1, 8, 0) >= 6000);
  assert.notEqual(retryAfterMs(3, undefined, 0.1), retryAfterMs(3, undefined, 0.9));
});

test("the API is behind the page in the lab and at its own name on AWS", () => {
  assert.equal(apiBase({ protocol: "http:", host: "localhost:8080" }), "");
  assert.equal(apiBase({ protocol: "https:", host: "cargo.test" }), "https://api.cargo.test");
});

test("numbers, hours and days are those of Bogota and of the chosen language", () => {
  assert.equal(money("1250000.50", "es").replace(/\s/g, " "), "$ 1.250.001");
  assert.equal(money("1250000.50", "en").replace(/\s/g, " "), "COP 1,250,001");
  assert.equal(change(0.123, "en"), "+12%");
  assert.equal(hourInBogota("2026-11-21T04:59:00Z"), 23);
  assert.equal(dayBefore("2027-01-01"), "2026-12-31");
  assert.deepEqual([0.4, 59, 61, 7300, 200_000].map(span), ["0 s", "59 s", "1 min", "2 h", "2 d"]);
  assert.deepEqual([shortSpan(0.42, "es"), shortSpan(0.42, "en")], ["0,4 s", "0.4 s"]);
});

test("an order's address leads back to it, whatever its number holds", () => {
  for (const id of ["CE-1", "a/b", "ñ %2F #?", "100%"]) {
    assert.deepEqual(routeOf(addressOf("orders", id)), { view: "orders", orderId: id });
  }
  assert.deepEqual(routeOf("#/pedidos/%zz"), { view: "orders", orderId: null });
  assert.deepEqual(routeOf(""), { view: "today", orderId: null });
  assert.deepEqual(routeOf("#/operacion"), { view: "operations", orderId: null });
});

test("both languages have every word", () => {
  const shape = (words) => Object.entries(words).map(([name, word]) =>
    [name, typeof word === "object" ? Object.keys(word).sort() : typeof word === "function" ? word.length : "text"]);
  assert.deepEqual(shape(WORDS.en), shape(WORDS.es));
  assert.ok(JSON.stringify(WORDS).indexOf('""') < 0);
});
