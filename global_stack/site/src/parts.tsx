// Small pieces that several views are made of.
import type { ReactNode } from "react";
import type { Status } from "./documents.ts";
import { WORDS, type Words } from "./words.ts";
import { settings, type Language } from "./settings.ts";

/** The words of the chosen language, and which one it is. */
export function useWords(): { words: Words; language: Language } {
  const { language } = settings.use();
  return { words: WORDS[language], language };
}

export function Card(props: { title?: string; aside?: ReactNode; className?: string; children: ReactNode }) {
  return (
    <section className={`card ${props.className ?? ""}`}>
      {props.title && (
        <header className="card-head">
          <h2>{props.title}</h2>
          {props.aside}
        </header>
      )}
      {props.children}
    </section>
  );
}

/** Grey shapes in the place of what is still being loaded; readers hear one word. */
export function Skeleton(props: { lines?: number; tall?: boolean }) {
  const { words } = useWords();
  return (
    <div className={props.tall ? "skeleton tall" : "skeleton"} role="status">
      <span className="hidden">{words.loading}</span>
      {Array.from({ length: props.lines ?? 1 }, (_, line) => (
        <i key={line} aria-hidden="true" />
      ))}
    </div>
  );
}

export function StatusChip(props: { status: Status }) {
  const { words } = useWords();
  return (
    <span className="chip" data-status={props.status}>
      {words.statuses[props.status]}
    </span>
  );
}

export function Empty(props: { title: string; text?: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <svg viewBox="0 0 48 48" aria-hidden="true">
        <path d="M8 16 24 8l16 8v17l-16 8-16-8zM8 16l16 8 16-8M24 24v17M16 12l16 8" />
      </svg>
      <p className="empty-title">{props.title}</p>
      {props.text && <p>{props.text}</p>}
      {props.children}
    </div>
  );
}

export type Ranked = { name: string; value: number; text: string };

/** Names with a bar each, the longest first. */
export function Ranking(props: { rows: Ranked[]; none: string }) {
  const most = Math.max(...props.rows.map((row) => row.value), 1);
  if (!props.rows.length) return <p className="quiet">{props.none}</p>;
  return (
    <ol className="ranking">
      {props.rows.map((row) => (
        <li key={row.name} style={{ "--share": row.value / most } as React.CSSProperties}>
          <span className="ranking-name">{row.name}</span>
          <span className="ranking-value">{row.text}</span>
        </li>
      ))}
    </ol>
  );
}
