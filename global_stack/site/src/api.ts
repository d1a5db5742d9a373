// Asks the API, once. Every outcome is a value: an answer with the Region that gave it, or a failure that has words.
import { apiBase } from "./apiBase.ts";

export const ASKED_FOR_MS = 4_000;
// A login takes longer by design: the password is hashed slowly.
const LOGIN_FOR_MS = 12_000;

export type FailureKind =
  | "offline" // this device has no connection
  | "silent" // nobody answered in time, or the way there is broken
  | "unavailable" // a Region answered that it cannot just now
  | "throttled"
  | "unauthorized"
  | "forbidden"
  | "missing"
  | "refused"; // anything else that asking again would not change

export type Failure = { kind: FailureKind; retryAfterSeconds?: number };
export type Answer<T> = { ok: true; body: T; region: string } | { ok: false; failure: Failure };
export type Token = { access_token: string; expires_in: number };

export function failureOf(status: number, retryAfter: string | null): Failure {
  const seconds = Number(retryAfter ?? NaN);
  const wait = Number.isFinite(seconds) ? { retryAfterSeconds: seconds } : {};
  if (status === 401) return { kind: "unauthorized" };
  if (status === 403) return { kind: "forbidden" };
  if (status === 404) return { kind: "missing" };
  if (status === 429) return { kind: "throttled", ...wait };
  if (status === 502 || status === 504) return { kind: "silent", ...wait };
  if (status >= 500) return { kind: "unavailable", ...wait };
  return { kind: "refused" };
}

async function send<T>(path: string, options: RequestInit, patienceMs: number): Promise<Answer<T>> {
  try {
    const answer = await fetch(apiBase(window.location) + path, {
      ...options,
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.any([AbortSignal.timeout(patienceMs), ...(options.signal ? [options.signal] : [])]),
    });
    if (!answer.ok) return { ok: false, failure: failureOf(answer.status, answer.headers.get("Retry-After")) };
    return { ok: true, body: (await answer.json()) as T, region: answer.headers.get("X-Region") ?? "" };
  } catch {
    // fetch tells no more than that there was no answer: a broken way, a time limit, or an answer that broke off.
    return { ok: false, failure: { kind: navigator.onLine ? "silent" : "offline" } };
  }
}

export function read<T>(path: string, token: string, signal?: AbortSignal): Promise<Answer<T>> {
  return send<T>(path, { headers: { Authorization: `Bearer ${token}` }, ...(signal ? { signal } : {}) }, ASKED_FOR_MS);
}

export function logIn(username: string, password: string): Promise<Answer<Token>> {
  const body = JSON.stringify({ username, password });
  return send<Token>(
    "/token",
    { method: "POST", headers: { "Content-Type": "application/json" }, body },
    LOGIN_FOR_MS,
  );
}
