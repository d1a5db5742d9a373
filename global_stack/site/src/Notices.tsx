// What is wrong, in words, and how fresh the page is. A failover shows here and nowhere else.
import { connection } from "./connection.ts";
import type { ServiceStatus } from "./documents.ts";
import { place, span } from "./format.ts";
import { useWords } from "./parts.tsx";
import { useNow } from "./polling.ts";
import { FRESH_SECONDS, noticeOf } from "./notice.ts";

export function Notices(props: { status: ServiceStatus | null; freshness: Record<string, number> }) {
  const { words } = useWords();
  const notice = noticeOf(connection.use(), props.status, props.freshness, useNow(), words);
  return (
    <section className="notices" aria-label={words.notices}>
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
    </section>
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
