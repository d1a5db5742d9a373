// The list of orders on the screen: pages of the API, newest registration first, merged as they come.
import type { Order, Page } from "./documents.ts";

export type OrderList = { orders: Order[]; next: string | null; complete: boolean };

export const EMPTY: OrderList = { orders: [], next: null, complete: false };

/** Sorts as the API lists: by registration, then by id, both newest first. */
export function isBefore(one: Order, other: Order): boolean {
  return (
    one.registered_at > other.registered_at ||
    (one.registered_at === other.registered_at && one.order_id > other.order_id)
  );
}

/**
 * The list after its newest page came again. The page tells the truth about the span that it covers: what stood there
 * and is not in it any more is gone (it left the filter), and what is older stays as it was.
 */
export function withNewest(list: OrderList, page: Page): OrderList {
  const last = page.orders.at(-1);
  if (page.next_cursor === null) return { orders: page.orders, next: null, complete: true };
  if (!last) return list.orders.length ? list : { orders: [], next: page.next_cursor, complete: false };
  const fresh = new Set(page.orders.map((order) => order.order_id));
  // More orders came than one page holds: what lies between is not known, so the list begins anew.
  if (!list.orders.some((order) => fresh.has(order.order_id))) return { ...EMPTY, orders: page.orders, next: page.next_cursor };
  const older = list.orders.filter((order) => !fresh.has(order.order_id) && isBefore(last, order));
  if (!older.length) return { orders: page.orders, next: page.next_cursor, complete: false };
  return { ...list, orders: [...page.orders, ...older] };
}

/** The list with a further page at its end. */
export function withOlder(list: OrderList, page: Page): OrderList {
  const known = new Set(list.orders.map((order) => order.order_id));
  const more = page.orders.filter((order) => !known.has(order.order_id));
  return { orders: [...list.orders, ...more], next: page.next_cursor, complete: page.next_cursor === null };
}
