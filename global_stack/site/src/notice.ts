// What is wrong, as one sentence and what to expect: the worst that is known.
import type { Connection } from "./connection.ts";
import type { ServiceStatus } from "./documents.ts";
import { place, span } from "./format.ts";
import type { Words } from "./words.ts";

// Older than this the page no longer keeps its promise, and says so.
export const FRESH_SECONDS = 10;
const MOVE_SHOWN_MS = 30_000;

export type Notice = { tone: "bad" | "warn"; title: string; text: string };

export function noticeOf(
  known: Connection, status: ServiceStatus | null, freshness: Record<string, number>, now: number, words: Words,
): Notice | null {
  if (known.failure) {
    const age = known.answeredAt === null ? null : span((now - known.answeredAt) / 1000);
    return { tone: "bad", title: words.trouble[known.failure.kind], text: words.keepTrying(age) };
  }
  const regions = Object.entries(status?.regions ?? {});
  const out = regions.find(([, seen]) => !seen.healthy || seen.drained)?.[0];
  if (known.movedFrom && known.movedAt !== null && (now - known.movedAt < MOVE_SHOWN_MS || out === known.movedFrom)) {
    if (known.movedFrom !== known.region && out !== known.region) {
      return { tone: "warn", title: words.movedTitle(place(known.movedFrom), place(known.region)), text: words.movedText };
    }
  }
  if (out) {
    const up = regions.find(([region]) => region !== out)?.[0] ?? known.region;
    return { tone: "warn", title: words.regionDownTitle(place(out)), text: words.regionDownText(place(up)) };
  }
  const late = Object.entries(freshness).find(([, seconds]) => seconds > FRESH_SECONDS);
  if (late) return { tone: "warn", title: words.lateTitle(place(late[0]), span(late[1])), text: words.lateText };
  return null;
}
