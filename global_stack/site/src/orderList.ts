// The list of orders on the screen: pages of the API, newest registration first, merged as they come and come again.
import type { Order, Page } from "./documents.ts";

export type OrderList = { orders: Order[]; next: string | null; complete: boolean };
/** Where a page begins: for the API, and for the list (behind which order). */
export type Place = { cursor: string; after: Order | null };

export const EMPTY: OrderList = { orders: [], next: null, complete: false };

/** Sorts as the API lists: by registration, then by id, both newest first. */
export function isBefore(one: Order, other: Order): boolean {
  return (
    one.registered_at > other.registered_at ||
    (one.registered_at === other.registered_at && one.order_id > other.order_id)
  );
}

function started(page: Page): OrderList {
  return { orders: page.orders, next: page.next_cursor, complete: page.next_cursor === null };
}

/** The list after its newest page, of at most `limit` orders, came again. */
export function withNewest(list: OrderList, page: Page, limit: number): OrderList {
  const known = new Set(list.orders.map((order) => order.order_id));
  // A full page that ends above all that is known: what lies between is not known, and the list starts anew. (A rare
  // status gives pages that are not full, since the API looks only so far back at once: those reach what was known.)
  const hasGap = page.orders.length >= limit && !page.orders.some((order) => known.has(order.order_id));
  return hasGap ? started(page) : withPage(list, page, null);
}

/**
 * The list after the page behind `after` came, for the first time or again. It tells the truth about the span that it
 * covers: what stood there and is not in it any more is gone (it left the filter); what lies outside stays.
 */
export function withPage(list: OrderList, page: Page, after: Order | null): OrderList {
  if (after && !list.orders.some((order) => order.order_id === after.order_id)) return list; // it started anew meanwhile
  const fresh = new Set(page.orders.map((order) => order.order_id));
  const end = page.orders.at(-1) ?? after;
  const isBehindEnd = (order: Order) => end === null || isBefore(end, order);
  const isCovered = (order: Order) =>
    (after === null || isBefore(after, order)) && (page.next_cursor === null || !isBehindEnd(order));
  const kept = list.orders.filter((order) => !fresh.has(order.order_id) && !isCovered(order));
  const orders = [...kept, ...page.orders].sort((one, other) => (isBefore(one, other) ? -1 : 1));
  const isDeepest = page.next_cursor === null || !orders.some(isBehindEnd);
  return isDeepest ? { ...started(page), orders } : { ...list, orders };
}

/** Where to look again next, one page at a time down to the last order that is listed; then from the top. */
export function nextPlace(list: OrderList, page: Page, after: Order | null): Place | null {
  const end = page.orders.at(-1) ?? after;
  if (page.next_cursor === null || end === null) return null;
  return list.orders.some((order) => isBefore(end, order)) ? { cursor: page.next_cursor, after: end } : null;
}
