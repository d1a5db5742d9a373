// The frame: who is in, which view is seen, and what every view needs to know of the service.
import { useMemo } from "react";
import type { Metrics, ServiceStatus } from "./documents.ts";
import { dayBefore } from "./format.ts";
import { Login, Mark } from "./Login.tsx";
import { Freshness, Notices } from "./Notices.tsx";
import { Operations } from "./Operations.tsx";
import { Orders } from "./Orders.tsx";
import { OrderStory } from "./OrderStory.tsx";
import { useWords } from "./parts.tsx";
import { usePolled } from "./polling.ts";
import { addressOf, useRoute, type View } from "./route.ts";
import { leave, session } from "./session.ts";
import { choose, settings, shownTheme } from "./settings.ts";
import { Today } from "./Today.tsx";

const METRICS_EVERY_MS = 4_000;
const METRICS_BESIDE_EVERY_MS = 12_000;
const YESTERDAY_EVERY_MS = 60_000;
const STATUS_EVERY_MS = 3_000;
const STATUS_BESIDE_EVERY_MS = 10_000;
const VIEWS: View[] = ["today", "orders", "operations"];

export function App() {
  const who = session.use();
  return who.state === "out" ? (
    <>
      <div className="corner"><Choices /></div>
      <Login session={who} />
      <Foot />
    </>
  ) : (
    <>
      <Frame />
      {who.state === "expired" && <Login session={who} />}
    </>
  );
}

function Frame() {
  const { words } = useWords();
  const { view, orderId } = useRoute();
  const metrics = usePolled<Metrics>("/v1/metrics", view === "today" ? METRICS_EVERY_MS : METRICS_BESIDE_EVERY_MS);
  const day = metrics.data?.day ?? null;
  const yesterday = usePolled<Metrics>(
    day && view === "today" ? `/v1/metrics?day=${dayBefore(day)}` : null, YESTERDAY_EVERY_MS,
  );
  const status = usePolled<ServiceStatus>(
    "/v1/status", view === "operations" ? STATUS_EVERY_MS : STATUS_BESIDE_EVERY_MS,
  );
  const refused = metrics.failure?.kind === "forbidden" && view === "today";
  const freshness = useMemo(() => metrics.data?.freshness_seconds ?? {}, [metrics.data]);
  return (
    <>
      <a className="skip" href="#content" onClick={skip}>{words.skip}</a>
      <header className="bar">
        <div className="brand"><Mark /><span>{words.brand}</span></div>
        <nav aria-label={words.views}>
          {VIEWS.map((one) => (
            <a key={one} href={addressOf(one)} aria-current={view === one ? "page" : undefined}>
              {words[one === "today" ? "summary" : one]}
            </a>
          ))}
        </nav>
        <Freshness />
        <div className="choices"><Choices /><LogOut /></div>
      </header>
      <Notices status={status.data} freshness={freshness} />
      <main id="content" tabIndex={-1} className={`view view-${view}`}>
        {view === "today" && (refused
          ? <p className="notice" data-tone="bad">{words.trouble.forbidden}</p>
          : <Today metrics={metrics.data} yesterday={yesterday.data} />)}
        {view === "orders" && <Orders />}
        {view === "operations" && <Operations status={status.data} freshness={freshness} failure={status.failure} />}
      </main>
      <Foot />
      {orderId !== null && <OrderStory key={orderId} orderId={orderId} />}
    </>
  );
}

/** For those who connect a system: a page of its own, which this one does not carry. */
function Foot() {
  const { words } = useWords();
  return <footer className="foot"><a href="/reference.html">{words.reference}</a></footer>;
}

/** To the content without touching the address, which names the view. */
function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function Choices() {
  const { words, language } = useWords();
  settings.use();
  const theme = shownTheme();
  return (
    <>
      <button
        type="button" className="plain" lang={language === "es" ? "en" : "es"} title={words.languageHint}
        onClick={() => choose({ language: language === "es" ? "en" : "es" })}
      >
        {words.language}
      </button>
      <button
        type="button" className="icon" aria-label={theme === "dark" ? words.toLight : words.toDark}
        onClick={() => choose({ theme: theme === "dark" ? "light" : "dark" })}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          {theme === "dark" ? (
            <path d="M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5" />
          ) : (
            <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" />
          )}
        </svg>
      </button>
    </>
  );
}

function LogOut() {
  const { words } = useWords();
  return <button type="button" className="plain" onClick={leave}>{words.logOut}</button>;
}
