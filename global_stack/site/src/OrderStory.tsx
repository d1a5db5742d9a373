// One order: what it is, and what happened to it, in order of time.
import { useEffect, useRef } from "react";
import type { History } from "./documents.ts";
import { count, dayAndClock, money, place } from "./format.ts";
import { Skeleton, StatusChip, useWords } from "./parts.tsx";
import { usePolled } from "./polling.ts";
import { addressOf } from "./route.ts";

const EVERY_MS = 4_000;

export function OrderStory(props: { orderId: string }) {
  const { words } = useWords();
  const { data, failure } = usePolled<History>(`/v1/orders/${encodeURIComponent(props.orderId)}`, EVERY_MS);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => {
    window.location.hash = addressOf("orders");
  };
  return (
    <dialog
      ref={dialog} className="story" aria-labelledby="story-title" onClose={close}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div className="story-inside">
        <header>
          <div>
            <p className="quiet">{words.order}</p>
            <h2 id="story-title">{props.orderId}</h2>
          </div>
          <button type="button" className="icon" aria-label={words.close} onClick={() => dialog.current?.close()}>
            <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6 6 18" /></svg>
          </button>
        </header>
        {data ? (
          <Story order={data} />
        ) : failure?.kind === "missing" || failure?.kind === "refused" ? (
          <p className="not-found" role="alert">{words.notFound(props.orderId)}</p>
        ) : failure ? (
          <p className="not-found" role="alert">{words.trouble[failure.kind]}</p>
        ) : (
          <Skeleton lines={6} />
        )}
      </div>
    </dialog>
  );
}

function Story(props: { order: History }) {
  const { words, language } = useWords();
  const { order } = props;
  const done = new Set(order.effects.map((effect) => effect.event_id));
  const moment = (event: { occurred_at: string | null; recorded_at: string }) => event.occurred_at ?? event.recorded_at;
  const events = [...order.events].sort((one, other) => Date.parse(moment(one)) - Date.parse(moment(other)));
  return (
    <>
      <dl className="facts">
        <div>
          <dt>{words.status}</dt>
          <dd><StatusChip status={order.status} /></dd>
        </div>
        <div>
          <dt>{words.total}</dt>
          <dd>{order.total === null ? "–" : money(order.total, language)}</dd>
        </div>
        <div>
          <dt>{words.courier}</dt>
          <dd>{order.courier ?? words.noCourier}</dd>
        </div>
        {order.city && (
          <div>
            <dt>{words.city}</dt>
            <dd>{order.city}</dd>
          </div>
        )}
      </dl>
      {order.conflict && <p className="notice" data-tone="warn">{words.conflict}</p>}
      <h3>{words.timeline}</h3>
      <ol className="timeline">
        {events.map((event) => (
          <li key={event.event_id} data-status={event.status}>
            <p className="timeline-what">
              <strong>{words.statuses[event.status]}</strong>
              {event.attempt > 1 && <span> · {words.attempt(event.attempt)}</span>}
            </p>
            <p className="timeline-when">
              <time dateTime={moment(event)}>{dayAndClock(moment(event), language)}</time>
            </p>
            {event.courier && <p>{event.courier}</p>}
            {event.note && <p>“{event.note}”</p>}
            <p className="quiet">
              {words.takenIn(place(event.origin_region))} · {done.has(event.event_id) ? words.processed : words.waiting}
            </p>
          </li>
        ))}
      </ol>
      {order.items.length > 0 && (
        <>
          <h3>{words.lines}</h3>
          <ul className="lines">
            {order.items.map((item, line) => (
              <li key={line}>
                <span>{item.quantity > 1 && `${count(item.quantity, language)} × `}{item.product}</span>
                <span>{money(Number(item.price) * item.quantity, language)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
