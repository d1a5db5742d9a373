// Asks one path again and again while the page is seen; keeps the last good answer while nobody answers.
import { useCallback, useEffect, useRef, useState } from "react";
import { read, type Failure } from "./api.ts";
import { isNoAnswer, report } from "./connection.ts";
import { expire, session } from "./session.ts";

export type Polled<T> = { data: T | null; answeredAt: number | null; failure: Failure | null };

const FIRST_RETRY_MS = 800;
const LAST_RETRY_MS = 3_000;
const REFUSED_RETRY_MS = 30_000;

/** How long to wait after so many failures in a row, with jitter so that many screens do not ask at once. */
export function retryAfterMs(failures: number, asked: number | undefined, chance: number): number {
  const pause = Math.min(FIRST_RETRY_MS * 1.6 ** (failures - 1), LAST_RETRY_MS);
  return Math.max(pause, (asked ?? 0) * 1000) * (0.75 + chance / 2);
}

/** Ask the API once, with the session's token; tells connection and session what came of it. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<{ body: T } | { failure: Failure } | null> {
  const now = session.get();
  if (now.state !== "in") return null;
  const answer = await read<T>(path, now.token, signal);
  if (signal?.aborted) return null;
  report(answer);
  if (answer.ok) return { body: answer.body };
  if (answer.failure.kind === "unauthorized") expire(now.token);
  return { failure: answer.failure };
}

/** Poll `path` every `everyMs`; null asks nothing. What was known of another path is forgotten. */
export function usePolled<T>(path: string | null, everyMs: number, take?: (body: T) => void): Polled<T> {
  const [known, setKnown] = useState<Polled<T> & { path: string | null }>({
    path, data: null, answeredAt: null, failure: null,
  });
  const { state } = session.use();
  const taking = useRef(take);
  taking.current = take;

  const run = useCallback(
    (asked: string) => {
      const stop = new AbortController();
      let timer = 0;
      let failures = 0;
      let asking = false;
      const next = (ms: number) => {
        window.clearTimeout(timer);
        timer = window.setTimeout(once, ms);
      };
      const once = async () => {
        if (asking || document.hidden) return; // a hidden page asks again when it is seen
        asking = true;
        const found = await ask<T>(asked, stop.signal);
        asking = false;
        if (!found) return;
        if ("body" in found) {
          failures = 0;
          setKnown({ path: asked, data: found.body, answeredAt: Date.now(), failure: null });
          taking.current?.(found.body);
          next(everyMs);
        } else {
          failures += 1;
          setKnown((before) => ({
            path: asked,
            data: before.path === asked ? before.data : null,
            answeredAt: before.path === asked ? before.answeredAt : null,
            failure: found.failure,
          }));
          const mayChange = isNoAnswer(found.failure);
          next(mayChange ? retryAfterMs(failures, found.failure.retryAfterSeconds, Math.random()) : REFUSED_RETRY_MS);
        }
      };
      const again = () => next(0);
      document.addEventListener("visibilitychange", again);
      window.addEventListener("online", again);
      void once();
      return () => {
        stop.abort();
        window.clearTimeout(timer);
        document.removeEventListener("visibilitychange", again);
        window.removeEventListener("online", again);
      };
    },
    [everyMs],
  );

  useEffect(() => (path !== null && state === "in" ? run(path) : undefined), [path, state, run]);
  return known.path === path ? known : { data: null, answeredAt: null, failure: null };
}

/** The current time, told every second, for ages. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}
