// A value outside React that components follow: the session, the connection and the settings are one each.
import { useSyncExternalStore } from "react";

export type Store<T> = { get(): T; set(next: T): void; use(): T };

export function store<T>(first: T): Store<T> {
  let value = first;
  const followers = new Set<() => void>();
  const follow = (tell: () => void) => {
    followers.add(tell);
    return () => followers.delete(tell);
  };
  return {
    get: () => value,
    set(next) {
      value = next;
      followers.forEach((tell) => tell());
    },
    use: () => useSyncExternalStore(follow, () => value),
  };
}
