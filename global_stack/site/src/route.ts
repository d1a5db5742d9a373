// Which view is seen, from the address behind the `#`: it can be shared, and the browser's back button works.
import { useSyncExternalStore } from "react";

export type View = "today" | "orders" | "operations";
export type Route = { view: View; orderId: string | null };

const PATHS: Record<View, string> = { today: "#/", orders: "#/pedidos", operations: "#/operacion" };

export function routeOf(hash: string): Route {
  const [, view, id] = hash.split("/");
  if (view === "pedidos") return { view: "orders", orderId: id ? decoded(id) : null };
  return { view: view === "operacion" ? "operations" : "today", orderId: null };
}

export function addressOf(view: View, orderId?: string): string {
  return orderId ? `${PATHS.orders}/${encodeURIComponent(orderId)}` : PATHS[view];
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // not an address of this page
  }
}

function follow(tell: () => void): () => void {
  window.addEventListener("hashchange", tell);
  return () => window.removeEventListener("hashchange", tell);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(follow, () => window.location.hash);
  return routeOf(hash);
}
