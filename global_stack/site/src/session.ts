// Who is logged in. The token lives as long as the tab; the password is sent once and kept nowhere.
import { store } from "./store.ts";

export type Session =
  | { state: "out" }
  | { state: "in"; username: string; token: string }
  | { state: "expired"; username: string };

const KEPT = "relevo.session";

function kept(): Session {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as { username: string; token: string } | null;
    return found?.token ? { state: "in", ...found } : { state: "out" };
  } catch {
    return { state: "out" }; // a browser without storage, or what is kept is not ours
  }
}

function keep(session: Session): void {
  try {
    if (session.state === "in") {
      sessionStorage.setItem(KEPT, JSON.stringify({ username: session.username, token: session.token }));
    } else sessionStorage.removeItem(KEPT);
  } catch {
    // without storage the session lasts until the page is loaded again
  }
}

export const session = store<Session>(kept());

export function enter(username: string, token: string): void {
  session.set({ state: "in", username, token });
  keep(session.get());
}

export function leave(): void {
  session.set({ state: "out" });
  keep(session.get());
}

/** The API refused this token: ask for another one, unless that has happened already. */
export function expire(token: string): void {
  const now = session.get();
  if (now.state !== "in" || now.token !== token) return;
  session.set({ state: "expired", username: now.username });
  keep(session.get());
}
