// What is wrong, in words, and how fresh the page is. A failover shows here and nowhere else.
import { connection, type Connection } from "./connection.ts";
import type { ServiceStatus } from "./documents.ts";
import { place, span } from "./format.ts";
import { useWords } from "./parts.tsx";
import { useNow } from "./polling.ts";
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

export function Notices(props: { status: ServiceStatus | null; freshness: Record<string, number> }) {
  const { words } = useWords();
  const notice = noticeOf(connection.use(), props.status, props.freshness, useNow(), words);
  return (
    <div className="notices">
      {/* Read out when it changes; the ages beside it change every second. */}
      <p className="hidden" role="status">{notice?.title}</p>
      {notice && (
        <p className="notice" data-tone={notice.tone}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M12 3 2 20h20zM12 10v5M12 17.5v.5" />
          </svg>
          <span>
            <strong>{notice.title}</strong> {notice.text}
          </span>
        </p>
      )}
    </div>
  );
}

export function Freshness() {
  const { words } = useWords();
  const { answeredAt, region, failure } = connection.use();
  const now = useNow();
  if (answeredAt === null) return <p className="freshness" data-tone="wait">{words.connecting}</p>;
  const age = Math.max(0, now - answeredAt) / 1000;
  const fresh = age <= FRESH_SECONDS && !failure;
  const updated = age < 1 ? words.updatedNow : words.updated(span(age));
  return (
    <p className="freshness" data-tone={fresh ? "good" : "bad"} data-region={region}>
      {age > FRESH_SECONDS ? words.notUpdating(span(age)) : updated} <span>· {words.from(place(region))}</span>
    </p>
  );
}
