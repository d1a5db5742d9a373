// The list of orders on the screen: pages of the API, newest registration first, merged as they come and come again.
import type { Order, Page } from "./documents.ts";

/** A page further down: where it begins, for the API and for the list. */
export type Further = { cursor: string; after: Order | null };
export type OrderList = { orders: Order[]; further: Further[]; next: string | null; complete: boolean };

export const EMPTY: OrderList = { orders: [], further: [], next: null, complete: false };

/** Sorts as the API lists: by registration, then by id, both newest first. */
export function isBefore(one: Order, other: Order): boolean {
  return (
    one.registered_at > other.registered_at ||
    (one.registered_at === other.registered_at && one.order_id > other.order_id)
  );
}

/**
 * The orders after a page came again. It tells the truth about the span that it covers: what stood there and is not in
 * it any more is gone (it left the filter), and what lies outside stays as it was.
 */
function merged(known: Order[], page: Page, after: Order | null): Order[] {
  const fresh = new Set(page.orders.map((order) => order.order_id));
  const last = page.orders.at(-1);
  const isCovered = (order: Order) =>
    (after === null || isBefore(after, order)) &&
    (page.next_cursor === null || (last !== undefined && !isBefore(last, order)));
  const kept = known.filter((order) => !fresh.has(order.order_id) && !isCovered(order));
  return [...kept, ...page.orders].sort((one, other) => (isBefore(one, other) ? -1 : 1));
}

/** The list after its newest page, of at most `limit` orders, came again. */
export function withNewest(list: OrderList, page: Page, limit: number): OrderList {
  const known = new Set(list.orders.map((order) => order.order_id));
  const isFirst = !list.orders.length && list.next === null;
  // A full page that ends above all that is known: what lies between is not known. (A rare status gives pages that are
  // not full, or empty ones, since the API looks only so far back at once: those always reach what was there before.)
  const hasGap = page.orders.length >= limit && !page.orders.some((order) => known.has(order.order_id));
  if (page.next_cursor === null || isFirst || hasGap) {
    return { orders: page.orders, further: [], next: page.next_cursor, complete: page.next_cursor === null };
  }
  return { ...list, orders: merged(list.orders, page, null) };
}

/** The list with a further page, at its end or come again. */
export function withFurther(list: OrderList, further: Further, page: Page): OrderList {
  const orders = merged(list.orders, page, further.after);
  if (list.further.some((known) => known.cursor === further.cursor)) return { ...list, orders };
  if (list.next !== further.cursor) return list; // the list started anew meanwhile
  return {
    orders, further: [...list.further, further], next: page.next_cursor, complete: page.next_cursor === null,
  };
}
